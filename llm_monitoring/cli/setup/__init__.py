"""`setup`: the first steps."""
