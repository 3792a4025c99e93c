"""The report on a real database: by hand, and written by the daily run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.reporting.files import ReportWriter, slug
from llm_monitoring.reporting.report_data import Access, ReportRequest, last_days, read
from tests.conftest import Databases
from tests.environment import Environment, open_environment

PROMPTS = ["¿Qué programa de facturación recomiendas?", "Mejores alternativas para autónomos", "¿Qué es Quipu?"]
TODAY = datetime.now(UTC).date()


@dataclass
class MeasuredDay:
    """A database with a project that was measured today, the keys of its users, and what the run said."""

    template: str
    master_key: str = ""
    keys: dict[str, int] = field(default_factory=dict)
    output: str = ""

    def fill(self, url: str) -> None:
        with open_environment(url) as made:
            made.add_project(made.add_user("ana@agency.example"), PROMPTS)
            code, self.output = made.run()
            assert 0 == code, self.output
            self.master_key, self.keys = made.master_key, made.keys


@pytest.fixture(scope="module")
def measured_day(databases: Databases) -> MeasuredDay:
    made = MeasuredDay("measured_day")
    databases.template(made.template, made.fill, databases.migrated())
    return made


@pytest.fixture
def measured(databases: Databases, measured_day: MeasuredDay) -> Iterator[Environment]:
    """An environment with one project that was measured today."""
    with databases.clone(measured_day.template) as url, open_environment(url) as made:
        made.master_key, made.keys, made.output = measured_day.master_key, measured_day.keys, [measured_day.output]
        yield made


def report(environment: Environment, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("DATABASE_URL", environment.url)
    monkeypatch.setenv("LLM_KEYS_ENCRYPTION_KEY", environment.master_key)
    return CliRunner().invoke(root, ["report", *arguments])


def test_command(measured: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command writes one page with the day's prompts, answers and figures, and says where."""
    out = tmp_path / "new" / "quipu.html"
    result = report(measured, monkeypatch, "--project", "1", "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    page = out.read_text(encoding="utf-8")
    assert {
        "path": str(out),
        "bytes": len(page.encode()),
        "answers": 12,
        "language": "es",
        "from": f"{TODAY - timedelta(days=29)}",
        "to": f"{TODAY}",
    } == json.loads(result.stdout)
    assert all(prompt in page for prompt in PROMPTS)
    assert 12 == page.count('<article class="answer')
    assert [out] == list(out.parent.iterdir())
    shown = measured.rows("SELECT mention_rate, total_queries FROM llm_monitoring_snapshots ORDER BY llm_provider")
    assert all(f"{each['mention_rate']:.1f}".replace(".", ",") in page for each in shown)


def test_command_writes_markdown(measured: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same period as Markdown, under the same name with its own suffix."""
    monkeypatch.chdir(tmp_path)
    results = [report(measured, monkeypatch, "1", "--json", *form) for form in ([], ["--format", "md"])]
    page, markdown = (json.loads(result.stdout) for result in results)
    assert Path(page["path"]).with_suffix(".md").name == markdown["path"]
    assert (tmp_path / markdown["path"]).read_text(encoding="utf-8").startswith("# ")
    assert page["answers"] == markdown["answers"]


def test_command_refuses(measured: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A project that is not there and a place that cannot be written are refused in one line, with nothing written."""
    (tmp_path / "file").touch()
    for arguments, words in (
        (["--project", "99"], "project 99 does not exist"),
        (["--project", "1", "--out", str(tmp_path / "file" / "x.html")], "cannot be written"),
    ):
        result = report(measured, monkeypatch, *arguments)
        assert 2 == result.exit_code, result.output
        assert 1 == result.stderr.count("\n"), result.output
        assert words in result.stderr
    assert [tmp_path / "file"] == list(tmp_path.iterdir())


def test_no_key_in_a_report(measured: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No API key, and no cost, reaches a page that goes to a client."""
    out = tmp_path / "r.html"
    report(measured, monkeypatch, "--project", "1", "--out", str(out))
    measured.output.append(page := out.read_text(encoding="utf-8"))
    assert [] == measured.leaks()
    assert re.search(r"cost|coste|USD", page) is None


@pytest.mark.ci
def test_daily_run_writes_reports(environment: Environment, tmp_path: Path) -> None:
    """With LLM_REPORT_DIR the run writes a page a project, anew at every run; without it none."""
    user = environment.add_user("ana@agency.example")
    environment.add_project(user, PROMPTS[:1], name="Año / uno")
    environment.add_project(user, PROMPTS[1:], name="Dos")
    folder = tmp_path / "reports"
    code, output = environment.run(extra={"LLM_REPORT_DIR": str(folder)})
    assert code == 0, output
    assert {"1-ano-uno.html", "2-dos.html"} == {each.name for each in folder.iterdir()}
    assert f"📄 Informes escritos en {folder}: 2" in output
    first = (folder / "2-dos.html").read_text(encoding="utf-8")
    environment.db.execute("UPDATE llm_monitoring_projects SET name = 'DOS', language = 'en' WHERE id = 2")
    environment.run(extra={"LLM_REPORT_DIR": str(folder)})
    assert first != (folder / "2-dos.html").read_text(encoding="utf-8")


@pytest.mark.ci
def test_failed_report_is_never_fatal(environment: Environment, tmp_path: Path) -> None:
    """A report that cannot be written is logged, the others are written, and the run ends as it would have."""
    user = environment.add_user("ana@agency.example")
    environment.add_project(user, PROMPTS[:1], name="Uno")
    environment.add_project(user, PROMPTS[1:], name="Dos")
    (tmp_path / "1-uno.html").mkdir()
    code, output = environment.run(extra={"LLM_REPORT_DIR": str(tmp_path)})
    assert code == 0, output
    assert "⚠️ Proyecto #1: el informe no se pudo escribir" in output
    assert {"1-uno.html", "2-dos.html"} == {each.name for each in tmp_path.iterdir()}
    assert "🎉 LLM MONITORING CRON JOB COMPLETED SUCCESSFULLY" in output


def test_broken_rows_stop_one_page_alone(measured: Environment, tmp_path: Path) -> None:
    """Stored answers that no report can be made of stop that project's page, and no other."""
    measured.add_project(1, PROMPTS[:1], name="Entera")
    measured.db.execute("UPDATE llm_monitoring_results SET sources = '[7]'")
    writer = ReportWriter(measured.db, measured.store, measured.budget, TODAY)
    assert [tmp_path / "2-entera.html"] == [each.path for each in writer.write_all([1, 2, 99], tmp_path, RowErrors())]


def test_period(measured: Environment) -> None:
    """The period ends on the last measured day, and failures and unanswered prompts are read with it."""
    measured.db.execute("UPDATE llm_monitoring_results SET analysis_date = analysis_date - 40")
    measured.db.execute(
        "UPDATE llm_monitoring_results SET analysis_date = analysis_date - 3 "
        "WHERE query_id = 1 AND llm_provider = 'google'"
    )
    measured.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks (project_id, query_id, llm_provider, analysis_date, sample, reason, "
        "message, final) SELECT 1, 1, 'google', max(analysis_date), 1, 'refused', 'x', true FROM llm_monitoring_results"
    )
    found = read(measured.db, ReportRequest(1, last_days(measured.db, 1, 3, TODAY)), TODAY, Access())
    assert TODAY - timedelta(days=42) == found.first
    assert TODAY - timedelta(days=40) == found.last
    assert 11 == len(found.observations)
    assert {(1, "google"): "refused"} == found.failed_prompts
    assert [("google", "refused", found.last, 1)] == [
        (each.provider, each.reason, each.day, each.tasks) for each in found.absences.failures
    ]
    assert 4 == len(read(measured.db, ReportRequest(1), TODAY, Access()).absences.failures) + 3


def test_project_without_a_measurement(db: Database) -> None:
    """A project that was never measured has an empty period that ends today."""
    user = projects.add_user(db, "ana@agency.example")
    projects.add(db, projects.NewProject(user, "Nuevo", Entity("Quipu"), "software"))
    found = read(db, ReportRequest(1), TODAY, Access())
    assert found.latest is None
    assert TODAY == found.last
    assert [] == found.observations
    assert [] == found.texts


@pytest.mark.parametrize(("name", "expected"), [("Año / uno", "ano-uno"), ("../../etc", "etc"), ("株式会社", "report")])
def test_file_names(name: str, expected: str) -> None:
    """A project's name never leads a file out of its folder."""
    assert expected == slug(name)
