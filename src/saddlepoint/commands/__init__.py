"""The commands as the shell calls them, and as functions for programs (interface.py)."""
