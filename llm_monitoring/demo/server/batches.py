"""Takes, runs and ends batches for the simulated providers, as a plan says, and stores their files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from email import message_from_bytes
from typing import Any, Final, Protocol
from uuid import uuid4

from llm_monitoring.demo.batches import Batch, BatchWire, Ending, Fate, Item, ItemResult
from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.demo.exchange import HttpRequest, Json, Rejection, WireProtocol, dice, share
from llm_monitoring.demo.server.broken_replies import JSON_TYPE, encode
from llm_monitoring.demo.server.fault_rules import Rule
from llm_monitoring.demo.server.http1 import Delivery
from llm_monitoring.demo.wire.anthropic_batches import AnthropicBatchWire
from llm_monitoring.demo.wire.openai_batches import OpenAIBatchWire

BATCH_WIRES: Final[dict[str, BatchWire]] = {"openai": OpenAIBatchWire(), "anthropic": AnthropicBatchWire()}
LINES: Final = {"Content-Type": "application/binary"}


@dataclass(slots=True)
class BatchPlan:
    """How batches go. Any of it may change while they run.

    `ends_after`: how many times a batch is looked at before it ends; None never. `hidden_seconds`: how long a new one
    is neither listed nor found. `ending`: how it ends if no one cancels it, with `error_code` if it fails its
    validation. `ran`: which share of the requests of one that expires or is cancelled has run. `cancels`: whether a
    cancelled one ends. `separators`: whether the answers hold U+2028.
    """

    ends_after: int | None = 0
    hidden_seconds: float = 0.0
    ending: Ending = "completed"
    error_code: str = "token_limit_exceeded"
    ran: float = 0.5
    cancels: bool = True
    separators: bool = False


class Run(Protocol):
    """Answers one request of a batch and bills it."""

    def __call__(self, batch: Batch, item: Item, *, separators: bool) -> tuple[ItemResult, Rule | None]:
        """Return what became of it, with the fault that applies to its line."""
        ...


@dataclass(frozen=True, slots=True)
class BatchCall:
    """One request about batches: its route and the id in its path. `key` is a fingerprint."""

    wire: WireProtocol
    request: HttpRequest
    route: str
    name: str
    id: str

    @property
    def key(self) -> str:
        return fingerprint(self.wire.key(self.request))

    @property
    def batches(self) -> BatchWire:
        return BATCH_WIRES[self.wire.name]


class Batches:
    """The batches and files of all keys; a key sees its own."""

    def __init__(self, run: Run, seed: int) -> None:
        self.run, self.seed = run, seed
        self.plan = BatchPlan()
        self.made: list[Batch] = []
        self.files: dict[str, tuple[str, bytes]] = {}
        self.spoiled: dict[str, str] = {}  # requests of which a fault spoiled the line, and that fault
        self.routes: dict[str, Callable[[BatchCall], Json | bytes]] = {
            "file_create": self.create_file,
            "file_content": self.file_content,
            "file_delete": self.delete_file,
            "batch_create": self.create,
            "batch_list": self.page,
            "batch": self.poll,
            "batch_cancel": self.cancel,
            "batch_delete": self.delete,
            "batch_results": self.results,
        }

    def perform(self, call: BatchCall) -> Delivery:
        """Do what a request asks for; raises Rejection."""
        body = self.routes[call.route](call)
        if isinstance(body, bytes):
            return Delivery(200, body, LINES)
        return Delivery(200, encode(body), JSON_TYPE | call.wire.headers(call.id))

    def set_plan(self, changes: Mapping[str, Any]) -> Json:
        """Change the plan; raises TypeError for a field that it does not have."""
        self.plan = replace(self.plan, **changes)
        return asdict(self.plan)

    def finish(self) -> None:
        """Run what is left, as the providers do also if no one looks."""
        for batch in self.made:
            if batch.ended is None:
                self.end(batch)

    def create_file(self, call: BatchCall) -> Json:
        """Store a file that a multipart form uploads."""
        head = f"Content-Type: {call.request.headers.get('content-type', '')}\r\n\r\n".encode()
        form = message_from_bytes(head + call.request.body)
        parts = {str(part.get_param("name", header="content-disposition")): part for part in form.walk()}
        if "file" not in parts or parts["purpose"].get_payload() != "batch":
            raise Rejection(400, "Invalid purpose.", "invalid_value", "purpose")
        content = parts["file"].get_payload(decode=True)
        assert isinstance(content, bytes)
        return {"id": self.store(call.key, content), "object": "file", "bytes": len(content), "purpose": "batch"}

    def store(self, key: str, content: bytes) -> str:
        name = f"file-{uuid4().hex[:20]}"
        self.files[name] = key, content
        return name

    def file(self, key: str, name: str | None) -> bytes:
        owner, content = self.files.get(name or "", ("", b""))
        if owner != key:
            raise Rejection(404, f"No such File object: {name}", None, "id")
        return content

    def file_content(self, call: BatchCall) -> bytes:
        return self.file(call.key, call.name)

    def delete_file(self, call: BatchCall) -> Json:
        self.file(call.key, call.name)
        del self.files[call.name]
        return {"id": call.name, "object": "file", "deleted": True}

    def create(self, call: BatchCall) -> Json:
        submission = call.batches.read(call.request)
        if submission.input_file is not None:
            self.file(call.key, submission.input_file)
        prefix = "batch" if call.wire.name == "openai" else "msgbatch"
        name, headers = f"{prefix}_{uuid4().hex[:20]}", call.request.headers
        batch = Batch(name, call.wire.name, call.key, headers, submission, time.time(), submission.items)
        self.made.append(batch)
        return call.batches.describe(batch)

    def seen(self, call: BatchCall) -> list[Batch]:
        """Return the batches that a key can see, newest first."""
        since = time.time() - self.plan.hidden_seconds
        mine = [batch for batch in self.made if (batch.provider, batch.key) == (call.wire.name, call.key)]
        return [batch for batch in reversed(mine) if batch.created <= since]

    def find(self, call: BatchCall) -> Batch:
        found = next((batch for batch in self.seen(call) if batch.id == call.name), None)
        if found is None:
            raise Rejection(404, f"No batch found with id '{call.name}'.")
        return found

    def page(self, call: BatchCall) -> Json:
        seen = self.seen(call)
        for batch in seen:
            self.look(batch)
        return call.batches.page(seen, call.request.query)

    def poll(self, call: BatchCall) -> Json:
        batch = self.find(call)
        self.look(batch)
        return call.batches.describe(batch)

    def look(self, batch: Batch) -> None:
        """Let time pass for a batch that is looked at: it ends when it is due."""
        batch.polls += 1
        due = self.plan.ends_after is not None and batch.polls > self.plan.ends_after
        if batch.ended is None and (self.plan.cancels if batch.cancelling else due):
            self.end(batch)

    def cancel(self, call: BatchCall) -> Json:
        batch = self.find(call)
        if batch.ended is not None and call.wire.name == "openai":
            raise Rejection(400, f"Cannot cancel a batch with status '{batch.ended}'.", "invalid_request")
        batch.cancelling = batch.ended is None
        return call.batches.describe(batch)

    def delete(self, call: BatchCall) -> Json:
        batch = self.find(call)
        if batch.ended is None:
            raise Rejection(400, "The batch has not ended.")
        self.made.remove(batch)
        return {"id": batch.id, "type": "message_batch_deleted"}

    def results(self, call: BatchCall) -> bytes:
        batch = self.find(call)
        return self.file(call.key, batch.outputs.get("results"))

    def end(self, batch: Batch) -> None:
        """End a batch as it was cancelled or as the plan says, and write its results."""
        wire = BATCH_WIRES[batch.provider]
        batch.ended = "cancelled" if batch.cancelling else self.plan.ending
        try:
            if batch.submission.input_file is not None:
                batch.items = wire.read_file(self.file(batch.key, batch.submission.input_file))
        except Rejection as rejection:
            batch.ended, batch.error = "failed", (rejection.code or "invalid_file", rejection.message)
        if batch.ended == "failed":
            batch.error = batch.error or (self.plan.error_code, "The batch was refused (simulated)")
            return
        results = [self.run_item(batch, item) for item in batch.items]
        batch.results = tuple(result for result, _ in results)
        dice(self.seed, batch.id).shuffle(results)
        written: dict[str, bytes] = {"results": b""} if batch.provider == "anthropic" else {}
        for result, rule in results:
            kind, line = wire.line(result)
            if rule is not None:
                self.spoiled[result.custom_id] = rule.kind
            written[kind] = written.get(kind, b"") + spoiled(encode(line), rule)
        batch.outputs = {kind: self.store(batch.key, content) for kind, content in written.items()}

    def run_item(self, batch: Batch, item: Item) -> tuple[ItemResult, Rule | None]:
        """Run one request; of a batch that ended early some have not run, and these are not billed."""
        early: Fate | None = batch.ended if batch.ended in ("expired", "cancelled") else None
        if early is not None and share(self.seed, batch.id, item.custom_id) >= self.plan.ran:
            return ItemResult(item.custom_id, early), None
        return self.run(batch, item, separators=self.plan.separators)


def spoiled(line: bytes, rule: Rule | None) -> bytes:
    """Return what a fault leaves of a line of the results."""
    match rule and rule.kind:
        case "dropped":
            return b""
        case "repeated":
            return (line + b"\n") * 2
        case "unreadable":
            return line[:-20] + b"\n"
        case _:
            return line + b"\n"
