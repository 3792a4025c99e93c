"""Reports, exports and figures of stored answers, with their time, memory and statements."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bench.daily import counted_statements
from bench.environment import ROOT, database, peak_rss_mb
from bench.reanalysis import BEFORE, LATEST, add_project, fill
from llm_monitoring import projects
from llm_monitoring.app import App, open_app
from llm_monitoring.db.database import Database
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.figures import periods
from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting import exports
from llm_monitoring.reporting.export_files import Form, Format, write_export
from llm_monitoring.reporting.files import ReportWriter
from llm_monitoring.reporting.report_data import ReportRequest
from llm_monitoring.settings.fields import load_settings

# Sentiment, which `fill` does not store.
SCORE = """
UPDATE llm_monitoring_results
SET sentiment_status = 'scored', sentiment = (ARRAY['positive', 'neutral', 'negative'])[1 + mod(id, 3)],
    sentiment_score = (ARRAY[0.8, 0.5, 0.3])[1 + mod(id, 3)]
WHERE brand_mentioned
"""

Part = Callable[[App, int, int, Path], dict[str, float]]


def report(language: str) -> Part:
    """Return a function that writes the report in a language, as `python -m llm_monitoring report` does."""

    def make(app: App, project_id: int, days: int, folder: Path) -> dict[str, float]:
        projects.change(app.db, project_id, lambda found: dataclasses.replace(found, language=language))
        writer = ReportWriter(app.db, app.keys, app.budget, LATEST)
        wanted = ReportRequest(project_id, Period(LATEST - timedelta(days=days - 1), LATEST))
        written = writer.write(wanted, folder / f"{language}.html")
        return {"kb": round(written.size_bytes / 1000), "rows": written.answers}

    return make


def export(file_format: Format) -> Part:
    """Return a function that exports all answers, as `python -m llm_monitoring export results` does."""

    def make(app: App, project_id: int, days: int, folder: Path) -> dict[str, float]:
        wanted = exports.Export((projects.find(app.db, project_id),), "results")
        path = folder / f"answers.{file_format}"
        rows = write_export(app.db, wanted, Form(file_format), path)
        return {"kb": round(path.stat().st_size / 1000), "rows": rows}

    return make


def figures(app: App, project_id: int, days: int, folder: Path) -> dict[str, float]:
    """Compare the second half of the days with the first."""
    middle = LATEST - timedelta(days=days // 2)
    before, after = Period(LATEST - timedelta(days=days - 1), middle), Period(middle + timedelta(days=1), LATEST)
    found = periods.period_figures(app.db, periods.PeriodRequest(project_id, after, before))
    return {"rows": found.total.summary.figures.total_queries}


PARTS: Final[dict[str, Part]] = {
    "report_es": report("es"),
    "report_en": report("en"),
    "export_csv": export("csv"),
    "export_jsonl": export("jsonl"),
    "export_xlsx": export("xlsx"),
    "metrics": figures,
}


def main() -> int:
    """Fill a database, make every part in a process of its own, print one JSON line."""
    options = read_options()
    if options.part:
        print(json.dumps(made(options.part, options.days)))
        return 0
    with tempfile.TemporaryDirectory() as folder, database() as url:
        began = time.perf_counter()
        stored = fill_project(url, options.prompts, options.days)
        filled = time.perf_counter() - began
        found = {part: in_a_process(url, part, options.days, folder) for part in PARTS}
    print(
        json.dumps(
            {
                "prompts": options.prompts,
                "days": options.days,
                "rows": stored,
                "fill_s": round(filled, 1),
                **{f"{part}_s": each["seconds"] for part, each in found.items()},
                **{f"{part}_kb": each["kb"] for part, each in found.items() if "kb" in each},
                "peak_rss_mb": {part: each["peak_rss_mb"] for part, each in found.items()},
                "statements": {part: each["statements"] for part, each in found.items()},
            }
        )
    )
    whole = [each["rows"] == stored for part, each in found.items() if part != "metrics"]
    return 0 if all(whole) else 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.add_argument("--days", type=int, default=90, help="days with stored answers (default 90)")
    parser.add_argument("--prompts", type=int, default=60, help="prompts, each asked to four providers (default 60)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def fill_project(url: str, prompts: int, days: int) -> int:
    """Store the demo's answers of one project, with figures and sentiment; return the number of answers."""
    with Database(url) as db:
        projects.add_user(db, "bench@agency.example")
        project = add_project(db, "P", BEFORE, prompts)
        fill(db, project, [LATEST - timedelta(days=back) for back in range(days)][::-1])
        db.execute(SCORE)
        db.execute("VACUUM ANALYZE")
    return prompts * days * len(PROVIDERS)


def in_a_process(url: str, part: str, days: int, folder: str) -> dict[str, Any]:
    environment = {**os.environ, "DATABASE_URL": url, "TMPDIR": folder}
    command = [sys.executable, "-m", "bench", "report", "--part", part, "--days", str(days)]
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def made(part: str, days: int) -> dict[str, Any]:
    """Run one part in this process and return its time, memory and statements."""
    with open_app(load_settings(dotenv=False)) as app, counted_statements() as statements:
        began = time.perf_counter()
        found = PARTS[part](app, 1, days, Path(tempfile.gettempdir()))
        seconds = time.perf_counter() - began
    return {**found, "seconds": round(seconds, 3), "statements": statements[0], "peak_rss_mb": peak_rss_mb()}


if __name__ == "__main__":
    raise SystemExit(main())
