"""Mentions: the vocabulary of a project and its matches in a text."""
