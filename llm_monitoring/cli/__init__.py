"""The admin's command line: `python -m llm_monitoring`."""
