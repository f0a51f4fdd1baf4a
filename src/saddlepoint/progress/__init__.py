"""Chooses where progress is shown: on a terminal, in a notebook, or in lines of a log."""
