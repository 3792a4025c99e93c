"""The statements of runs, reports, exports, the digest, the audit and retention, with their parameters."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from bench.volume_fill import FILL, MODELS, PROMPTS, Shape
from llm_monitoring import projects
from llm_monitoring.answers.retention import BATCH
from llm_monitoring.db.database import Database, Json, Row
from llm_monitoring.db.queries import load
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.notify.detectors import NOT_THE_PROVIDER, SPEND_DAYS
from llm_monitoring.projects import fingerprints
from llm_monitoring.reporting import exports, report_data
from llm_monitoring.runs.records import PAGE

# Once a run, at its start or end; once a call; once a project of the day.
RUN: Final = """runs.start runs.day_projects budget.standings budget.start_month budget.open_attempts runs.completeness
    runs.project_spend runs.finish registry.count_usage answers.pending_sentiment answers.newest answers.unscored
    chunks.answers"""
CALL: Final = """budget.reserve budget.refusal budget.mark_sent budget.keep_receipt budget.close budget.raise_alert
    answers.save answers.set_sentiment runs.record_failure"""
FIGURES: Final = """answers.lock_project answers.observations answers.cell_costs answers.cell_failures
    answers.previous_model answers.save_snapshot answers.drop_empty_cells runs.failure_reasons
    projects.mark_analysed"""
REPORT: Final = """reporting.last_day reporting.answers reporting.prompts reporting.texts reporting.failed_prompts
    reporting.failures periods.observations periods.totals periods.latest_day periods.prompts"""
EXPORT: Final = """reporting.results_count reporting.results reporting.citations reporting.snapshots_count
    reporting.snapshots"""
DIGEST: Final = """notify.outages notify.refused_keys notify.broken_runs notify.daily_spend notify.observations
    notify.budget_alerts notify.retiring_models notify.add_notice notify.pending"""
AUDIT: Final = """budget.counter_differences budget.ledger_size budget.over_ceiling budget.count_open_attempts
    budget.over_admitted budget.left_open budget.attempts_of budget.repair_counters budget.history
    budget.month_by_model"""
RETENTION: Final = "retention.drop_receipts retention.empty_answers"
COMMANDS: Final = """reanalysis.days reanalysis.page reanalysis.without_text reanalysis.store_branded
    name_check.latest_answers projects.projects_overview projects.holdings projects.remove_project"""


SOME_TASKS: Final = 25_000  # of a provider in a day
MANY_TASKS: Final = 150_000
RETENTION_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class Case:
    """One statement with its parameters. `what` is its group and the special case of the parameters."""

    what: str
    name: str
    params: Mapping[str, Any]

    @property
    def sql(self) -> str:
        module, _, name = self.name.partition(".")
        return str(getattr(load(module), name))

    @property
    def label(self) -> str:
        return f"{self.what}: {self.name}"


def cases(db: Database, shape: Shape) -> Iterator[Case]:
    """Yield every statement with parameters from the database's rows."""
    known = facts(db, shape)
    today = known | {"day": shape.today}
    everyone = {"projects": asked(db, shape), "project_ids": asked(db, shape)}
    yield from group("run", RUN, today | everyone)
    yield from pages_of_tasks(db, shape, today)
    yield from group("call", CALL, empty(CALL) | today | a_new_call(db, shape))
    yield from group("figures", FIGURES, a_cell() | known | everyone)
    every_provider = {"page": report_data.PAGE, "provider": None}
    yield from group("report", REPORT, known | every_provider)
    month = {"first": days_ago(shape, 30), **every_provider}
    yield from group("report of 30 days", "reporting.answers periods.observations", known | month)
    yield from group("export", EXPORT, known | whole_history(shape))
    after = {"after": last_page(db, known["project_id"])}
    yield from group("export, last page", "reporting.results reporting.citations", known | whole_history(shape) | after)
    yield from group("digest", DIGEST, known)
    yield from group("audit", AUDIT, today)
    yield from group("retention", RETENTION, known | {"days": RETENTION_DAYS})
    yield from group("command", COMMANDS, known | whole_history(shape))


def group(what: str, names: str, params: Mapping[str, Any]) -> Iterator[Case]:
    return (Case(what, name, {**params, **special(name, params)}) for name in names.split())


def special(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters that differ in one statement from the others of its group."""
    if name in ("notify.outages", "notify.observations"):
        return {"first": params["day"] - timedelta(days=13), "last": params["day"]}
    if name == "notify.daily_spend":
        return {"first": params["day"] - timedelta(days=SPEND_DAYS), "last": params["day"]}
    return {"id": params["new_id"]} if name == "budget.reserve" else {}


def pages_of_tasks(db: Database, shape: Shape, params: Mapping[str, Any]) -> Iterator[Case]:
    """Yield the statements for a provider's open tasks of few and of many projects, and for a page of them."""
    for tasks in (SOME_TASKS, MANY_TASKS):
        where = {**params, "projects": asked(db, shape, tasks // PROMPTS), "provider": "google", "page": PAGE}
        first = one(db, load("runs").open_tasks, where)
        yield Case(f"{tasks:,} tasks", "runs.open_tasks", where)
        yield Case(f"{tasks:,} tasks", "runs.pending_tasks", {**where, **first})


def facts(db: Database, shape: Shape) -> dict[str, Any]:
    """Return a value for every parameter: a project with a long history, the day before the last, the open run."""
    old = one(db, FILL.a_project, {"crowd": False})
    day = days_ago(shape, 1)
    call = one(db, FILL.a_call, {"project_id": old["project_id"], "day": day})
    return {
        **everyday(shape),
        **call,
        "day": day,
        "first": days_ago(shape, 90),
        "last": day,
        "run_id": one(db, FILL.latest_run)["id"],
        "fingerprint": fingerprints.fingerprint(projects.find(db, old["project_id"])),
        "compare_first": days_ago(shape, 180),
        "compare_last": days_ago(shape, 91),
        "readings": Json([{"id": call["result_id"], "branded": True}]),
    }


def everyday(shape: Shape) -> dict[str, Any]:
    """Return the parameters that depend neither on the rows nor on the statement."""
    return {
        "providers": list(PROVIDERS),
        "models": list(MODELS.values()),
        "default_budget": Decimal(100),
        "months": 12,
        "month": shape.today.replace(day=1),
        "after": 0,
        "page": exports.PAGE,
        "limit": 200,
        "batch": BATCH,
        "longest": report_data.LONGEST_TEXT,
        "most": report_data.MOST_ANSWERS,
        "not_the_provider": list(NOT_THE_PROVIDER),
        "out_providers": [],
        "out_days": [],
        "kind": "move",
        "subject": "bench",
        "line": "x",
        "quiet_days": 7,
        "status": "warnings",
        "valid": 1,
        "failed": 0,
        "pending": 0,
        "message": "x",
        "owner": "bench",
        "sample": 1,
        "reason": "unavailable",
        "model_id": MODELS["openai"],
        "final": False,
        "lease": None,
        "chunk_id": None,
        "until": 2**31 - 1,
    }


def a_new_call(db: Database, shape: Shape) -> dict[str, Any]:
    """Return an open task, a sent call of another one, and what its reply leads to."""
    out = one(db, FILL.a_call_that_is_out)
    return {
        **one(db, FILL.an_open_task),
        "kind": "answer",
        "provider": "openai",
        "task_provider": "openai",
        "analysis_date": shape.today,
        "key_source": "operator",
        "ceiling": Decimal("0.02"),
        "token": out["token"],
        "from_states": ["sent"],
        "cost": Decimal("0.01"),
        "error_kind": None,
        "error_message": None,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "searches": 0,
        "http_status": 200,
        "latency_ms": 2900,
        "request_id": "req",
        "body": b"x" * 3000,
        "threshold": Decimal(80),
        "spent": Decimal(80),
        "budget": Decimal(100),
        "sentiment": "positive",
        "score": Decimal("0.8"),
        "attempt_id": str(uuid.uuid4()),
        "query_text": "¿?",
        "brand_name": "Quipu",
        "branded": False,
        "brand_cited": False,
        "competitor_positions": Json({}),
        "citations": Json([]),
        "sources": Json([]),
        "competitors_cited": Json({}),
        "full_response": "x " * 1000,
        "sentiment_status": "none",
        "status": 200,
        "state": "settled",
        "input_tokens": 180,
        "output_tokens": 500,
        "id": out["id"],
        "new_id": str(uuid.uuid4()),
    }


def a_cell() -> dict[str, Any]:
    """Return the figures of a cell of a project's day, all zero."""
    texts = {"models_served": [], "competitor_breakdown": Json({}), "model_changed": False}
    return dict.fromkeys(empty(FIGURES), 0) | texts | {"rules_fingerprint": "x"}


def empty(names: str) -> dict[str, Any]:
    """Return NULL for every parameter of these statements."""
    sql = " ".join(Case("", name, {}).sql for name in names.split())
    return dict.fromkeys(re.findall(r"%\((\w+)\)s", sql))


def whole_history(shape: Shape) -> dict[str, Any]:
    return {"first": None, "last": None}


def days_ago(shape: Shape, days: int) -> date:
    return shape.today - timedelta(days=days)


def asked(db: Database, shape: Shape, most: int | None = None) -> list[int]:
    """Return the ids of the projects of the last day."""
    return [row["project_id"] for row in db.all(FILL.asked_today, {"today": shape.today, "most": most})]


def last_page(db: Database, project_id: int) -> int:
    """Return the id before the last page of a project's export."""
    return int(one(db, FILL.last_page, {"project_id": project_id, "page": exports.PAGE})["id"])


def one(db: Database, sql: str, params: Mapping[str, Any] | None = None) -> Row:
    row = db.one(sql, params)
    assert row is not None
    return row
