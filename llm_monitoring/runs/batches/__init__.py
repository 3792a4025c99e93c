"""Batches: many calls in one request, at a lower price, with answers up to a day later."""
