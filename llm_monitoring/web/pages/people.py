"""Sharing a project: links for anyone who has them, and people who sign in and look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from llm_monitoring import projects
from llm_monitoring.access import people, roles, shares
from llm_monitoring.access.shares import DEFAULT_DAYS
from llm_monitoring.app import schedule_day
from llm_monitoring.db import Row
from llm_monitoring.errors import Invalid
from llm_monitoring.figures.periods import Period
from llm_monitoring.reporting.frozen import frozen_report
from llm_monitoring.reporting.report_data import DAYS as DEFAULT_PERIOD_DAYS
from llm_monitoring.reporting.report_data import last_days
from llm_monitoring.web.context import Service
from llm_monitoring.web.pages.error_texts import errors_of
from llm_monitoring.web.pages.forms import Form, Sent, done
from llm_monitoring.web.pages.link_sender import Invitation, can_send
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.pages.words import page_language, page_words
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.visitor import ProjectVisitor, on_page

router: Final = APIRouter(include_in_schema=False, prefix="/projects/{project_id}/reports")

Here = Annotated[ProjectVisitor, on_page("shares:write")]
Looker = Annotated[ProjectVisitor, on_page("figures:read", "answers:read")]
ShareId = Annotated[int, Path(ge=1, le=2**63 - 1)]
UserId = Annotated[int, Path(ge=1, le=2**31 - 1)]
MOST_SHOWN: Final = 200
MOST_DIGITS: Final = 4


@router.get("")
def show_reports(request: Request, here: Looker) -> Response:
    """The downloads; for the owner also the project's links with their openings, and who may look."""
    if here.role == "share":
        raise Problem("not_found")
    return page(request, here)


@router.get("/links")
@router.get("/viewers")
def go_back(here: Here) -> Response:
    """Where a form was sent to, there is the page that has it, as for a change of language."""
    return done(f"/projects/{here.project_id}/reports")


@router.post("/links")
def create_link(request: Request, here: Here, form: Sent) -> Response:
    """Make a link and show it: this is the only time."""
    service: Service = request.app.state.service
    days = form.text("days", str(DEFAULT_DAYS))
    is_frozen = form.text("kind") == "frozen"
    if is_frozen:
        service.export_rate.take(here.visitor.actor.user_id)
    report = frozen_report(here.app, here.project_id) if is_frozen else None
    try:
        _, secret = shares.create(
            here.app.db,
            here.visitor.actor,
            here.project_id,
            form.text("label"),
            days=int(days) if days.isascii() and days.isdigit() and len(days) <= MOST_DIGITS else 0,
            report=report,
        )
    except Invalid as exc:
        return page(request, here, form.refused(**errors_of(request, exc)))
    return page(request, here, link=f"{service.address or ''}/s/{secret.reveal()}")


@router.post("/links/{share_id}/revoke")
def revoke_link(share_id: ShareId, here: Here) -> Response:
    """Revoke a link at once."""
    shares.revoke(here.app.db, here.visitor.actor, here.project_id, share_id)
    return done(f"/projects/{here.project_id}/reports")


@router.post("/viewers")
def add_viewer(request: Request, here: Here, form: Sent) -> Response:
    """Let the user of an address look at the project, now or once there is one, and send a sign-in link to it.

    The page is the same whether there is one or not.
    """
    service: Service = request.app.state.service
    session, email = here.visitor.session, form.text("email")
    if session and email.casefold() == session.email.casefold():
        return page(request, here, form.refused(email=page_words(page_language(request)).say("reports.error_is_owner")))
    try:
        people.invite_viewer(here.app.db, here.visitor.actor, here.project_id, email)
    except Invalid as exc:
        return page(request, here, form.refused(**errors_of(request, exc)))
    invitation = Invitation(here.project_id, email, session.id if session else None)
    request.app.state.links.invite(service, invitation, page_language(request))
    return done(f"/projects/{here.project_id}/reports")


@router.post("/viewers/remove")
def withdraw_invitation(here: Here, form: Sent) -> Response:
    """End an invitation, and the view of who has the address, at once."""
    people.withdraw_invitation(here.app.db, here.visitor.actor, here.project_id, form.text("email"))
    return done(f"/projects/{here.project_id}/reports")


@router.post("/viewers/{user_id}/remove")
def remove_viewer(user_id: UserId, here: Here) -> Response:
    """End a user's view at once."""
    people.remove_viewer(here.app.db, here.visitor.actor, here.project_id, user_id)
    return done(f"/projects/{here.project_id}/reports")


def page(request: Request, here: ProjectVisitor, form: Form | None = None, *, link: str | None = None) -> Response:
    service: Service = request.app.state.service
    invitations = roles.invitations(here.app.db, here.project_id) if here.is_owner else []
    answer = render(
        request,
        "reports.html",
        status=422 if form and form.errors else 200,
        here=here,
        project=projects.find(here.app.db, here.project_id),
        form=form or Form(),
        link=link,
        shares=shares.shares_of(here.app.db, here.project_id, limit=MOST_SHOWN) if here.is_owner else (),
        invitations=invitations,
        viewers=added_viewers(here, invitations) if here.is_owner else (),
        period=default_period(here),
        can_send=can_send(service),
        days=DEFAULT_DAYS,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def added_viewers(here: ProjectVisitor, invitations: Sequence[Row]) -> list[Row]:
    """Who looks without an invitation, as whoever runs the installation lets them."""
    invited = {row["email"].casefold() for row in invitations}
    return [row for row in roles.viewers(here.app.db, here.project_id) if row["email"].casefold() not in invited]


def default_period(here: ProjectVisitor) -> Period:
    """The last days that were measured, which downloads begin with."""
    return last_days(here.app.db, here.project_id, DEFAULT_PERIOD_DAYS, schedule_day(here.app.settings))
