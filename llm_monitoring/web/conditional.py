"""Conditional requests: a strong ETag of what is sent, 304 if the caller has it, 412 if it changed meanwhile."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response

from llm_monitoring.web.problems import Problem


def etag_of(body: Any) -> str:
    """The strong ETag of a body: equal bodies have equal tags."""
    text = json.dumps(jsonable_encoder(body), sort_keys=True, ensure_ascii=False)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def respond(request: Request, body: Any) -> Response:
    """Send a body with its ETag, or 304 without it if the caller has this one."""
    tag = etag_of(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in tags_in(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return JSONResponse(jsonable_encoder(body), headers=headers)


def require_match(request: Request, current: Any, *, needed: bool) -> None:
    """Refuse a change of what the caller has not seen: 428 without If-Match if it is needed, 412 if it differs."""
    given = request.headers.get("if-match")
    if given is None:
        if needed:
            raise Problem("condition_needed")
        return
    if given.strip() != "*" and etag_of(current) not in tags_in(given):
        raise Problem("changed_meanwhile")


def tags_in(header: str) -> set[str]:
    return {part.strip() for part in header.split(",") if part.strip()}
