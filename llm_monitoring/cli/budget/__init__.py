"""`budget` and its commands."""
