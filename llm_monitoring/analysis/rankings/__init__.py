"""Rankings: blocks that put named options in order."""
