"""Data sets that are read from the files which their authors published."""
