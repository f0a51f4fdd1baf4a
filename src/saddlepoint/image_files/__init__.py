"""Decides what an image file means: mode, bit depth, scale, orientation, transparency, colour profile. Training,
metrics and upscaling all read files through this package. It imports no torch."""
