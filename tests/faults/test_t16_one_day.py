"""T16: one day with a broken row of every kind, each of another user: everybody else's day is whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg2
import pytest

from llm_monitoring.analysis import Matcher
from llm_monitoring.db.database import Database
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.jobs import daily_log
from llm_monitoring.runs import held_work
from tests.faults.poison import BRACKETS, DAY, DEEP, FIRST_DAY, PROMPTS, House

USERS: Final = (
    "healthy", "overflow", "trigger", "check", "no_project", "no_account", "nan", "deep", "brackets", "unread",
    "locked", "whole",
)  # fmt: skip
NUMBER: Final = {name: number for number, name in enumerate(USERS, start=1)}
BREAK: Final = f"""
UPDATE llm_call_attempts SET state = 'sent', charged_usd = 0, closed_at = NULL WHERE user_id = {{overflow}};
DELETE FROM llm_monitoring_results WHERE project_id = {{overflow}};
UPDATE user_llm_api_keys SET monthly_budget_usd = 99999999.99, current_month_spend = 99999999.9999
WHERE user_id = {{overflow}};
ALTER TABLE user_llm_api_keys DROP CONSTRAINT user_llm_api_keys_budget_is_an_amount;
UPDATE user_llm_api_keys SET monthly_budget_usd = 'NaN' WHERE user_id = {{nan}};
ALTER TABLE llm_monitoring_results ADD CONSTRAINT of_the_host CHECK (project_id <> {{check}}) NOT VALID;
UPDATE llm_monitoring_projects SET competitors = ({DEEP})::jsonb WHERE id = {{deep}};
UPDATE user_llm_api_keys SET openai_api_key_encrypted = '{BRACKETS}' WHERE user_id = {{brackets}};
CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS
$$ BEGIN IF NEW.user_id = {{trigger}} THEN RAISE EXCEPTION 'the host refuses'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON user_llm_api_keys FOR EACH ROW EXECUTE FUNCTION refuse();
"""
HELD: Final = "SELECT * FROM user_llm_api_keys WHERE user_id = {locked} FOR UPDATE"


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """Twelve users, each with a day that was measured."""
    with DemoServer() as server, Database(database_url, retry_seconds=10.0, lock_seconds=0.2) as db:
        made = House(database_url, server, db, tmp_path)
        for name in USERS:
            made.add_tenant(name, "Rompe" if name == "unread" else "Quipu")
        made.run(FIRST_DAY)
        db.execute(BREAK.format(**NUMBER))
        yield made


def breaking(brand: str) -> object:
    """Matcher.analyse that a brand's answers break."""
    analyse = Matcher.analyse

    def analysed(self: Matcher, *more: object) -> object:
        if self.entities[0].name == brand:
            raise IndexError("string index out of range")
        return analyse(self, *more)  # type: ignore[arg-type]

    return analysed


def taken_away(house: House) -> None:
    house.db.execute("DELETE FROM llm_monitoring_projects WHERE id = {no_project}".format(**NUMBER))
    house.db.execute("DELETE FROM users WHERE id = {no_account}".format(**NUMBER))


def days(house: House) -> dict[str, tuple[int, int, int]]:
    """Answers of the day, those that are read, and those in figures, of each user's project."""
    rows = house.db.all(
        "SELECT p.id, (SELECT count(*) FROM llm_monitoring_results r WHERE r.project_id = p.id "
        "              AND analysis_date = %(day)s) AS answers,"
        "       (SELECT count(*) FROM llm_monitoring_results r WHERE r.project_id = p.id AND analysis_date = %(day)s"
        "        AND unread_reason IS NULL) AS read,"
        "       (SELECT coalesce(sum(total_queries + branded_total_queries), 0)::int FROM llm_monitoring_snapshots s"
        "        WHERE s.project_id = p.id AND snapshot_date = %(day)s) AS figured "
        "FROM llm_monitoring_projects p ORDER BY p.id",
        {"day": DAY},
    )
    return {USERS[row["id"] - 1]: (row["answers"], row["read"], row["figured"]) for row in rows}


@pytest.mark.ci
def test_t16_a_day_of_broken_rows_is_whole_for_everyone_else(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Overflow, trigger, CHECK, deletions, NaN, depth, brackets, unreadable answer, lock: each stops its user alone."""
    whole, nothing = (len(PROMPTS), len(PROMPTS), len(PROMPTS)), (0, 0, 0)
    monkeypatch.setattr(held_work, "HELD_GRACE_SECONDS", 1.0)
    monkeypatch.setattr(Matcher, "analyse", breaking("Rompe"))
    with closing(psycopg2.connect(house.url)) as other, caplog.at_level(logging.INFO):
        other.cursor().execute(HELD.format(**NUMBER))
        report = house.run(meanwhile=lambda: taken_away(house))
        code = daily_log.summary(report)
    found = days(house)
    assert {"healthy": whole, "whole": whole} == {name: found[name] for name in ("healthy", "whole")}
    assert {"overflow", "nan", "deep", "brackets", "trigger", "check", "locked"} == {
        n for n in found if found[n] == nothing
    }
    assert (len(PROMPTS), 0, 0) == found["unread"]
    stages = {(each.stage, each.code) for each in report.row_errors}
    assert {("read_project", "UnreadableProject"), ("read_answer", "IndexError")} <= stages
    assert any(stage == "settle_attempt" for stage, _ in stages)
    # the prompts of the account that is held are left to the next start; everyone else's day is done
    assert not report.cut
    assert 0 == code
    assert f"🧩 Registros apartados: {len(report.row_errors)}" in caplog.text
    lines = [row["line"] for row in house.db.all("SELECT line FROM llm_monitoring_news")]
    assert 1 == sum(line.startswith("🧩") for line in lines)


@pytest.mark.ci
def test_t16_the_start_after_that_day_serves_whoever_is_mended(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was left open or unread is finished by the next start once its cause is gone, and paid for once."""
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(Matcher, "analyse", breaking("Rompe"))
        assert 0 == daily_log.summary(house.run())
    assert "🔔 LLM MONITORING CRON JOB COMPLETED WITH WARNINGS" in caplog.text
    house.db.execute("DROP TRIGGER refuse ON user_llm_api_keys")
    house.db.execute("ALTER TABLE llm_monitoring_results DROP CONSTRAINT of_the_host")
    house.run()
    found, whole = days(house), (len(PROMPTS), len(PROMPTS), len(PROMPTS))
    assert dict.fromkeys(("healthy", "trigger", "check", "unread", "whole"), whole) == {
        name: found[name] for name in ("healthy", "trigger", "check", "unread", "whole")
    }
