"""Reads settings as they are typed, composes them with the yaml files, and refuses what cannot be."""
