"""A provider's batches in memory, with the faults that its real ones have, and a run's collaborators around them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event
from typing import Final
from uuid import UUID

from llm_monitoring.app import App
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import KeyId, ProviderName
from llm_monitoring.keys import Clients, NoKey
from llm_monitoring.providers import (
    BadRequest,
    BatchClient,
    BatchLine,
    BatchMissing,
    BatchRequest,
    ProviderError,
    ProviderUnavailable,
    RemoteBatch,
    Reply,
)
from llm_monitoring.providers.batches import BatchState
from llm_monitoring.runs.batches.batch_run import BatchRun
from llm_monitoring.runs.batches.collection import Collected, collect
from llm_monitoring.runs.batches.records import uncollected
from llm_monitoring.runs.executor import TaskExecutor
from llm_monitoring.runs.plan import make_plan
from llm_monitoring.runs.stop_check import StopCheck
from llm_monitoring.settings.fields import load_settings
from tests.environment import Environment

DAY: Final = date(2026, 11, 23)
INPUT_TOKENS: Final = 20
OUTPUT_TOKENS: Final = 100
ANSWER_USD: Final = Decimal("0.00052")
"""What an answer costs in a batch of claude-sonnet-5-5: half of 2 and 10 USD a million tokens."""

Result = Callable[[BatchRequest], BatchLine]


def reply_body(model: str, searches: int = 0) -> bytes:
    usage: dict[str, object] = {
        "input_tokens": INPUT_TOKENS,
        "output_tokens": OUTPUT_TOKENS,
        "service_tier": "batch",
        "server_tool_use": {"web_search_requests": searches},
    }
    content = [{"type": "text", "text": "Quipu y Holded son buenos programas."}]
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": "end_turn",
        "usage": usage,
    }
    return json.dumps(message).encode()


def answered(request: BatchRequest) -> BatchLine:
    body = reply_body(request.question.model_id, searches=1 if request.question.max_searches else 0)
    raw = json.dumps({"custom_id": request.custom_id}).encode() + b" " + body
    return BatchLine(request.custom_id, "replied", raw, Reply(200, body, 0, "req_1"), None)


def not_run(request: BatchRequest) -> BatchLine:
    error = ProviderUnavailable("the batch ended before this request ran (expired)", billed="no")
    return BatchLine(request.custom_id, "not_billed", b"{}", None, error)


def refused(request: BatchRequest) -> BatchLine:
    return BatchLine(request.custom_id, "refused", b"{}", None, BadRequest("no", billed="no", status=400))


def broken(request: BatchRequest) -> BatchLine:
    error = ProviderUnavailable("500", billed="maybe", status=500)
    return BatchLine(request.custom_id, "failed", b"{}", None, error)


@dataclass
class Made:
    """A batch that the provider has made."""

    remote: RemoteBatch
    requests: list[BatchRequest]
    polls: int = 0


@dataclass
class MemoryBatches:
    """`ends_after`: polls until a batch ends, None for never. `result`: the line of a request.

    `create_error` is raised by the creation, after the batch was made if `made_anyway`. `hidden`: nothing is found.
    `cut`: the download breaks off after so many lines. `tells_ours`: the provider returns our own id.
    """

    name: ProviderName = "anthropic"
    ends_after: int | None = 0
    result: Result = answered
    create_error: ProviderError | None = None
    made_anyway: bool = False
    hidden: bool = False
    missing: bool = False
    cut: int | None = None
    tells_ours: bool = False
    uploads: bool = False
    end_state: str = "ended"
    keeps: Collection[str] | None = None
    made: dict[str, Made] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    expires_in: timedelta = timedelta(hours=24)

    @property
    def billed(self) -> int:
        """How many answers the provider charges."""
        return sum(
            self.result(request).outcome == "replied"
            for each in self.made.values()
            if each.remote.state == "ended"
            for request in each.requests
        )

    def upload(self, batch_id: UUID, requests: Sequence[BatchRequest]) -> str | None:
        if self.uploads:
            self.uploaded.append(f"file-{len(self.uploaded)}")
            return self.uploaded[-1]
        return None

    def create(self, batch_id: UUID, requests: Sequence[BatchRequest], input_file: str | None) -> RemoteBatch:
        if self.create_error is not None and not self.made_anyway:
            raise self.create_error
        now = datetime.now(UTC)
        remote_id = f"remote-{len(self.made)}"
        ours = batch_id if self.tells_ours else None
        remote = RemoteBatch(
            remote_id, "running", "in_progress", len(requests), now, now + self.expires_in, ours, (), input_file
        )
        self.made[remote_id] = Made(remote, list(requests))
        if self.create_error is not None:
            raise self.create_error
        return remote

    def get(self, remote_id: str) -> RemoteBatch:
        if self.missing or remote_id not in self.made:
            raise BatchMissing("no such batch", billed="no", status=404)
        made = self.made[remote_id]
        made.polls += 1
        if self.ends_after is not None and made.polls > self.ends_after:
            self.end(made)
        return made.remote

    def end(self, made: Made) -> None:
        replies = sum(self.result(request).outcome == "replied" for request in made.requests)
        state: BatchState = "failed" if self.end_state == "failed" else "ended"
        made.remote = replace(
            made.remote,
            state=state,
            status=self.end_state,
            outputs=(made.remote.remote_id,),
            answered=0 if state == "failed" else replies,
        )

    def find(self, batch_id: UUID, requests: int, posted_at: datetime, known: Collection[str]) -> Iterator[RemoteBatch]:
        for remote_id, made in self.made.items():
            if not self.hidden and remote_id not in known and made.remote.requests == requests:
                yield made.remote

    def lines(self, batch: RemoteBatch) -> Iterator[BatchLine]:
        if batch.state == "failed":
            return
        for number, request in enumerate(self.made[batch.remote_id].requests):
            if self.cut is not None and number >= self.cut:
                raise ProviderUnavailable("the download broke off", billed="maybe")
            if self.keeps is None or request.custom_id in self.keeps:
                yield self.result(request)

    def cancel(self, remote_id: str) -> RemoteBatch:
        self.cancelled.append(remote_id)
        self.ends_after, self.result = 0, not_run
        return replace(self.made[remote_id].remote, state="ending", status="canceling")

    def forget(self, batch: RemoteBatch) -> None:
        self.forgotten += batch.outputs or [str(batch.input_file)]

    def close(self) -> None:
        """Nothing is open."""


class MemoryClients(Clients):
    """Clients with batches in memory; `broken` keys cannot be used."""

    def __init__(self, app: App, batches: MemoryBatches) -> None:
        super().__init__(app.keys, app.settings)
        self.memory = batches
        self.broken = False

    def batch_of_key(self, key: KeyId) -> BatchClient:
        if self.broken:
            raise NoKey("the key is gone", code="key_changed")
        return self.memory


@dataclass
class Scene:
    """A user with projects of some prompts at Anthropic, in batches, without web search."""

    environment: Environment
    batches: MemoryBatches = field(default_factory=MemoryBatches)
    variables: dict[str, str] = field(default_factory=dict)
    now: float = 0.0
    stop: Event = field(default_factory=Event)

    @property
    def app(self) -> App:
        named = {
            **self.environment.server.environment(),
            "LLM_SENTIMENT": "false",
            "LLM_ECONOMY": "anthropic:batch",
            **self.variables,
        }
        settings = load_settings(named, dotenv=False)
        return App(self.environment.db, self.environment.budget, self.environment.store, settings)

    def executor(self, run_id: int | None) -> TaskExecutor:
        app = self.app
        plan = make_plan(app, None, {})
        clients = MemoryClients(app, self.batches)
        return TaskExecutor(
            app.budget, clients, plan.catalogue, plan.projects, app.settings, run_id, errors=RowErrors()
        )

    def batch_run(self, executor: TaskExecutor, deadline: float = 10_800.0) -> BatchRun:
        plan = make_plan(self.app, None, {})
        check = StopCheck(self.stop, deadline, lambda: True)
        return BatchRun(executor, plan.keys, DAY, check, clock=lambda: self.now, pause=self.pass_time)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def prove(self) -> None:
        """Let batches of this group have brought an answer before."""
        self.environment.db.execute(PROVEN)

    def collect(self, executor: TaskExecutor | None = None) -> Collected:
        return collect(executor or self.executor(None))

    def age(self, hours: float) -> None:
        """Let everything about batches be so many hours older."""
        self.environment.db.execute(
            "UPDATE llm_batches SET posted_at = posted_at - make_interval(secs => %(s)s),"
            " absent_at = absent_at - make_interval(secs => %(s)s)",
            {"s": hours * 3600},
        )

    def states(self) -> dict[str, int]:
        rows = self.environment.rows(
            "SELECT state, count(*) AS n FROM llm_call_attempts WHERE project_id IS NOT NULL GROUP BY state"
        )
        return {row["state"]: row["n"] for row in rows}

    def batch_states(self) -> list[tuple[str, str | None]]:
        rows = self.environment.rows(
            "SELECT state, outcome FROM llm_batches WHERE remote_id IS DISTINCT FROM 'earlier' ORDER BY opened_at"
        )
        return [(row["state"], row["outcome"]) for row in rows]

    def reasons(self) -> dict[str, int]:
        rows = self.environment.rows("SELECT reason, count(*) AS n FROM llm_monitoring_failed_tasks GROUP BY reason")
        return {row["reason"]: row["n"] for row in rows}

    def is_out(self) -> bool:
        return bool(uncollected(self.environment.db))


MODEL: Final = "claude-sonnet-5-5"
PROVEN: Final = f"""
WITH earlier AS (
    INSERT INTO llm_batches (id, llm_provider, model_id, key_user_id, key_hash, web_search, pace, requests, state,
                             outcome, remote_id, posted_at, ended_at, opened_at)
    VALUES (gen_random_uuid(), 'anthropic', '{MODEL}', 1, '', FALSE, 'punctual', 1, 'forgotten', 'completed', 'earlier',
            now() - INTERVAL '3 days', now() - INTERVAL '3 days', now() - INTERVAL '3 days')
    RETURNING id
)
INSERT INTO llm_call_attempts (id, kind, state, user_id, month, llm_provider, model_id, key_source, ceiling_usd,
                               committed_usd, budget_usd, sent_at, closed_at, mode, batch_id)
SELECT gen_random_uuid(), 'answer', 'settled', 1, '2026-10-01', 'anthropic', '{MODEL}', 'user', 1, 1, 100, now(), now(),
       'batch', id
FROM earlier
"""
