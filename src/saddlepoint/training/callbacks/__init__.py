"""Callbacks, which observe training and never change the weights."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "checkpointing": "Checkpointing",
    "classification": "Classification",
    "codes": "Codes",
    "at_moments": "AtMoments",
    "every": "Every",
    "health": "Health",
    "histograms": "Histograms",
    "image_grid": "ImageGrid",
    "point_clouds": "PointClouds",
    "progress_line": "Progress",
    "realest_and_fakest": "RealestAndFakest",
    "reconstructions": "Reconstructions",
    "sample_quality": "SampleQuality",
    "scalars": "Scalars",
    "translation_quality": "TranslationQuality",
    "upscaling_quality": "UpscalingQuality",
    "voxel_pictures": "VoxelPictures",
})
