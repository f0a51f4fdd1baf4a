"""Linear classifiers on what trained networks compute of images."""
