"""Lists the endings by which image files in a folder are recognised."""

# Formats of still pictures that Pillow reads by itself or, for the last line, with a plugin that users install. Not
# among them: films, documents, EPS (which runs Ghostscript), game textures, icons, science's containers of numbers.
ENDINGS = (
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "avif", "tif", "tiff", "gif", "bmp", "dib", "apng",
    "ppm", "pgm", "pbm", "pnm", "pfm", "jp2", "j2k", "j2c", "jpc", "jpf", "jpx", "tga", "qoi", "pcx", "sgi", "psd",
    "heic", "heif", "hif", "jxl",
)
