"""Prints `.env.example`, or with `--markdown` the table of settings."""

from __future__ import annotations

import sys

from llm_monitoring.process.streams import run_program
from llm_monitoring.settings.documentation import environment_example, environment_table

run_program(lambda: print(environment_table() if "--markdown" in sys.argv else environment_example(), end=""))
