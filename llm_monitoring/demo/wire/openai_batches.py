"""OpenAI's batches: files of requests and of results, and metadata that comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from llm_monitoring.demo.batches import Batch, Item, ItemResult, Submission, page_after
from llm_monitoring.demo.exchange import HttpRequest, Json, Rejection

ENDPOINT: Final = "/v1/responses"
FIELDS: Final = frozenset("completion_window endpoint input_file_id metadata output_expires_after".split())
ERRORS: Final = {
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "This request was cancelled.",
}
DAY: Final = 24 * 3600


class OpenAIBatchWire:
    """The Batch and Files API."""

    tier = ""

    def route(self, request: HttpRequest) -> tuple[str, str] | None:
        match request.method, request.path.removeprefix("/v1/").split("/"):
            case "POST", ["files"]:
                return "file_create", ""
            case "GET", ["files", name, "content"]:
                return "file_content", name
            case "DELETE", ["files", name]:
                return "file_delete", name
            case "POST", ["batches"]:
                return "batch_create", ""
            case "GET", ["batches"]:
                return "batch_list", ""
            case "GET", ["batches", name]:
                return "batch", name
            case "POST", ["batches", name, "cancel"]:
                return "batch_cancel", name
        return None

    def read(self, request: HttpRequest) -> Submission:
        body = request.json()
        for field in body:
            if field not in FIELDS:
                raise Rejection(400, f"Unknown parameter: '{field}'.", "unknown_parameter", field)
        if body.get("completion_window") != "24h" or body.get("endpoint") != ENDPOINT:
            raise Rejection(400, "Invalid completion_window or endpoint.", "invalid_value")
        metadata = body.get("metadata") or {}
        if any(not isinstance(value, str) or len(value) > 512 for value in metadata.values()):
            raise Rejection(400, "Invalid 'metadata'.", "invalid_type", "metadata")
        return Submission(input_file=str(body.get("input_file_id")), echo=body)

    def read_file(self, content: bytes) -> tuple[Item, ...]:
        try:
            lines = [json.loads(line) for line in content.split(b"\n") if line]
            items = tuple(Item(line["custom_id"], json.dumps(line["body"]).encode()) for line in lines)
        except (ValueError, KeyError, TypeError) as exc:
            raise Rejection(400, "The file is not valid JSONL.", "invalid_json_line") from exc
        if len({item.custom_id for item in items}) < len(items):
            raise Rejection(400, "The custom_id is not unique.", "duplicate_custom_id")
        if any((line["method"], line["url"]) != ("POST", ENDPOINT) for line in lines):
            raise Rejection(400, "The url does not match the endpoint of the batch.", "mismatched_url")
        if len({line["body"].get("model") for line in lines}) != 1:
            raise Rejection(400, "A file holds the requests of one model.", "mismatched_model")
        return items

    def describe(self, batch: Batch) -> Json:
        code, message = batch.error or (None, None)
        errors = {"object": "list", "data": [{"code": code, "message": message, "line": None, "param": None}]}
        counts = {
            "total": len(batch.items),
            "completed": batch.count("succeeded"),
            "failed": batch.count("errored", "expired", "cancelled"),
        }
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "errors": errors if batch.error else None,
            "input_file_id": batch.submission.input_file,
            "completion_window": "24h",
            "status": self.status(batch),
            "output_file_id": batch.outputs.get("output"),
            "error_file_id": batch.outputs.get("error"),
            "created_at": int(batch.created),
            "expires_at": int(batch.created) + DAY,
            "request_counts": counts,
            "metadata": batch.submission.echo.get("metadata"),
        }

    def status(self, batch: Batch) -> str:
        if batch.ended is not None:
            return batch.ended
        if batch.cancelling:
            return "cancelling"
        return "in_progress" if batch.polls else "validating"

    def page(self, batches: Sequence[Batch], query: Mapping[str, str]) -> Json:
        shown, more = page_after(batches, query.get("after", ""), int(query.get("limit", 20)))
        ends = {"first_id": shown[0].id, "last_id": shown[-1].id} if shown else {"first_id": None, "last_id": None}
        return {"object": "list", "data": [self.describe(each) for each in shown], "has_more": more, **ends}

    def line(self, result: ItemResult) -> tuple[str, Json]:
        line: Json = {"id": f"batch_req_{result.custom_id}", "custom_id": result.custom_id}
        line |= {"response": None, "error": None}
        if result.fate in ERRORS:
            error = {"code": f"batch_{result.fate}", "message": ERRORS[result.fate]}
            return "error", line | {"error": error}
        response = {"status_code": result.status, "request_id": f"req_{result.custom_id}", "body": result.body}
        return "output" if result.fate == "succeeded" else "error", line | {"response": response}
