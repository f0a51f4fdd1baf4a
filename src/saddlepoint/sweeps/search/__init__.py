"""Searches: settings that Optuna proposes, tried by the jobs of a sweep, ended early where they are hopeless."""
