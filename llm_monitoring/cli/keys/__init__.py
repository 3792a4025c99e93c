"""`keys` and its commands."""
