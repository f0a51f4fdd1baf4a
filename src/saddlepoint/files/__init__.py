"""Writes files whole or not at all, makes names that every file system takes, and reports full disks."""
