"""Commands that change or look back: projects, competitors, prompts, keys, budgets, runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from llm_monitoring import projects
from llm_monitoring.domain import ProviderName
from llm_monitoring.jobs import daily
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.runs import records
from llm_monitoring.runs.records import RunLock
from llm_monitoring.settings.fields import load_settings
from tests.environment import Environment, open_environment
from tests.integration.command_line import Cli

EMAIL = "a@example.com"
PROVIDERS: Final[tuple[ProviderName, ...]] = ("openai", "google")
PROMPTS = ["¿Qué programa de facturación recomiendas?", "Mejores alternativas para autónomos"]


@dataclass(frozen=True)
class Installation(Cli):
    """An environment, and the commands on it in this process."""

    environment: Environment
    user: int
    project: int

    def ask(self, **variables: str) -> int:
        """The daily job, in this process."""
        settings = load_settings(self.environment.variables({"LLM_SENTIMENT": "false", **variables}), dotenv=False)
        return daily.run(settings, daily.Options(None, None, dry_run=False, demo=False))

    def shown(self) -> projects.Project:
        return projects.find(self.environment.db, self.project)


@pytest.fixture
def here(database_url: str, quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Installation]:
    with open_environment(database_url) as environment:
        user = environment.add_user(EMAIL, PROVIDERS, "100.00")
        project = environment.add_project(user, PROMPTS, PROVIDERS)
        for name, value in environment.variables({"LLM_LOG_LEVEL": "INFO", "LLM_SENTIMENT": "false"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield Installation(environment, user, project)


def test_a_project_is_edited(here: Installation) -> None:
    """What is given replaces what was stored, and everything else stays."""
    before = here.shown()
    printed = here.done("projects", "edit", "1", "--alias", "getquipu", "--alias", "Quipu App", "--country", "es",
                     "--samples", "2", "--web-search")  # fmt: skip
    after = here.shown()
    assert ("getquipu", "Quipu App") == after.brand.aliases
    assert "ES" == after.country
    assert 2 == after.samples_per_query
    assert after.web_search is True
    assert before.name == after.name
    assert before.competitors == after.competitors
    assert before.providers == after.providers
    assert printed.startswith("Project 1 (P) changed. Figures read the answers so far with the new names; `reanalyse")
    here.done("projects", "edit", "1", "--clear", "aliases", "--country", "none", "--provider", "google")
    assert () == here.shown().brand.aliases
    assert here.shown().country is None
    assert ("google",) == here.shown().providers


def test_a_project_gets_another_owner(here: Installation) -> None:
    """A project without a user is given to one."""
    here.environment.db.execute("UPDATE llm_monitoring_projects SET user_id = NULL")
    here.done("projects", "edit", "1", "--user", EMAIL)
    assert here.user == here.shown().user_id


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), f"say what to change: see `{PROGRAM} projects edit --help`"),
        (("--country", "Spain"), "country 'SPAIN' is no ISO 3166 code: write ES"),
        (("--brand", "Holded"), "brand and competitors need different names, and 'holded' is there twice"),
        (("--name", "two"), "the user already has another project of that name"),
        (("--alias", "x", "--clear", "aliases"), "aliases: give new entries or --clear, not both"),
    ],
)
def test_an_edit_that_cannot_be(here: Installation, arguments: tuple[str, ...], message: str) -> None:
    """A change that cannot be stored or measured is refused, and nothing is changed."""
    here.environment.add_project(here.user, [], name="two")
    before = here.shown()
    assert message == here.refused("projects", "edit", "1", *arguments)
    assert before == here.shown()


def test_a_project_is_removed_and_the_ledger_stays(here: Installation) -> None:
    """Removing says what goes and asks; prompts and answers go, what calls have cost stays."""
    here.ask()
    spent, calls = here.environment.spent(here.user), here.environment.count("llm_call_attempts")
    kept = here.done("projects", "remove", "1", stdin="n\n")
    assert "goes with 2 prompts, 4 answers and the figures of 1 days. The ledger keeps its" in kept
    assert "Nothing was deleted" in kept
    assert here.project == here.shown().id
    assert "Project 1 (P) is deleted." in here.done("projects", "remove", "1", "--yes")
    assert [0, 0, calls] == [
        here.environment.count(table)
        for table in ("llm_monitoring_queries", "llm_monitoring_results", "llm_call_attempts")
    ]
    assert spent == here.environment.spent(here.user) > 0
    assert [] == here.environment.audit().differences
    assert "project 1 does not exist" in here.refused("projects", "remove", "1", "--yes")


def test_competitors(here: Installation) -> None:
    """Competitors are added with aliases and domains, changed, listed and removed."""
    here.done(
        "competitors", "add", "1", "Sage", "--alias", "Sage 50", "--domain", "sage.com", "--exclude", "sage green"
    )
    sage = {
        "name": "Sage",
        "aliases": ["Sage 50"],
        "domains": ["sage.com"],
        "exclude": ["sage green"],
        "case_sensitive": False,
    }
    assert sage == here.json("competitors", "list", "1")[1]
    here.done("competitors", "edit", "1", "sage", "--name", "Sage Active", "--case-sensitive", "--clear", "domains")
    changed = sage | {"name": "Sage Active", "case_sensitive": True, "domains": [], "aliases": ["Sage 50", "Sage"]}
    assert changed == here.json("competitors", "list", "1")[1]
    assert "different names" in here.refused("competitors", "add", "1", "quipu")
    assert "has no competitor 'Unknown': see" in here.refused("competitors", "remove", "1", "Unknown")
    here.done("competitors", "remove", "1", "HOLDED")
    assert ["Sage Active"] == [each["name"] for each in here.json("competitors", "list", "1")]


def test_prompts_are_paused_and_resumed(here: Installation) -> None:
    """A paused prompt is asked no more and keeps its answers; one of another project is refused with all of them."""
    here.done("queries", "pause", "1", "2")
    assert [True, False] == [row["is_active"] for row in here.json("queries", "list", "1")]
    assert "project 1 has no prompt 9: see" in here.refused("queries", "resume", "1", "2", "9")
    assert [True, False] == [row["is_active"] for row in here.json("queries", "list", "1")]
    assert "Project 1: 1 prompt active.\n" == here.done("queries", "resume", "1", "2")
    assert [True, True] == [row["is_active"] for row in here.json("queries", "list", "1")]


def test_keys_are_verified_for_free(here: Installation) -> None:
    """Each key is tried with a free call; a refused one fails the command and is never shown."""
    here.environment.server.faults.set([{"match": {"provider": "google"}, "action": {"kind": "status", "status": 401}}])
    result = here.run("keys", "verify", "--json")
    found = [(row["provider"], row["result"], row["last_four"]) for row in json.loads(result.stdout)]
    openai, google = (here.environment.key_of(here.user, provider)[-4:] for provider in PROVIDERS)
    assert [("openai", "works", openai), ("google", "refused", google)] == found
    assert 1 == result.exit_code
    assert "works" in here.done("keys", "verify", EMAIL, "--provider", "openai")
    assert 0 == here.environment.server.bill.total_usd
    assert [] == [key for key in here.environment.keys if key in result.output]


@pytest.mark.ci
def test_budget_history(here: Installation) -> None:
    """Each month of the ledger is a row: calls, what is in doubt, corrections, thresholds that were reached."""
    assert "Nothing was spent in these months.\n" == here.done("budget", "history")
    here.ask()
    here.environment.budget.correct(here.user, Decimal(85), "spent elsewhere")
    (row,) = here.json("budget", "history")
    assert here.user == row["user_id"]
    assert "85.0000000000" == row["corrected_usd"]
    assert [80] == [int(n) for n in row["reached"]]
    assert Decimal(row["charged_usd"]) == here.environment.spent(here.user) == Decimal(row["calls_usd"]) + 85
    assert f"{date.today():%Y-%m}" in here.done("budget", "history", EMAIL)  # noqa: DTZ011


@pytest.mark.ci
def test_a_run_is_shown_and_retried(here: Installation) -> None:
    """`runs show` says what is missing and why; `runs retry` asks that alone, after a yes, as a run of its own."""
    here.environment.server.faults.set([{"match": {"provider": "google"}, "action": {"kind": "status", "status": 500}}])
    here.ask(LLM_MAX_ATTEMPTS="1")
    cells = {cell["provider"]: cell for cell in here.json("runs", "show", "1")["day"]}
    assert [("openai", 2, 0), ("google", 0, 2)] == [
        (name, cells[name]["results"], cells[name]["failures"]) for name in ("openai", "google")
    ]
    assert "Ask again what is open: `runs retry 1`." in here.done("runs", "show", "1")
    here.environment.server.faults.set([])
    calls = here.environment.count("llm_call_attempts")
    assert "2 prompts are open; asking them costs at most" in here.done("runs", "retry", "1", stdin="n\n")
    assert calls == here.environment.count("llm_call_attempts")
    printed = here.done("runs", "retry", "1", "--yes")
    assert "Run 2: 2 answered, 0 failed" in printed, printed
    assert 4 == here.environment.count("llm_monitoring_results"), printed
    assert calls + 2 == here.environment.count("llm_call_attempts")
    assert "Nothing that can be asked is open" in here.done("runs", "retry", "1", "--yes")
    here.ask()
    shown = here.done("runs", "show", "3")
    assert "0.0000" in shown, shown
    assert "0.0000000000" not in shown, shown
    here.done("keys", "remove", EMAIL, "google", "--yes")
    here.done("queries", "add", str(here.project), "¿Y para hoteles?")
    cells = {cell["provider"]: cell for cell in here.json("runs", "show", "3")["day"]}
    assert cells["openai"]["message"] is None
    assert "no API key: `keys set`" == cells["google"]["message"]
    assert f"run 7 does not exist: see `{PROGRAM} runs list`" == here.refused("runs", "show", "7")


def test_a_retry_during_a_run_is_refused(here: Installation) -> None:
    """While a daily run is at work a retry says so and asks nothing."""
    run_id = records.start(here.environment.db, date.today())  # noqa: DTZ011
    records.finish(here.environment.db, run_id, "warnings", valid=0, failed=0, pending=4, message=None)
    with RunLock(here.environment.db):
        result = here.run("runs", "retry", str(run_id), "--yes")
    assert result.exit_code == 1
    said = r"error: another daily run is at work \(pid=\d+ user=postgres .*\): wait until it has ended\n"
    assert re.fullmatch(said, result.stderr)
    assert 0 == here.environment.count("llm_call_attempts")


@pytest.mark.ci
def test_a_run_says_what_each_provider_cost(here: Installation) -> None:
    """Each provider has its own bill and its own answers; what an earlier run of the day did is listed apart."""
    here.environment.server.faults.set([{"match": {"provider": "google"}, "action": {"kind": "status", "status": 500}}])
    here.ask(LLM_MAX_ATTEMPTS="1")
    here.environment.server.faults.set([])
    here.ask()
    first, second = ({cell["provider"]: cell for cell in here.json("runs", "show", run)["day"]} for run in ("1", "2"))
    billed = here.environment.rows(
        "SELECT llm_provider, sum(charged_usd)::text AS usd FROM llm_call_attempts WHERE run_id = 1 GROUP BY 1"
    )
    assert {row["llm_provider"]: row["usd"] for row in billed} == {
        name: cell["cost_usd"] for name, cell in first.items() if cell["cost_usd"]
    }
    assert 0 == second["openai"]["run_answers"]
    assert second["openai"]["cost_usd"] is None
    assert 2 == second["openai"]["results"]
    assert 2 == second["google"]["run_answers"]
    assert 0 == second["google"]["run_failures"]
