"""Runs as a table: rows are recipes, columns are metrics of one protocol. Imports no torch."""
