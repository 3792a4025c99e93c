"""Which days may be asked, by every caller that takes one: nothing is paid for a day by a slip of the keyboard."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from llm_monitoring.cli.root import root
from llm_monitoring.errors import Invalid
from llm_monitoring.jobs import daily as job
from llm_monitoring.runs import records
from llm_monitoring.runs.asked_days import LONGEST_AGO
from llm_monitoring.settings import load_settings
from tests.environment import Environment

PROMPTS = ["¿Qué programa conviene?"]


@pytest.fixture
def asked(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A project that can be asked, for commands and jobs of this process."""
    environment.add_project(environment.add_user(providers=["openai"]), PROMPTS, ["openai"])
    for name, value in environment.variables({"LLM_SENTIMENT": "false"}).items():
        monkeypatch.setenv(name, value)
    return environment


def days_ago(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)


def start(day: date, *, any_past: bool = False, dry_run: bool = False) -> int:
    return job.run(load_settings(), job.Options(None, day, dry_run, demo=False, any_past=any_past))


def retry(environment: Environment, day: date, *options: str) -> Result:
    run_id = records.start(environment.db, day)
    records.finish(environment.db, run_id, "warnings", valid=0, failed=0, pending=1, message=None)
    return CliRunner().invoke(root, ["runs", "retry", str(run_id), "--yes", *options])


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_day_that_no_answer_of_today_can_be_of_is_refused(asked: Environment, dry_run: bool) -> None:
    """Far past and future days are refused by a start and by its preview, before a run is recorded or a call paid."""
    for days, code in ((LONGEST_AGO.days + 1, "day_long_ago"), (365, "day_long_ago"), (-1, "day_ahead")):
        with pytest.raises(Invalid) as refused:
            start(days_ago(days), dry_run=dry_run)
        assert code == refused.value.code
    assert 0 == asked.count("llm_monitoring_analysis_runs")


@pytest.mark.parametrize(("days", "any_past"), [(LONGEST_AGO.days, False), (365, True)])
def test_a_gap_of_the_last_days_and_a_day_that_is_meant_are_asked(
    asked: Environment, days: int, any_past: bool
) -> None:
    """A day of the last seven is completed; one longer ago if the caller says that it is meant."""
    assert 0 == start(days_ago(days), any_past=any_past)
    assert len(PROMPTS) == asked.count(f"llm_monitoring_results WHERE analysis_date = '{days_ago(days)}'")


def test_a_retry_of_a_run_of_long_ago_needs_to_be_meant(asked: Environment) -> None:
    """`runs retry` keeps the same rule, and names the option."""
    refused = retry(asked, days_ago(30))
    assert 2 == refused.exit_code
    assert "30 days ago" in refused.output
    assert "--any-past" in refused.output
    assert 0 == asked.count("llm_call_attempts")
    assert "1 answered" in retry(asked, days_ago(30), "--any-past").output


def test_a_run_with_a_day_outside_the_calendar_is_not_retried(asked: Environment) -> None:
    """A host may have written such a day; it is named."""
    run_id = records.start(asked.db, days_ago(0))
    asked.db.execute("UPDATE llm_monitoring_analysis_runs SET analysis_date = '0044-03-15 BC'")
    refused = CliRunner().invoke(root, ["runs", "retry", str(run_id), "--yes"])
    assert f"error: run {run_id} has " in refused.output, refused.output
