"""API keys: encryption, storage, and what asks the providers whether a key works."""
