"""Searches settings: Optuna proposes them, jobs of a sweep try them, and trials without prospects end early."""
