"""The web service: REST API over the stores that the command line uses; the jobs import nothing of it."""
