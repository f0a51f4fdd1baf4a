"""Starts and connects the processes of a run, computes over all of them, and decides which of them prints."""
