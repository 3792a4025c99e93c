"""Opening a share link: its text stands in the address once, then a cookie for this project alone stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import RedirectResponse, Response

from llm_monitoring.access import roles, shares
from llm_monitoring.access.shares import Share
from llm_monitoring.reporting.page import served_policy
from llm_monitoring.web import cookies
from llm_monitoring.web.context import Service
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.turns import with_turn
from llm_monitoring.web.visitor import share_account, share_cookie

router: Final = APIRouter(include_in_schema=False)

ShareId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Opened:
    """A share link that holds, and its text."""

    share: Share
    text: str

    @property
    def account(self) -> object:
        return share_account(self.share)


def opened(service: Service, text: str) -> Opened:
    """The link of a text. Unknown, expired, revoked, of an archived project: the same Problem."""
    share = shares.find(service.db, text)
    if share is None or not is_there(service, share):
        raise Problem("not_found")
    service.rate.take(share_account(share))
    return Opened(share, text)


def link_of_path(text: str, request: Request) -> Opened:
    return opened(request.app.state.service, text)


def link_of_cookie(share_id: ShareId, request: Request) -> Opened:
    found = opened(request.app.state.service, cookies.read(request, f"{cookies.FROZEN}{share_id}"))
    if found.share.id != share_id:
        raise Problem("not_found")
    return found


@router.get("/s/{text}")
def open_link(request: Request, link: Annotated[Opened, Depends(with_turn(link_of_path))]) -> Response:
    """Lead to what a link shares."""
    service: Service = request.app.state.service
    share = link.share
    if is_opened_by_a_person(request):
        shares.note_open(service.app_of(share.user_id).db, share)
    path = f"/projects/{share.project_id}" if share.kind == "live" else f"/shared/{share.id}"
    answer = RedirectResponse(path, 303, {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"})
    seconds = max(1, int((share.expires_at - datetime.now(UTC)).total_seconds()))
    cookies.put(request, answer, share_cookie(share), link.text, seconds)
    return answer


@router.get("/shared/{share_id}")
def show_report(request: Request, link: Annotated[Opened, Depends(with_turn(link_of_cookie))]) -> Response:
    """Send the report of a frozen link, byte for byte as it was made."""
    body = shares.report_of(request.app.state.service.db, link.share)
    headers = {
        "Content-Security-Policy": served_policy(body),
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex, nofollow",
    }
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)


def is_there(service: Service, share: Share) -> bool:
    return roles.is_archived(service.app_of_project(share.project_id).db, share.project_id) is False


def is_opened_by_a_person(request: Request) -> bool:
    """Whether a browser opens the link to show it: programs that fetch a preview, and browsers that fetch it ahead of
    a click, say otherwise."""
    sent = request.headers
    return sent.get("sec-fetch-mode") == "navigate" and "prefetch" not in sent.get("sec-purpose", "")
