"""The settings of an account: API keys, the month's budget, tokens of programs, and what was changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from llm_monitoring import edits
from llm_monitoring.access import audit, tokens
from llm_monitoring.access.agencies import agency_of
from llm_monitoring.access.projects import visible_projects
from llm_monitoring.access.token_changes import issue_token, revoke_token
from llm_monitoring.access.tokens import SCOPES
from llm_monitoring.domain import PACING_STEPS, PROVIDERS, ProviderName
from llm_monitoring.errors import BadInput, Invalid
from llm_monitoring.web.api.account import (
    KeyCheck,
    budget_of,
    check_key,
    forget_key,
    keep_key,
    key_view,
    readable_secret,
)
from llm_monitoring.web.pages.error_texts import errors_of
from llm_monitoring.web.pages.forms import Form, Sent, done
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.problems import Problem
from llm_monitoring.web.visitor import Visitor, signed_in

router: Final = APIRouter(include_in_schema=False, prefix="/settings")

Person = Annotated[Visitor, signed_in()]
TokenId = Annotated[int, Path(ge=1, le=2**63 - 1)]
SAVED: Final = ("key", "key_removed", "token_revoked", "pacing", "agency", "agency_removed")
SHORTEST_KEY, LONGEST_KEY = 8, 1000
DEFAULT_DAYS: Final = 365
MOST_DAYS: Final = 3650
MOST_PROJECTS: Final = 200
MOST_CHANGES: Final = 30


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows besides the account: forms as they were typed, a new token, what a provider said of a key."""

    keys: Form = field(default_factory=Form)
    tokens: Form = field(default_factory=Form)
    pacing: Form = field(default_factory=Form)
    agency: Form | None = None
    token: str = ""
    checked: KeyCheck | None = None
    saved: str = ""

    @property
    def is_refused(self) -> bool:
        forms = (self.keys, self.tokens, self.pacing, self.agency)
        return any(form and form.errors for form in forms)


@router.get("")
def show_settings(request: Request, visitor: Person, saved: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Keys by their last four characters, the budget, tokens without their text."""
    return page(request, visitor, Shown(saved=saved if saved in SAVED else ""))


@router.get("/keys")
@router.get("/tokens")
@router.get("/pacing")
@router.get("/keys/{provider}/verify")
def go_back(visitor: Person) -> Response:
    """Where a form was sent to, there is the page that has it, as for a change of language."""
    return done("/settings")


@router.post("/keys")
def store_key(request: Request, visitor: Person, form: Sent) -> Response:
    """Store a key in place of the one before; it is never shown again, not even if it is refused."""
    text = form.text("api_key")
    provider = next((each for each in PROVIDERS if each == form.text("provider")), None)
    without_key = Form({"provider": form.all("provider")})
    if provider is None:
        return page(request, visitor, Shown(keys=without_key.refused(provider="provider")))
    if not SHORTEST_KEY <= len(text) <= LONGEST_KEY:
        return page(request, visitor, Shown(keys=without_key.refused(api_key="length")))
    try:
        secret = readable_secret(visitor.app, text)
        visitor.change(lambda app: keep_key(app, visitor.actor, provider, secret))
    except BadInput as exc:
        return page(
            request, visitor, Shown(keys=without_key.refused(api_key=next(iter(errors_of(request, exc).values()))))
        )
    except Problem as exc:
        if exc.code != "no_master_key":
            raise
        return page(request, visitor, Shown(keys=without_key.refused(api_key="no_master_key")))
    return done("/settings?saved=key")


@router.post("/keys/{provider}/verify")
def verify_key(request: Request, provider: ProviderName, visitor: Person) -> Response:
    """Ask the provider for its models with the person's key: free of charge."""
    return page(request, visitor, Shown(checked=check_key(visitor.app, user_of(visitor), provider)))


@router.post("/keys/{provider}/remove")
def remove_key(provider: ProviderName, visitor: Person) -> Response:
    """Forget the person's key of a provider."""
    visitor.change(lambda app: forget_key(app, visitor.actor, provider))
    return done("/settings?saved=key_removed")


@router.post("/pacing")
def set_pacing(request: Request, visitor: Person, form: Sent) -> Response:
    """Make the budget last the month, or not, with the order in which things are given up."""
    steps = [name for name in form.all("steps") if name]
    try:
        edits.set_pacing(visitor.app, visitor.actor, user_of(visitor), is_on=form.is_on("last_month"), steps=steps)
    except Invalid as exc:
        return page(request, visitor, Shown(pacing=form.refused(**{exc.field: exc.field})))
    return done("/settings?saved=pacing")


@router.post("/tokens")
def create_token(request: Request, visitor: Person, form: Sent) -> Response:
    """Make a token and show it: this is the only time."""
    days, chosen = form.text("days"), form.all("projects")
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:6]) <= MOST_DAYS):
        return page(request, visitor, Shown(tokens=form.refused(days="days")))
    project_ids = [int(each) for each in chosen if each.isascii() and each.isdigit() and len(each) < 10]
    try:
        _, secret = issue_token(
            visitor.app.db, visitor.actor, form.text("name"), form.all("scopes"), project_ids or None, int(days)
        )
    except Invalid as exc:
        return page(request, visitor, Shown(tokens=form.refused(**errors_of(request, exc))))
    return page(request, visitor, Shown(token=secret.reveal()))


@router.post("/tokens/{token_id}/revoke")
def end_token(token_id: TokenId, visitor: Person) -> Response:
    """End the use of a token at once."""
    revoke_token(visitor.app.db, visitor.actor, token_id)
    return done("/settings?saved=token_revoked")


def user_of(visitor: Visitor) -> int:
    assert visitor.user_id is not None
    return visitor.user_id


def page(request: Request, visitor: Visitor, shown: Shown) -> Response:
    app, user_id = visitor.app, user_of(visitor)
    agency = agency_of(app.db, user_id)
    projects = visible_projects(app.db, user_id, project_ids=None, archived=False, after_id=0, limit=MOST_PROJECTS)
    answer = render(
        request,
        "account_settings.html",
        status=422 if shown.is_refused else 200,
        visitor=visitor,
        shown=shown,
        keys=[key_view(app, user_id, provider) for provider in PROVIDERS],
        budget=budget_of(app, user_id),
        every_step=PACING_STEPS,
        tokens=[each for each in tokens.tokens_of(app.db, user_id) if each.revoked_at is None],
        scopes=SCOPES,
        projects=[row for row in projects if row["role"] == "owner"],
        names={row["id"]: row["name"] for row in projects},
        default_days=DEFAULT_DAYS,
        agency=agency,
        agency_form=shown.agency or Form({"name": (agency.name,)} if agency else {}),
        changes=audit.entries(app.db, user_id, project_ids=None, before_id=None, limit=MOST_CHANGES),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
