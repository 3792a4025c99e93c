"""Conditional requests: a strong ETag of what is sent, 304 if the caller has it, 412 if it changed meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response

from llm_monitoring.web.problems import Problem

HAS_IT: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "The caller has this one."}}


def etag_of(body: Any) -> str:
    """The strong ETag of a body: equal bodies have equal tags."""
    return tag_of(jsonable_encoder(body))


def tag_of(encoded: Any) -> str:
    text = json.dumps(encoded, sort_keys=True, ensure_ascii=False)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def respond(request: Request, body: Any, tag: str | None = None) -> Response:
    """Send a body with its ETag, or 304 without it to a GET of a caller that has this one.

    `tag` is the ETag of what the body is a part of, such as a page of a list.
    """
    encoded = jsonable_encoder(body)
    tag = tag or tag_of(encoded)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.method == "GET" and is_listed(tag, request.headers.getlist("if-none-match"), weak=True):
        return Response(status_code=304, headers=headers)
    return JSONResponse(encoded, headers=headers)


def require_match(request: Request, current: Any, *, needed: bool) -> None:
    """Refuse a change of what the caller has not seen: 428 without If-Match if it is needed, 412 if it differs.

    `current` must not change before the change is made: read it in the transaction, under a lock.
    """
    given = request.headers.getlist("if-match")
    if not given and needed:
        raise Problem("condition_needed")
    if given and not is_listed(etag_of(current), given, weak=False):
        raise Problem("changed_meanwhile")


def is_listed(tag: str, headers: Sequence[str], *, weak: bool) -> bool:
    """Whether an ETag is one of those that headers list; `weak` takes those that a proxy has marked as weak too."""
    listed = {part.strip() for header in headers for part in header.split(",")}
    return not listed.isdisjoint({"*", tag, f"W/{tag}"} if weak else {"*", tag})
