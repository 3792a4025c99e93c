"""The database at scale: every statement explained on millions of answers, and the size of a row."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bench.environment import database
from bench.volume_cases import MANY_TASKS, SOME_TASKS, Case, asked, cases
from bench.volume_fill import FILL, PROMPTS, Shape, fill
from bench.volume_writes import measure
from llm_monitoring.db.database import Database, Transaction, connect
from llm_monitoring.process.progress import bar
from llm_monitoring.runs import tasks as tasks_module

PAGE_BYTES: Final = 8192
BIG: Final = 50_000  # rows of a table that no statement of a run should read whole


@dataclass(frozen=True, slots=True)
class Plan:
    """The second run of a statement: milliseconds, rows, megabytes of pages, big tables that are read whole."""

    ms: float
    rows: int
    megabytes: float
    whole: Sequence[str]


def main() -> int:
    """Fill a database, explain every statement, print a table and one JSON line."""
    options = read_options()
    shape = Shape(options.results, options.crowd, datetime.now(UTC).date())
    with database() as url, Database(url, size=2) as db:
        seconds = fill(db, shape)
        for statement in options.sql or []:
            db.execute(statement)
        if options.fresh_statistics:
            db.execute("VACUUM (ANALYZE)")
        plans = explain_all(url, list(cases(db, shape)))
        show(plans)
        walks = {str(tasks): walk(db, shape, tasks) for tasks in (SOME_TASKS, MANY_TASKS)}
        weights = weigh(db)
        show_weights(weights)
        writes = {step: asdict(cost) for step, cost in measure(db, shape, options.writes).items()}
    report = {
        "results": options.results,
        "fill_s": round(seconds, 1),
        "walk_of_tasks": walks,
        "bytes_a_row": weights,
        "statements": {label: asdict(plan) for label, plan in plans.items()},
        "slowest_ms": max(plan.ms for plan in plans.values()),
        "writes": writes,
    }
    print(json.dumps(report, ensure_ascii=False))
    return 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench volume", description=__doc__)
    parser.add_argument("--results", type=int, default=5_000_000, help="stored answers (default 5,000,000)")
    parser.add_argument("--crowd", type=int, default=2500, help="projects that began on the last day (default 2500)")
    parser.add_argument("--writes", type=int, default=5000, help="answers stored at the end (default 5000)")
    parser.add_argument("--sql", action="append", help="run this before measuring, to try an index; may be repeated")
    parser.add_argument("--fresh-statistics", action="store_true", help="analyse after the last day too, not before it")
    return parser.parse_args()


def explain_all(url: str, todo: Sequence[Case]) -> dict[str, Plan]:
    plans = {}
    with closing(connect(url)) as connection, bar("Explain", len(todo)) as advance:
        connection.autocommit = False
        for case in todo:
            plans[case.label] = explain(connection, case)
            advance(1)
    return plans


def explain(connection: Any, case: Case) -> Plan:
    """Run a statement twice in transactions that are rolled back, and read the second plan."""
    found: Any = None
    for _ in range(2):
        try:
            row = Transaction(connection).one(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {case.sql}", case.params)
        finally:
            connection.rollback()
        found = row and row["QUERY PLAN"][0]
    top = found["Plan"]
    touched = top.get("Shared Hit Blocks", 0) + top.get("Shared Read Blocks", 0)
    touched += top.get("Temp Read Blocks", 0) + top.get("Temp Written Blocks", 0)
    return Plan(
        ms=round(found["Execution Time"] + found["Planning Time"], 2),
        rows=top["Actual Rows"],
        megabytes=round(touched * PAGE_BYTES / 1e6, 1),
        whole=sorted(read_whole(top)),
    )


def read_whole(node: Mapping[str, Any]) -> set[str]:
    """Return the big tables and indexes that a plan reads completely."""
    seen = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    found = set()
    if node["Node Type"] == "Seq Scan" and seen * node["Actual Loops"] > BIG:
        found.add(str(node["Relation Name"]))
    unbound = "Index Cond" not in node and node["Node Type"].startswith("Index")
    if unbound and seen * node["Actual Loops"] > BIG:
        found.add(str(node["Index Name"]))
    return found.union(*(read_whole(child) for child in node.get("Plans", ())))


def walk(db: Database, shape: Shape, tasks: int) -> dict[str, float]:
    """Read a provider's open tasks as a run does; return their number, seconds and added megabytes."""
    chosen = asked(db, shape, tasks // PROMPTS)
    before, began = peak_megabytes(), time.perf_counter()
    found = sum(1 for _ in tasks_module.pending_tasks(db, "google", shape.today, chosen))
    seconds = time.perf_counter() - began
    return {"open": found, "seconds": round(seconds, 2), "added_mb": round(peak_megabytes() - before, 1)}


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def weigh(db: Database) -> dict[str, dict[str, float]]:
    """Return the bytes a row of every table: rows, long values and each index."""
    weights: dict[str, dict[str, float]] = defaultdict(dict)
    db.execute("ANALYZE")
    for row in db.all(FILL.sizes):
        rows = max(1, row["rows"])
        weights[row["table"]]["rows"] = rows
        if row["index"] is None:
            weights[row["table"]]["own"] = round((row["bytes"] - row["toast"]) / rows, 1)
            weights[row["table"]]["toast"] = round(row["toast"] / rows, 1)
        else:
            weights[row["table"]][row["index"]] = round(row["bytes"] / rows, 1)
    return dict(weights)


def show(plans: Mapping[str, Plan]) -> None:
    print(f"{'statement':64} {'ms':>10} {'rows':>8} {'MB':>9}  read whole")
    for label, plan in plans.items():
        print(f"{label:64} {plan.ms:10.2f} {plan.rows:8} {plan.megabytes:9.1f}  {', '.join(plan.whole)}")


def show_weights(weights: Mapping[str, Mapping[str, float]]) -> None:
    for table, parts in weights.items():
        total = sum(size for name, size in parts.items() if name != "rows")
        print(f"\n{table}: {int(parts['rows']):,} rows of {total:.0f} bytes")
        for name, size in parts.items():
            if name != "rows":
                print(f"  {name:60} {size:8.1f}")
