"""Starts the loopback server: `python -m llm_monitoring.demo.server`."""

from __future__ import annotations

from llm_monitoring.demo.server.loopback import main
from llm_monitoring.process.streams import run_program

run_program(main)
