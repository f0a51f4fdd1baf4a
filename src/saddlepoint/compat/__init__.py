"""Libraries that need help to be imported."""
