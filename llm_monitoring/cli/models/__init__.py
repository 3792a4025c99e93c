"""`models` and its commands."""
