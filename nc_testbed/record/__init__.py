"""A run's directory: what it keeps, and how that is checked."""
