"""`runs` and its commands."""
