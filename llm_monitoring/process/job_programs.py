"""The two jobs as pip installs them: the programs `llm-monitoring-daily` and `llm-monitoring-weekly`."""

from __future__ import annotations

from typing import NoReturn

from llm_monitoring.process.streams import run_job


def daily() -> NoReturn:
    """Run the daily job of the installed package, also in a checkout, and exit with its code."""
    run_job("llm_monitoring.jobs.daily")


def weekly() -> NoReturn:
    """Run the weekly job of the installed package, also in a checkout, and exit with its code."""
    run_job("llm_monitoring.jobs.weekly")
