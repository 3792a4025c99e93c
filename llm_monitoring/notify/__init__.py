"""Notices for the operator: what is worth one, the outbox that keeps them, and their delivery."""
