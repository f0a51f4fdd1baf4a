"""Several processes: what they compute together, and which of them speaks."""
