"""The review of models: what the providers list, what an admin may decide, trial calls and comparisons."""
