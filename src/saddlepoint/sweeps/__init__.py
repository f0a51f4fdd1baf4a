"""Runs sweeps: each job is a process of its own; a summary says how each ended and which are still to run."""
