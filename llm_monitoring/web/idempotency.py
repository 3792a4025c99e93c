"""`Idempotency-Key`: a POST that comes twice, as after a lost answer, acts once and is answered twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Header, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse

from llm_monitoring.access import requests
from llm_monitoring.access.requests import OtherRequest, Reply
from llm_monitoring.app import App
from llm_monitoring.web.guard import Caller
from llm_monitoring.web.problems import FieldError, Problem

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A text of your own: the same request with it within a day acts once.",
    ),
]


def once(caller: Caller, key: str | None, request: Request, body: bytes, work: Callable[[App], Reply]) -> JSONResponse:
    """Do `work` in a transaction, or give the answer that the same request got before; 422 for another body."""
    operation = f"{request.method} {request.url.path}"

    def act(app: App) -> Reply:
        if key is None:
            return plain(work(app))
        earlier = requests.begin(app.db, caller.user_id, key, operation, body)
        if earlier is not None:
            return earlier
        reply = plain(work(app))
        requests.end(app.db, caller.user_id, key, reply)
        return reply

    try:
        reply = caller.change(act)
    except OtherRequest as exc:
        raise Problem(
            "invalid", errors=[FieldError("header:Idempotency-Key", "it was used for another request")]
        ) from exc
    return JSONResponse(reply.body, reply.status, dict(reply.headers))


def plain(reply: Reply) -> Reply:
    return Reply(reply.status, jsonable_encoder(reply.body), reply.headers)
