"""Signing in by a link that is spent once, and signing out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from llm_monitoring.access import sessions, sign_ins
from llm_monitoring.access.sessions import MOST_DAYS
from llm_monitoring.web import cookies
from llm_monitoring.web.context import Service
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.visitor import own_path, person_of, same_origin, signed_in

router: Final = APIRouter(include_in_schema=False)

DAY_SECONDS: Final = 86_400
Next = Annotated[str, Query(max_length=2000)]


@router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """Say how to sign in."""
    return page(request)


@router.get("/sign-in/{text}")
def link_page(text: str, request: Request) -> Response:
    """Show whom a link signs in. It is spent by the form alone: mail scanners open links and send no forms."""
    email = sign_ins.address_of_link(request.app.state.service.db, text)
    if email is None:
        raise Problem("not_found")
    return page(request, email=email)


@router.post("/sign-in/{text}", dependencies=[same_origin()])
def spend_link(text: str, request: Request, next: Next = "/") -> Response:  # noqa: A002 - as the address has it
    """Spend a link and begin a session."""
    service: Service = request.app.state.service
    cookies.is_secure(request)  # a link is not spent for a session that cannot begin
    begun = sign_ins.spend(service.db, text, request.headers.get("user-agent", ""))
    if begun is None:
        raise Problem("not_found")
    end_session(request)
    answer = RedirectResponse(own_path(next), 303, {"Cache-Control": "no-store"})
    cookies.put(request, answer, cookies.SESSION, begun[1].reveal(), MOST_DAYS * DAY_SECONDS)
    return answer


@router.post("/sign-out", dependencies=[same_origin(), signed_in()])
def sign_out(request: Request) -> Response:
    """End the session."""
    end_session(request)
    answer = RedirectResponse("/sign-in", 303, {"Cache-Control": "no-store"})
    cookies.remove(request, answer, cookies.SESSION)
    return answer


def end_session(request: Request) -> None:
    """End the session that the browser had, so that no one has two from one browser."""
    person = person_of(request)
    if person and person.session:
        sessions.end(request.app.state.service.db, person.session.id, person.session.user_id)


def page(request: Request, *, email: str | None = None) -> Response:
    """The page with the form of a link, or with how to get one."""
    answer = render(request, "sign_in.html", email=email)
    answer.headers["Cache-Control"] = "no-store"
    return answer
