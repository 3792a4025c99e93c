"""Makes the broken reply of a fault rule out of a good one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from llm_monitoring.demo.exchange import Json, Rejection, WireProtocol
from llm_monitoring.demo.server.fault_rules import Rule
from llm_monitoring.demo.server.http1 import REASONS, Delivery

JSON_TYPE: Final = {"Content-Type": "application/json"}
HTML_PAGE: Final = (
    "<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
)
NEGATIVE: Final = -7


def encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def in_bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else encode(body)


def error_reply(wire: WireProtocol, rejection: Rejection, request_id: str) -> Delivery:
    """Return an error in the provider's form."""
    body = encode(wire.error(rejection, request_id))
    return Delivery(rejection.status, body, JSON_TYPE | wire.headers(request_id))


def shed(provider: str, status: int | None) -> Rejection:
    """Return how a provider says that it has no room for a flex call."""
    if provider == "openai":
        return Rejection(status or 429, "Resource unavailable (simulated)", "resource_unavailable")
    return Rejection(status or 503, "The model is overloaded (simulated)")


def failed_reply(wire: WireProtocol, rule: Rule, request_id: str) -> Delivery:
    """Return the reply of a rule that gives no answer: an error, another body, or no reply."""
    action = rule.action
    if rule.kind in ("hang", "reset"):
        return Delivery(mode="hang" if rule.kind == "hang" else "reset")
    if rule.kind == "shed":
        return error_reply(wire, shed(wire.name, action.get("status")), request_id)
    status = int(action.get("status", 503 if rule.kind == "status" else 200))
    phrase = REASONS.get(status, "Overloaded")
    reply = error_reply(wire, Rejection(status, f"{phrase} (simulated)"), request_id)
    if rule.kind == "error_object":
        reply = replace(error_reply(wire, Rejection(500, "Internal error (simulated)"), request_id), status=200)
    if "body" in action:
        reply = replace(reply, body=in_bytes(action["body"]))
    if rule.kind == "html":
        headers = reply.headers | {"Content-Type": "text/html; charset=utf-8"}
        reply = replace(reply, body=in_bytes(action.get("body", HTML_PAGE)), headers=headers)
    return replace(reply, headers=reply.headers | action.get("headers", {}))


def spoil_usage(wire: WireProtocol, reply: Json, value: str) -> Json:
    """Return a reply with a missing, null or negative usage."""
    name = wire.usage_path()
    rest = {field: inner for field, inner in reply.items() if field != name}
    if value == "missing":
        return rest
    return rest | {name: None if value == "null" else negate(reply[name])}


def negate(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: negate(inner) for name, inner in value.items()}
    return NEGATIVE if isinstance(value, int | float) and not isinstance(value, bool) else value


def damage(rule: Rule, whole: Delivery) -> Delivery:
    """Return the delivery of a whole reply under a rule: truncated, reset in the middle, or in small pieces."""
    half = len(whole.body) // 2
    if rule.kind == "truncate" and rule.action["content_length"] == "right":
        return replace(whole, body=whole.body[:half])
    if rule.kind == "truncate":
        return replace(whole, mode="cut", sent_bytes=half)
    if rule.kind == "reset":
        return replace(whole, mode="cut_reset", sent_bytes=half)
    if rule.kind == "drip":
        chunk, pause = int(rule.action.get("chunk_bytes", 64)), float(rule.action.get("pause_ms", 50)) / 1000
        return replace(whole, mode="drip", chunk_bytes=chunk, pause_seconds=pause)
    return whole
