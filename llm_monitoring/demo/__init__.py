"""Sample data, and a loopback server that plays the four providers."""
