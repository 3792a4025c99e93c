"""Signing in at an OpenID provider: to it and back."""

from __future__ import annotations

import logging
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from llm_monitoring.access import sessions, sign_ins
from llm_monitoring.web import cookies
from llm_monitoring.web.context import Service
from llm_monitoring.web.oidc import Flow, Provider, SignInRefused
from llm_monitoring.web.pages.sign_in import Next, client_of, enter, take_turn
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.turns import with_turn
from llm_monitoring.web.visitor import own_path

log = logging.getLogger(__name__)

router: Final = APIRouter(include_in_schema=False, prefix="/oidc")

FLOW: Final = "llm_oidc"
BACK: Final = "llm_oidc_next"
FLOW_SECONDS: Final = 600


def provider(request: Request) -> Provider:
    """The provider of the settings; raises Problem if there is none."""
    found: Provider | None = request.app.state.service.oidc
    if found is None:
        raise Problem("not_found")
    return found


Chosen = Annotated[Provider, Depends(with_turn(provider))]
"""The provider: while it does not answer, a few requests alone wait for it in a thread."""


@router.get("")
def begin(request: Request, chosen: Chosen, next: Next = "/") -> Response:  # noqa: A002 - as the address has it
    """Send the browser to the provider."""
    take_turn(request)
    flow = Flow.new()
    try:
        address = chosen.begin(flow)
    except SignInRefused as exc:
        log.warning("⚠️ El proveedor de acceso no sirve: %s", exc, extra={"event": "web.oidc_failed"})
        raise Problem("sign_in_refused") from exc
    answer = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
    cookies.put(request, answer, FLOW, flow.text, FLOW_SECONDS)
    cookies.put(request, answer, BACK, own_path(next), FLOW_SECONDS)
    return answer


@router.get("/callback")
def finish(
    request: Request,
    chosen: Chosen,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Begin the session of who comes back: a user who exists, by the address that the provider has verified."""
    take_turn(request)
    service: Service = request.app.state.service
    flow = Flow.read(cookies.read(request, FLOW))
    try:
        email = chosen.finish(flow, state, code, error) if flow else ""
    except SignInRefused as exc:
        log.warning("⚠️ Inicio de sesión rechazado: %s", exc, extra={"event": "web.oidc_failed"})
        email = ""
    person = sign_ins.person_of_address(service.db, email) if email else None
    if person is None or person.disabled_at is not None:
        raise Problem("sign_in_refused")
    session = sessions.begin(service.app_of(person.id).db, person.id, "oidc", client_of(request))
    answer = enter(request, session, own_path(cookies.read(request, BACK)))
    for name in (FLOW, BACK):
        cookies.remove(request, answer, name)
    return answer
