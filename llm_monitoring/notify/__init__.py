"""What the operator is told after a run: what is new, an outbox for it, and the way out."""
