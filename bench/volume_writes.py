"""The cost of storing an answer in a full database: milliseconds and write-ahead log."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from bench.volume_cases import asked, one
from bench.volume_fill import FILL, MODELS, Shape
from llm_monitoring.analysis import Matcher
from llm_monitoring.analysis.sentiment import SentimentScore
from llm_monitoring.answers import store as results
from llm_monitoring.db.database import Database, Transaction
from llm_monitoring.domain import Task, Usage
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.process.progress import bar
from llm_monitoring.projects.definition import Project
from llm_monitoring.projects.store import find
from llm_monitoring.providers import Answer, Reply, read_reply
from llm_monitoring.runs import tasks as tasks_module


@dataclass(frozen=True, slots=True)
class Cost:
    """The mean cost of a step: milliseconds and bytes of write-ahead log."""

    ms: float
    wal_bytes: int


class Store:
    """Answers tasks of the last day from a sample with the package's own statements."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.budget = Budget(db)
        self.run_id = int(one(db, FILL.latest_run)["id"])
        self.project: Project = find(db, one(db, FILL.a_project, {"crowd": False})["project_id"])
        self.reply = Reply(200, bytes(one(db, FILL.a_reply)["reply"]), 2900, "req_1")
        self.answer: Answer = read_reply("google", self.reply)
        self.analysis = Matcher(self.project.brand, self.project.competitors).analyse(self.answer.text)

    def ask(self, task: Task) -> None:
        """Reserve, send, keep the reply, settle and store, as a run does with one task."""
        ceiling, cost = Decimal("0.02"), Decimal("0.0051")
        model = MODELS["google"]
        call = Attempt(uuid.uuid4(), "answer", task.user_id, "google", model, "operator", ceiling, self.run_id, task)
        self.budget.reserve(call)
        assert self.budget.mark_sent(call)
        self.budget.keep_receipt(call.id, self.reply, self.reply.body)
        finding = results.StoredAnswer(call.id, self.run_id, model, cost, False, self.analysis, "pending")

        def settle(tx: Transaction) -> None:
            self.budget.close(tx, call.id, Settlement("settled", cost, Usage(180, 500), model))
            results.save(tx, task, self.project, self.answer, self.reply, finding)

        self.db.transact(settle)

    def judge(self, task: Task) -> None:
        verdict = SentimentScore("positive", Decimal("0.81"))
        self.db.transact(lambda tx: results.set_sentiment(tx, task, verdict, "scored"))


def measure(db: Database, shape: Shape, tasks: int) -> dict[str, Cost]:
    """Answer and score open tasks of the last day one after the other, each step after a checkpoint."""
    store = Store(db)
    todo = list(islice(tasks_module.pending_tasks(db, "google", shape.today, asked(db, shape)), tasks))
    return {"answer": mean(db, store.ask, todo), "sentiment": mean(db, store.judge, todo)}


def mean(db: Database, step: Callable[[Task], None], todo: list[Task]) -> Cost:
    db.execute("CHECKPOINT")
    before, began = one(db, FILL.log_position)["at"], time.perf_counter()
    with bar(step.__name__.capitalize(), len(todo)) as advance:
        for task in todo:
            step(task)
            advance(1)
    seconds = time.perf_counter() - began
    written = one(db, FILL.log_written, {"since": before})["bytes"]
    return Cost(round(1000 * seconds / len(todo), 3), round(written / len(todo)))
