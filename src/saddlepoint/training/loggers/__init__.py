"""Loggers, and what each is told beside the curves."""
