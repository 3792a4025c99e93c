"""The review of models: the weekly check of the providers' lists, probes and comparisons."""
