"""What the two providers answer to batch calls, as recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from llm_monitoring.domain import ProviderName
from llm_monitoring.providers import BatchRequest
from tests.providers.server import question, recorded

BATCH_PROVIDERS: Final[tuple[ProviderName, ...]] = ("openai", "anthropic")
OUR_BATCH: Final = UUID("0199f3a0-0000-7000-8000-000000000001")
IDS: Final = tuple(f"0199f3a0-0000-7000-8000-0000000001{number:02}" for number in range(20))
CREATED: Final = {"openai": 1_795_910_400, "anthropic": "2026-11-29T00:00:00Z"}

Json = dict[str, Any]


def requests(name: ProviderName, number: int = 2, **changes: Any) -> list[BatchRequest]:
    return [BatchRequest(IDS[at], question(name, mode="batch", **changes)) for at in range(number)]


def described(name: ProviderName, **changes: Any) -> bytes:
    """A batch as its provider describes it, with changed fields."""
    if name == "anthropic":
        counts = {"processing": 2, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        batch: Json = {
            "id": "msgbatch_1",
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": counts,
            "created_at": CREATED["anthropic"],
            "expires_at": "2026-11-30T00:00:00Z",
            "ended_at": None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
        }
        return json.dumps(batch | changes).encode()
    batch = {
        "id": "batch_1",
        "object": "batch",
        "endpoint": "/v1/responses",
        "errors": None,
        "input_file_id": "file-in1",
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": CREATED["openai"],
        "expires_at": 1_795_996_800,
        "request_counts": {"total": 2, "completed": 0, "failed": 0},
        "metadata": {"llmm_batch": str(OUR_BATCH)},
        "model": "gpt-6.1-terra",
    }
    return json.dumps(batch | changes).encode()


def succeeded(name: ProviderName, custom_id: str, body: bytes | None = None) -> bytes:
    """A line with an answer; the body stands in it as it is."""
    reply = (recorded(f"{name}_plain") if body is None else body).replace(b"\n", b" ")
    if name == "anthropic":
        return b'{"custom_id":"%b","result":{"type":"succeeded","message":%b}}' % (custom_id.encode(), reply)
    inner = b'{"status_code":200,"request_id":"req_1","body":%b}' % reply
    return b'{"id":"batch_req_1","custom_id":"%b","response":%b,"error":null}' % (custom_id.encode(), inner)


def failed(name: ProviderName, custom_id: str, status: int, kind: str = "invalid_request_error") -> bytes:
    """A line with an error of the request itself."""
    error = {"type": kind, "message": "No such parameter", "code": None}
    if name == "anthropic":
        result: Json = {"type": "errored", "error": {"type": "error", "error": error, "request_id": "req_1"}}
        return json.dumps({"custom_id": custom_id, "result": result}).encode()
    response = {"status_code": status, "request_id": "req_1", "body": {"error": error}}
    return json.dumps({"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}).encode()


def never_run(name: ProviderName, custom_id: str, kind: str = "expired") -> bytes:
    if name == "anthropic":
        return json.dumps({"custom_id": custom_id, "result": {"type": kind}}).encode()
    error = {"code": f"batch_{kind}", "message": "This request could not be executed before the completion window."}
    return json.dumps({"id": "batch_req_1", "custom_id": custom_id, "response": None, "error": error}).encode()


def results(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)
