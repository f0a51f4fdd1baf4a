"""Sweeps: jobs that are processes of their own, what became of each, and what is still missing."""
