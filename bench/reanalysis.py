"""Reanalysis of many answers after an alias was added: preview, run, stops, and comparison with a fresh analysis."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from bench.environment import ROOT, database
from llm_monitoring import projects
from llm_monitoring.analysis import Entity, Matcher
from llm_monitoring.answers import store
from llm_monitoring.db.database import Database, Transaction
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.demo.answers.composer import Composer
from llm_monitoring.demo.exchange import Ask
from llm_monitoring.demo.sample import INVOICING
from llm_monitoring.demo.session import entity
from llm_monitoring.domain import PROVIDERS, Task
from llm_monitoring.figures import snapshots
from llm_monitoring.projects import fingerprints
from llm_monitoring.projects.definition import Project
from llm_monitoring.providers import Answer, Citation, Reply

ALIAS = "Getquipu"
EVERY = 9  # one answer in nine names the brand by the alias
BEFORE = Entity("Quipu", domains=("getquipu.com",), exclude=("quipu inca",))
AFTER = dataclasses.replace(BEFORE, aliases=(ALIAS,))
LATEST = datetime.now(UTC).date()
COLUMNS = """query_text, llm_provider, analysis_date, brand_name, branded, brand_mentioned, mention_count,
    mention_contexts, mention_order, position_in_list, total_items_in_list, ranking_kind, appears_in_numbered_list,
    competitors_mentioned, competitor_positions, sources, brand_cited, competitors_cited, analysis_version,
    rules_fingerprint"""


def add_project(db: Database, name: str, brand: Entity, prompts: int) -> Project:
    rivals = [entity(rival) for rival in INVOICING.competitors]
    user = db.one("SELECT min(id) AS id FROM users")
    assert user is not None
    project_id = projects.add(db, projects.NewProject(user["id"], name, brand, INVOICING.industry, rivals))
    varied = [
        f"{prompt} ({turn})" for turn in range(prompts // len(INVOICING.prompts) + 1) for prompt in INVOICING.prompts
    ]
    projects.add_prompts(db, project_id, varied[:prompts])
    return projects.find(db, project_id)


def answers(prompts: Sequence[str], days: Sequence[date]) -> Iterator[tuple[date, str, Any, str, tuple[Citation, ...]]]:
    """Yield the demo's answers to these prompts, the same for every project."""
    composer = Composer(1, LATEST)
    number = 0
    for day in days:
        for prompt in prompts:
            for provider in PROVIDERS:
                composed = composer.compose(provider, Ask("m", prompt, "(es)"), day, 1, int(provider == "perplexity"))
                number += 1
                line = f"\n\nOtra opción que se comenta mucho es **{ALIAS}**, sobre todo entre autónomos.\n"
                text = composed.text + (line if number % EVERY == 0 else "")
                cited = tuple(Citation(each.url, each.title, each.domain) for each in composed.citations)
                yield day, prompt, provider, text, cited


def fill(db: Database, project: Project, days: Sequence[date]) -> None:
    """Store the answers as the daily run does, a day in a transaction, and the figures of every day."""
    matcher = Matcher(project.brand, project.competitors)
    queries = {row["query_text"]: row["id"] for row in projects.list_prompts(db, project.id)}
    pending: list[tuple[Task, Answer]] = []
    for day, prompt, provider, text, cited in answers(list(queries), days):
        task = Task(project.user_id or 0, project.id, queries[prompt], provider, day, 1, prompt, "es")
        pending.append((task, Answer(text, "m", None, cited)))
        if len(pending) == len(queries) * len(PROVIDERS):
            batch, pending = pending, []
            db.transact(lambda tx, batch=batch: save_all(tx, project, matcher, batch))  # type: ignore[misc]
            snapshots.write_snapshots(db, project, day, RowErrors())


def save_all(tx: Transaction, project: Project, matcher: Matcher, batch: Sequence[tuple[Task, Answer]]) -> None:
    for task, answer in batch:
        citations = [{"url": c.url, "title": c.title, "domain": c.domain} for c in answer.citations]
        analysis = matcher.analyse(answer.text, citations, task.language)
        finding = store.StoredAnswer(
            uuid.uuid4(), None, "m", Decimal(0), matcher.names_brand(task.prompt, task.language), analysis, "none"
        )
        store.save(tx, task, project, answer, Reply(200, b"", 900), finding)


def reanalyse(url: str, project_id: int, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "llm_monitoring", "reanalyse", "--project", str(project_id), *options]
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def interrupted(db: Database, url: str, project: Project, at: int, number: signal.Signals) -> dict[str, Any]:
    """Start a reanalysis, stop it with a signal after `at` answers, and return how many it changed."""
    process = reanalyse(url, project.id, "--yes")
    while process.poll() is None and marked(db, project) < at:
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate()
    return {
        "signal": number.name,
        "exit": process.returncode,
        "reanalysed": marked(db, project),
        "output": errors.strip(),
    }


def marked(db: Database, project: Project) -> int:
    """Return the number of answers with the project's present fingerprint."""
    params = {"id": project.id, "mark": fingerprints.fingerprint(projects.find(db, project.id))}
    row = db.one(
        "SELECT count(*) AS n FROM llm_monitoring_results WHERE project_id = %(id)s AND rules_fingerprint = %(mark)s",
        params,
    )
    assert row is not None
    return int(row["n"])


def same_as_fresh(db: Database, project: Project, fresh: Project) -> dict[str, bool]:
    """Return whether answers and figures equal, column by column, those of a project that always had the alias."""
    order = "ORDER BY analysis_date, query_text, llm_provider"
    figures = "ORDER BY snapshot_date, llm_provider, model_id"
    read = f"SELECT {COLUMNS} FROM llm_monitoring_results WHERE project_id = %(id)s {order}"
    made = f"SELECT * FROM llm_monitoring_snapshots WHERE project_id = %(id)s {figures}"
    apart = {"id", "project_id", "created_at", "updated_at"}

    def rows(sql: str, one: Project) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in row.items() if name not in apart} for row in db.all(sql, {"id": one.id})
        ]

    return {"results": rows(read, project) == rows(read, fresh), "figures": rows(made, project) == rows(made, fresh)}


def timed(url: str, project: Project, *options: str) -> tuple[float, str]:
    start = time.monotonic()
    process = reanalyse(url, project.id, *options)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return round(time.monotonic() - start, 1), output


def main() -> None:
    """Fill, add the alias, preview, stop twice, finish, compare; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=20_000)
    wanted = parser.parse_args().answers
    prompts = 50
    days = [LATEST - timedelta(days=back) for back in range(wanted // (prompts * len(PROVIDERS)))][::-1]
    with database() as url, Database(url) as db:
        projects.add_user(db, "bench@agency.example")
        project, fresh = add_project(db, "old names", BEFORE, prompts), add_project(db, "new names", AFTER, prompts)
        fill(db, project, days)
        db.execute(
            "UPDATE llm_monitoring_projects SET brand_aliases = %(a)s WHERE id = %(id)s",
            {"a": [ALIAS], "id": project.id},
        )
        preview_seconds, preview = timed(url, project, "--preview")
        print(preview)
        assert not marked(db, project), "the preview wrote something"
        fill(db, fresh, days)
        stops = [
            interrupted(db, url, project, wanted // 4, signal.SIGTERM),
            interrupted(db, url, project, wanted // 2, signal.SIGKILL),
        ]
        resumed_seconds, output = timed(url, project, "--yes")
        print(output)
        again_seconds, again = timed(url, project, "--yes")
        print(again)
        report = {
            "answers": len(days) * prompts * len(PROVIDERS),
            "days": len(days),
            "preview_s": preview_seconds,
            "stops": stops,
            "resumed_s": resumed_seconds,
            "again_s": again_seconds,
            "same_as_fresh": same_as_fresh(db, project, fresh),
        }
    print(json.dumps(report, ensure_ascii=False))


if __name__ == "__main__":
    main()
