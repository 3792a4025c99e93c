"""Anthropic's Message Batches: the requests inline, the results in one file, counts only at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from llm_monitoring.demo.batches import Batch, Fate, Item, ItemResult, Submission, page_after
from llm_monitoring.demo.exchange import HttpRequest, Json, Rejection

CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
FATES: Final[dict[Fate, str]] = {
    "succeeded": "succeeded",
    "errored": "errored",
    "expired": "expired",
    "cancelled": "canceled",
}


class AnthropicBatchWire:
    """The Message Batches API."""

    tier = "batch"

    def route(self, request: HttpRequest) -> tuple[str, str] | None:
        match request.method, request.path.removeprefix("/v1/messages/").split("/"):
            case "POST", ["batches"]:
                return "batch_create", ""
            case "GET", ["batches"]:
                return "batch_list", ""
            case "GET", ["batches", name]:
                return "batch", name
            case "DELETE", ["batches", name]:
                return "batch_delete", name
            case "POST", ["batches", name, "cancel"]:
                return "batch_cancel", name
            case "GET", ["batches", name, "results"]:
                return "batch_results", name
        return None

    def read(self, request: HttpRequest) -> Submission:
        if not request.headers.get("anthropic-version"):
            raise Rejection(400, "anthropic-version: header is required")
        entries = request.json().get("requests")
        if not isinstance(entries, list) or not entries:
            raise Rejection(400, "requests: Field required")
        items = tuple(Item(str(each.get("custom_id")), json.dumps(each.get("params")).encode()) for each in entries)
        if not all(CUSTOM_ID.fullmatch(item.custom_id) for item in items):
            raise Rejection(400, "requests: custom_id: String should match pattern")
        if len({item.custom_id for item in items}) < len(items):
            raise Rejection(400, "requests: custom_id must be unique")
        return Submission(items)

    def read_file(self, content: bytes) -> tuple[Item, ...]:
        raise Rejection(400, "requests: Field required")

    def describe(self, batch: Batch) -> Json:
        created = datetime.fromtimestamp(batch.created, UTC)
        counts = {name: batch.count(fate) for fate, name in FATES.items()}
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if batch.ended else "canceling" if batch.cancelling else "in_progress",
            "request_counts": {"processing": 0 if batch.ended else len(batch.items), **counts},
            "created_at": created.isoformat(),
            "expires_at": (created + timedelta(days=1)).isoformat(),
            "ended_at": created.isoformat() if batch.ended else None,
            "archived_at": None,
            "cancel_initiated_at": created.isoformat() if batch.cancelling else None,
            "results_url": f"https://api.anthropic.com/v1/messages/batches/{batch.id}/results" if batch.ended else None,
        }

    def page(self, batches: Sequence[Batch], query: Mapping[str, str]) -> Json:
        shown, more = page_after(batches, query.get("after_id", ""), int(query.get("limit", 20)))
        ends = {"first_id": shown[0].id, "last_id": shown[-1].id} if shown else {"first_id": None, "last_id": None}
        return {"data": [self.describe(each) for each in shown], "has_more": more, **ends}

    def line(self, result: ItemResult) -> tuple[str, Json]:
        answer = {"message": result.body} if result.fate == "succeeded" else {}
        error = {"error": result.body} if result.fate == "errored" else {}
        return "results", {"custom_id": result.custom_id, "result": {"type": FATES[result.fate], **answer, **error}}
