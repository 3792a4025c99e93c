"""Triggers of the host that change what is written: nothing is paid twice, sent unmarked or charged less."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.environment import Environment
from tests.faults.in_process import impatient, run_day

TRIGGER = """
CREATE FUNCTION host() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN IF {rows} THEN {change}; END IF; RETURN NEW; END $$;
CREATE TRIGGER host BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION host()
"""
PROMPTS = ["¿Qué es Quipu?", "¿Qué programa conviene?"]


@pytest.fixture
def two(environment: Environment) -> Iterator[Environment]:
    """Two users with a project of two prompts each; retries wait hundredths of a second."""
    for _ in range(2):
        environment.add_project(environment.add_user(providers=["openai"]), PROMPTS, ["openai"])
    with impatient():
        yield environment


def answers(environment: Environment) -> list[int]:
    """How many answers each project has."""
    return [
        environment.count(f"llm_monitoring_results WHERE project_id = {number} AND llm_provider = 'openai'")
        for number in (1, 2)
    ]


@pytest.mark.short("day", "charge")
@pytest.mark.parametrize(
    ("table", "event", "rows", "change", "said"),
    [
        (
            "llm_monitoring_results",
            "INSERT",
            "NEW.project_id = 1",
            "NEW.analysis_date := NEW.analysis_date - 1",
            "does not keep the answer",
        ),
        (
            "llm_monitoring_results",
            "INSERT",
            "NEW.project_id = 1",
            "NEW.llm_provider := 'OpenAI'",
            "does not keep the answer",
        ),
        ("llm_call_attempts", "UPDATE", "NEW.user_id = 1", "NEW.charged_usd := NEW.charged_usd / 2", "a charge of"),
    ],
    ids=["day", "provider", "charge"],
)
def test_a_changed_row_leaves_its_call_open(
    two: Environment, table: str, event: str, rows: str, change: str, said: str
) -> None:
    """The answer keeps its receipt, no start asks again, the next one after the cause stores it; others are whole."""
    two.db.execute(TRIGGER.format(table=table, event=event, rows=rows, change=change))
    report = run_day(two)
    run_day(two)
    assert [0, len(PROMPTS)] == answers(two)
    assert {"settle_attempt"} == {each.stage for each in report.row_errors}
    assert all(said in each.message for each in report.row_errors)
    two.db.execute(f"DROP TRIGGER host ON {table}")
    assert run_day(two).complete
    assert 2 * len(PROMPTS) == len(two.server.bill.lines)
    assert two.billed() == two.charged()


def test_a_call_that_cannot_be_marked_as_sent_is_not_made(two: Environment) -> None:
    """A recovery would take it for one that never went out, and charge nothing."""
    change = "NEW.state := 'reserved'"
    rows = "NEW.user_id = 1 AND NEW.state = 'sent'"
    two.db.execute(TRIGGER.format(table="llm_call_attempts", event="UPDATE", rows=rows, change=change))
    report = run_day(two)
    assert len(PROMPTS) == len(two.server.bill.lines)
    assert [0, len(PROMPTS)] == answers(two)
    assert report.in_balance
    assert two.billed() == two.charged()


def test_a_rule_on_a_table_is_named(two: Environment) -> None:
    """PostgreSQL refuses our statements on a table with rules; the day says so instead of a crash."""
    two.db.execute("CREATE RULE host AS ON UPDATE TO user_llm_api_keys WHERE OLD.user_id = 1 DO INSTEAD NOTHING")
    report = run_day(two)
    assert 0 == len(two.server.bill.lines)
    causes = {cause.message for project in report.projects if project.error for cause in project.error.causes}
    assert all("a rule on one of the tables" in str(message) for message in causes), causes


def test_a_prompt_with_an_id_beyond_the_ledgers_is_not_asked(two: Environment) -> None:
    """A host that has widened its ids: the prompt stays open, and everyone else is asked."""
    two.db.execute(
        "ALTER TABLE llm_monitoring_queries ALTER COLUMN id TYPE BIGINT;"
        "UPDATE llm_monitoring_queries SET id = id + 3000000000 WHERE project_id = 1"
    )
    assert not run_day(two).complete
    assert [0, len(PROMPTS)] == answers(two)
