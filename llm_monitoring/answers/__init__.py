"""Stored answers: saving them, reading them again after names changed, what changes then, how long they are kept."""
