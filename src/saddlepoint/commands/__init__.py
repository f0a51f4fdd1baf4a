"""The commands as the shell calls them, and the same as functions (interface.py)."""
