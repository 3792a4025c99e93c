"""`projects`, `queries` and `competitors`."""
