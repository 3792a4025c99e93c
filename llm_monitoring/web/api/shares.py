"""Links that share a project, and the name and logo that shared pages show."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from llm_monitoring.access import agencies, shares
from llm_monitoring.access.agencies import MOST_BYTES, Agency
from llm_monitoring.access.shares import DEFAULT_DAYS, MOST_DAYS, Share
from llm_monitoring.errors import Invalid
from llm_monitoring.reporting.frozen import frozen_report
from llm_monitoring.web.api.schemas import Body, Page
from llm_monitoring.web.guard import Caller, ProjectCaller, needs, on_project
from llm_monitoring.web.paging import Cursor, Limit, decode, number, page
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(tags=["shares"])

ShareId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The link's number.")]
MOST_BASE64: Final = 4 * -(-MOST_BYTES // 3)


class ShareBody(Body):
    """A link to make: `live` shows the pages as they are, `frozen` the report of the last 30 days as it is now."""

    label: str = Field(min_length=1, max_length=100, description="Whom it is for, as lists show it.")
    kind: Literal["live", "frozen"] = "live"
    days: int = Field(default=DEFAULT_DAYS, ge=1, le=MOST_DAYS, description="Days until it expires.")


class ShareView(BaseModel):
    """A link; its text cannot be shown again."""

    id: int
    label: str
    kind: Literal["live", "frozen"]
    state: Literal["open", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    opens: int = Field(description="How often a browser opened it; previews of chat programs do not count.")
    last_opened_at: datetime | None


class NewShare(ShareView):
    """A link that was made just now: the only time that its text is shown."""

    token: str
    url: str | None = Field(description="null if LLM_WEB_HOST does not say what links begin with.")


class AgencyBody(Body):
    """The name and, in base64, the logo (PNG, JPEG or WebP of at most 100 kB) of who shares."""

    name: str = Field(min_length=1, max_length=100)
    logo: str | None = Field(default=None, max_length=MOST_BASE64)


class AgencyView(BaseModel):
    """What shared pages and reports show of the account."""

    name: str
    logo_type: Literal["image/png", "image/jpeg", "image/webp"] | None
    logo_bytes: int


@router.get("/projects/{project_id}/shares", response_model=Page[ShareView])
def list_shares(
    here: Annotated[ProjectCaller, on_project("shares:write")], *, limit: Limit = 50, cursor: Cursor = None
) -> Any:
    """List the project's links, the latest first, those that are over included."""
    filters = {"list": "shares", "project": here.project_id}
    place = decode(cursor, filters, number)
    found = shares.shares_of(here.app.db, here.project_id, before_id=place[0] if place else None, limit=limit + 1)
    return page([share_fields(each) for each in found], limit, filters, ("id",))


@router.post("/projects/{project_id}/shares", status_code=201, response_model=NewShare)
def create_share(
    body: ShareBody,
    request: Request,
    response: Response,
    here: Annotated[ProjectCaller, on_project("shares:write")],
) -> Any:
    """Make a link that anyone who has it can open; its text is shown this once."""
    if body.kind == "frozen":
        request.app.state.service.export_rate.take(here.caller.user_id)  # a report is made
    report = frozen_report(here.app, here.project_id) if body.kind == "frozen" else None
    made, secret = shares.create(
        here.app.db, here.caller.actor, here.project_id, body.label, days=body.days, report=report
    )
    address = request.app.state.service.address
    response.headers["Cache-Control"] = "no-store"
    text = secret.reveal()
    return {**share_fields(made), "token": text, "url": address and f"{address}/s/{text}"}


@router.delete("/projects/{project_id}/shares/{share_id}", status_code=204)
def revoke_share(share_id: ShareId, here: Annotated[ProjectCaller, on_project("shares:write")]) -> Response:
    """Revoke a link at once; it stays in the list."""
    shares.revoke(here.app.db, here.caller.actor, here.project_id, share_id)
    return Response(status_code=204)


@router.get("/agency", response_model=AgencyView)
def show_agency(caller: Annotated[Caller, needs("shares:write")]) -> Any:
    """Show the name on shared pages and reports, and whether there is a logo."""
    found = agencies.agency_of(own_account(caller).app.db, caller.user_id)
    if found is None:
        raise Problem("not_found")
    return agency_fields(found)


@router.put("/agency", response_model=AgencyView)
def set_agency(body: AgencyBody, caller: Annotated[Caller, needs("shares:write")]) -> Any:
    """Set name and logo on shared pages and reports, in place of those before."""
    try:
        logo = None if body.logo is None else b64decode(body.logo, validate=True)
    except (Error, ValueError) as exc:
        raise Invalid("logo", "it is not base64") from exc
    return agency_fields(agencies.set_agency(own_account(caller).app.db, caller.actor, body.name, logo))


@router.delete("/agency", status_code=204)
def remove_agency(caller: Annotated[Caller, needs("shares:write")]) -> Response:
    """Show no name and no logo any more."""
    agencies.remove_agency(own_account(caller).app.db, caller.actor)
    return Response(status_code=204)


def own_account(caller: Caller) -> Caller:
    """Refuse a token that is narrowed to projects: the name is shown on all of the user's."""
    if caller.token.project_ids is not None:
        raise Problem("scope_missing", "a token for named projects reaches nothing of the account")
    return caller


def share_fields(share: Share) -> dict[str, Any]:
    return {name: getattr(share, name) for name in ShareView.model_fields}


def agency_fields(agency: Agency) -> dict[str, Any]:
    return {"name": agency.name, "logo_type": agency.logo_type, "logo_bytes": len(agency.logo or b"")}
