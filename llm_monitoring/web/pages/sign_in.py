"""Signing in by a link that is spent once or by the host application, and signing out."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from llm_monitoring.access import hand_offs, sessions, sign_ins
from llm_monitoring.access.sessions import MOST_DAYS
from llm_monitoring.access.sign_ins import Person
from llm_monitoring.domain import Secret
from llm_monitoring.web import cookies
from llm_monitoring.web.context import Service
from llm_monitoring.web.pages.link_sender import LinkSender, can_send
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.pages.words import page_language
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.visitor import SIGN_IN, Visitor, own_path, person_of, same_origin, signed_in

router: Final = APIRouter(include_in_schema=False)

DAY_SECONDS: Final = 86_400
Next = Annotated[str, Query(max_length=2000)]


@router.get(SIGN_IN)
def sign_in_page(request: Request, next: Next = "/") -> Response:  # noqa: A002 - as the address has it
    """Ask for the address to send a link to, or say how to get one."""
    return page(request, path=own_path(next))


@router.post(SIGN_IN, dependencies=[same_origin()])
def ask_for_link(
    request: Request,
    email: Annotated[str, Form(max_length=255)],
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002 - as the address has it
) -> Response:
    """Take an address; the answer is the same whether someone has it or not."""
    take_turn(request, email.strip().casefold())
    links: LinkSender = request.app.state.links
    if not can_send(request.app.state.service):
        raise Problem("not_found")
    path = own_path(next)
    query = "" if path == "/" else "?" + urlencode({"next": path})
    links.ask(request.app.state.service, email.strip(), page_language(request), query)
    return page(request, asked=True)


@router.get(f"{SIGN_IN}/{{text}}")
def link_page(text: str, request: Request) -> Response:
    """Show whom a link signs in. It is spent by the form alone: mail scanners open links and send no forms."""
    person = sign_ins.person_of_link(request.app.state.service.db, text)
    if person is None:
        raise Problem("not_found")
    return page(request, email=person.email)


@router.post(f"{SIGN_IN}/{{text}}", dependencies=[same_origin()])
def spend_link(text: str, request: Request, next: Next = "/") -> Response:  # noqa: A002 - as the address has it
    """Spend a link and begin a session."""
    service: Service = request.app.state.service
    take_turn(request)
    cookies.require_reachable(request)  # a link is not spent for a session that cannot begin
    person = sign_ins.person_of_link(service.db, text)
    begun = sign_ins.spend(service.app_of(person.id).db, text, client_of(request)) if person else None
    if begun is None:
        raise Problem("not_found")
    return enter(request, begun, own_path(next))


@router.get("/hand-off/{text}")
def hand_off_page(text: str, request: Request) -> Response:
    """Show whom the host application signs in; a form does it, so that no other site signs anyone in unasked."""
    person = handed_over(request, text)
    if person is None:
        raise Problem("not_found")
    return page(request, email=person.email)


@router.post("/hand-off/{text}", dependencies=[same_origin()])
def spend_hand_off(text: str, request: Request, next: Next = "/") -> Response:  # noqa: A002 - as the address has it
    """Spend a hand-off and begin a session."""
    take_turn(request)
    cookies.require_reachable(request)
    person = handed_over(request, text)
    service: Service = request.app.state.service
    begun = hand_offs.spend(service.app_of(person.id).db, person.id, text, client_of(request)) if person else None
    if begun is None:
        raise Problem("not_found")
    return enter(request, begun, own_path(next))


def handed_over(request: Request, text: str) -> Person | None:
    """The user of a hand-off, who exists and may sign in."""
    service: Service = request.app.state.service
    secret = service.settings.hand_off_secret
    user_id = hand_offs.user_of(secret, text) if secret else None
    person = sign_ins.person(service.db, user_id) if user_id is not None else None
    return person if person and person.disabled_at is None else None


@router.post("/sign-out")
def sign_out(request: Request, visitor: Annotated[Visitor, signed_in()]) -> Response:
    """End the session; the browser forgets the pages that it would show again on the way back."""
    end_session(visitor)
    answer = RedirectResponse(SIGN_IN, 303, {"Cache-Control": "no-store", "Clear-Site-Data": '"cache"'})
    cookies.remove(request, answer, cookies.SESSION)
    return answer


def enter(request: Request, session: Secret, path: str) -> Response:
    """Go on with a new session; the one that the browser had ends, so that none outlives a sign-in."""
    former = person_of(request)
    if former:
        end_session(former)
    answer = RedirectResponse(path, 303, {"Cache-Control": "no-store"})
    cookies.put(request, answer, cookies.SESSION, session.reveal(), MOST_DAYS * DAY_SECONDS)
    return answer


def end_session(visitor: Visitor) -> None:
    if visitor.session:
        sessions.end(visitor.app.db, visitor.actor, visitor.session.id)


def take_turn(request: Request, email: str | None = None) -> None:
    """Count a sign-in of a client, and of an address if one is given; raises Problem if there were too many."""
    service: Service = request.app.state.service
    service.sign_in_rate.take(("client", service.client_of(request)))
    if email is not None:
        service.sign_in_rate.take(("address", email))


def client_of(request: Request) -> str:
    """What the browser says of itself, to tell sessions apart."""
    return request.headers.get("user-agent", "")


def page(request: Request, *, email: str | None = None, asked: bool = False, path: str = "/") -> Response:
    """The page with the form of a link, the form that asks for one, or how to get one."""
    has_provider = request.app.state.service.oidc is not None
    can_ask = can_send(request.app.state.service)
    answer = render(
        request, "sign_in.html", email=email, asked=asked, can_ask=can_ask, next=path, has_provider=has_provider
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
