"""The process itself: its signals and its standard streams."""
