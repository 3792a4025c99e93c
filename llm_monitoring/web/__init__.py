"""The web service: REST API and MCP over the stores that the command line uses; the jobs import nothing of it."""
