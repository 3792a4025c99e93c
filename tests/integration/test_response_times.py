"""The average response time of a day's snapshots."""

from __future__ import annotations

from llm_monitoring import projects
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.figures.snapshots import write_snapshots
from tests.environment import Environment
from tests.faults.in_process import TODAY, run_day


def test_calls_with_an_answer_that_is_not_read_count_as_well(environment: Environment) -> None:
    """It is over all calls of the cell that brought an answer, as cost and tokens are, and none of sentiment."""
    user = environment.add_user(providers=["openai"])
    project = environment.add_project(user, ["¿Qué es Quipu?", "¿Y Quipu?", "¿Quién usa Quipu?"], ["openai"])
    run_day(environment, LLM_SENTIMENT="true")
    environment.db.execute(
        "UPDATE llm_monitoring_results SET response_time_ms = 100 * rank FROM (SELECT id AS number, "
        "rank() OVER (ORDER BY id) FROM llm_monitoring_results) AS ranked WHERE id = number;"
        "UPDATE llm_monitoring_results SET unread_reason = 'x' WHERE response_time_ms = 300"
    )
    write_snapshots(environment.db, projects.find(environment.db, project), TODAY, RowErrors())
    assert [200] == [row["avg_response_time_ms"] for row in environment.rows("SELECT * FROM llm_monitoring_snapshots")]
