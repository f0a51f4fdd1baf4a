"""Adapters that hand settings, pictures and the end of a run to loggers, each in its own way."""
