"""Rules and triggers of the host that drop rows without an error: nothing paid is lost, or paid again."""

from __future__ import annotations

import pytest

from tests.environment import Environment
from tests.integration.one_run import no_waiting, run
from tests.integration.test_row_errors import answered, four_projects

__all__ = ["no_waiting"]

RULE = "CREATE RULE host AS ON INSERT TO llm_monitoring_results WHERE NEW.project_id = 2 DO INSTEAD NOTHING"
TRIGGER = """
CREATE FUNCTION host() RETURNS TRIGGER LANGUAGE plpgsql AS
$$ BEGIN IF NEW.project_id = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER host BEFORE {event} ON llm_monitoring_results FOR EACH ROW EXECUTE FUNCTION host()
"""


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("drop", "end"),
    [
        (RULE, "DROP RULE host ON llm_monitoring_results"),
        (TRIGGER.format(event="INSERT"), "DROP TRIGGER host ON llm_monitoring_results"),
    ],
    ids=["rule", "trigger"],
)
def test_an_answer_that_the_database_drops_is_reported_and_kept(environment: Environment, drop: str, end: str) -> None:
    """Its call stays open with its receipt; no start asks again, and the one after the cause is gone stores it."""
    four_projects(environment)
    environment.db.execute(drop)
    first, second = run(environment), run(environment)
    assert {1: (2, 2), 2: (0, 0), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert {"settle_attempt"} == {each.stage for each in (*first.row_errors, *second.row_errors)}
    assert "rules and triggers" in first.row_errors[0].message
    environment.db.execute(end)
    assert run(environment).complete
    assert {1: (2, 2), 2: (2, 2), 3: (2, 2), 4: (2, 2)} == answered(environment)
    assert 8 == len(environment.server.bill.lines)
    assert environment.billed() == environment.charged()


def test_a_sentiment_that_the_database_drops_is_not_paid_again(environment: Environment) -> None:
    """The judge is asked once; its verdict is stored once the cause is gone."""
    four_projects(environment)
    environment.db.execute(TRIGGER.format(event="UPDATE"))
    run(environment, LLM_SENTIMENT="true")
    asked = len(environment.server.bill.lines)
    report = run(environment, LLM_SENTIMENT="true")
    environment.db.execute("DROP TRIGGER host ON llm_monitoring_results")
    run(environment, LLM_SENTIMENT="true")
    assert {"settle_attempt"} == {each.stage for each in report.row_errors}
    assert asked == len(environment.server.bill.lines)
    assert 0 == environment.count("llm_monitoring_results WHERE sentiment_status = 'pending'")
