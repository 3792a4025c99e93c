"""The two cron jobs: each a main(argv) that returns an exit code."""
