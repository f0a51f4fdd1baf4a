"""Data sets in the files of their authors."""
