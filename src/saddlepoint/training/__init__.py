"""Trains: one run from its settings to its results, with callbacks and loggers."""
