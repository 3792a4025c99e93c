"""The account of the token's user: who it is, budget, API keys, models, and the record of changes."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, SecretStr

from llm_monitoring import edits, registry
from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.app import App
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.keys import ListedKey, check_keys
from llm_monitoring.ledger import Standing
from llm_monitoring.logs import register_secret
from llm_monitoring.runs.forecast import Forecast, forecasts
from llm_monitoring.web.api.economy import OutView, PacingView, out_of, pacing_of_user
from llm_monitoring.web.api.schemas import Body, Page, Usd
from llm_monitoring.web.guard import Caller, needs
from llm_monitoring.web.paging import Cursor, Limit, decode, number, page
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(tags=["account"])


class Me(BaseModel):
    """Who calls, and what the token may do."""

    user_id: int
    email: str | None
    token: str
    scopes: list[str]
    project_ids: list[int] | None = Field(description="The projects it is narrowed to; null: all of the user's.")
    expires_at: datetime | None


class Month(BaseModel):
    """What a month's calls were charged in USD, as decimal strings."""

    user_id: int
    email: str | None
    month: date
    calls: int = Field(description="Calls that were sent.")
    calls_usd: Usd
    in_doubt_usd: Usd = Field(description="Of these, calls of which no reply came, charged at their ceiling.")
    corrected_usd: Usd = Field(description="Corrections, opening balances and calls of the host application.")
    charged_usd: Usd = Field(description="All of the month.")
    reached: list[Usd] | None = Field(description="Thresholds in percent that were reached.")


class ForecastView(BaseModel):
    """What the month will cost in USD with every day asked in full, with the range that holds it 95 times in 100.

    It rests on the cost a task of so many `days` with answers of the last two weeks, and the prompts of now. `ends_on`:
    the first day that the budget does not cover whole; null: it lasts.
    """

    expected_usd: Usd
    low_usd: Usd
    high_usd: Usd
    days: int
    ends_on: date | None


class Budget(BaseModel):
    """The user's month in USD, as decimal strings; `reserved_usd` is what calls under way can cost at most."""

    month: date
    spent_usd: Usd
    saved_usd: Usd
    reserved_usd: Usd
    budget_usd: Usd
    percent: float
    spending_alert_threshold: float
    state: Literal["ok", "near_limit", "blocked"]
    forecast: ForecastView | None = Field(description="Null: fewer than six days with answers.")
    pacing: PacingView = Field(description="Whether the budget is to last the month, and what is left out for it.")
    out: OutView | None = Field(description="Answers that are still out in batches; null: none.")
    history: list[Month] = Field(description="The last twelve months with calls, newest first.")


class KeyView(BaseModel):
    """A provider's key as it may be shown."""

    provider: ProviderName
    source: Literal["user", "operator"] | None
    last_four: str | None
    problem: str | None


class KeyBody(Body):
    """A key to store; it is never shown again."""

    provider: ProviderName
    api_key: SecretStr = Field(min_length=8, max_length=1000, json_schema_extra={"writeOnly": True})


class KeyCheck(BaseModel):
    """What the provider says of a key; asking is free."""

    provider: ProviderName
    verdict: Literal["works", "refused", "unreadable", "not reached", "unclear"]
    models: int


class ModelView(BaseModel):
    """A model of the registry with its prices in USD, as decimal strings."""

    llm_provider: ProviderName
    model_id: str
    model_display_name: str | None
    is_current: bool
    is_available: bool
    cost_per_1m_input_tokens: Usd
    cost_per_1m_output_tokens: Usd


class AuditRow(BaseModel):
    """One change: who made it to what."""

    id: int
    at: datetime
    actor_kind: str
    actor_id: int | None
    action: str
    project_id: int | None
    object_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@router.get("/me", response_model=Me)
def me(caller: Annotated[Caller, needs()]) -> Me:
    """Say who calls; any valid token may ask."""
    token = caller.token
    return Me(
        user_id=token.user_id,
        email=token.email,
        token=token.prefix,
        scopes=sorted(token.scopes),
        project_ids=None if token.project_ids is None else list(token.project_ids),
        expires_at=token.expires_at,
    )


@router.get("/budget", response_model=Budget)
def budget(caller: Annotated[Caller, needs("budget:read")]) -> Budget:
    """Show what the user may spend this month, what is spent, and the months before."""
    return budget_of(caller.app, caller.user_id)


def budget_of(app: App, user_id: int) -> Budget:
    found = [each for each in app.budget.standings(start_month=False) if each.user_id == user_id]
    none = Standing(user_id, Decimal(0), Decimal(0), app.settings.default_monthly_budget_usd, Decimal(80), False)
    standing = found[0] if found else none
    return Budget(
        month=app.budget.month(),
        spent_usd=standing.spent_usd,
        saved_usd=app.budget.saved().get(user_id, Decimal(0)),
        reserved_usd=standing.reserved_usd,
        budget_usd=standing.budget_usd,
        percent=float(standing.shown_percent),
        spending_alert_threshold=float(standing.threshold),
        state="blocked" if standing.blocked else "near_limit" if standing.near_limit else "ok",
        forecast=forecast_view(forecasts(app, [standing], user_id).get(user_id)),
        pacing=pacing_of_user(app, user_id),
        out=out_of(app, user_id),
        history=[Month.model_validate(row) for row in app.budget.history(user_id, 12)],
    )


def forecast_view(found: Forecast | None) -> ForecastView | None:
    return None if found is None else ForecastView.model_validate(found, from_attributes=True)


@router.get("/api-keys", response_model=list[KeyView])
def list_keys(caller: Annotated[Caller, needs("keys:write")], response: Response) -> Any:
    """List each provider's key: where it comes from and its last four characters."""
    response.headers["Cache-Control"] = "no-store"
    return [key_view(caller.app, caller.user_id, provider) for provider in PROVIDERS]


@router.put("/api-keys", response_model=KeyView)
@router.post("/api-keys", response_model=KeyView, status_code=201)
def store_key(body: KeyBody, caller: Annotated[Caller, needs("keys:write")], response: Response) -> KeyView:
    """Store the user's key of a provider, encrypted, in place of the one before."""
    response.headers["Cache-Control"] = "no-store"
    own_account(caller)
    secret = readable_secret(caller.app, body.api_key.get_secret_value())
    caller.change(lambda app: keep_key(app, caller.actor, body.provider, secret))
    return key_view(caller.app, caller.user_id, body.provider)


def readable_secret(app: App, text: str) -> Secret:
    """A key as a secret that no log shows; raises Problem if keys cannot be stored."""
    if app.keys.cipher is None:
        raise Problem("no_master_key")
    secret = Secret(text)
    register_secret(secret)
    return secret


def keep_key(app: App, actor: Actor, provider: ProviderName, secret: Secret) -> None:
    """Store the actor's key of a provider, with the record."""
    edits.store_key(app, actor, actor.user_id, provider, secret)


def forget_key(app: App, actor: Actor, provider: ProviderName) -> None:
    """Forget the actor's key of a provider, with the record; raises Problem if there is none."""
    if not edits.remove_key(app, actor, actor.user_id, provider):
        raise Problem("not_found")


@router.delete("/api-keys/{provider}", status_code=204)
def remove_key(provider: ProviderName, caller: Annotated[Caller, needs("keys:write")]) -> Response:
    """Forget the user's key of a provider; the operator's stands in if the user may use it."""
    own_account(caller)
    caller.change(lambda app: forget_key(app, caller.actor, provider))
    return Response(status_code=204)


@router.post("/api-keys/{provider}/verify", response_model=KeyCheck)
def verify_key(provider: ProviderName, caller: Annotated[Caller, needs("keys:write")]) -> KeyCheck:
    """Ask the provider for its list of models with the user's key: free of charge."""
    own_account(caller)
    return check_key(caller.app, caller.user_id, provider)


def check_key(app: App, user_id: int, provider: ProviderName) -> KeyCheck:
    """What the provider says of a user's key; raises Problem if there is none."""
    if not app.keys.has(user_id, provider):
        raise Problem("not_found")
    (checked,) = check_keys(app.keys, app.settings, [ListedKey(provider, "user", user_id)])
    return KeyCheck(provider=provider, verdict=checked.verdict, models=len(checked.models))


@router.get("/models", response_model=list[ModelView])
def list_models(
    caller: Annotated[Caller, needs("projects:read")], provider: Annotated[ProviderName | None, Query()] = None
) -> Any:
    """List the registry's models: which one answers at each provider, and what it costs."""
    return registry.overview(caller.app.db, provider)


@router.get("/audit", response_model=Page[AuditRow])
def list_changes(caller: Annotated[Caller, needs("projects:read")], *, limit: Limit = 50, cursor: Cursor = None) -> Any:
    """List what was changed in the account, newest first."""
    filters = {"list": "audit"}
    place = decode(cursor, filters, number)
    rows = audit.entries(
        caller.app.db,
        caller.user_id,
        project_ids=caller.token.project_ids,
        before_id=place[0] if place else None,
        limit=limit + 1,
    )
    return page(rows, limit, filters, ("id",))


def own_account(caller: Caller) -> None:
    """Refuse a token that is narrowed to projects: a key serves all of the user's."""
    if caller.token.project_ids is not None:
        raise Problem("scope_missing", "a token for named projects changes no key")


def key_view(app: App, user_id: int, provider: ProviderName) -> KeyView:
    """A provider's key without its text; the operator's shows nothing of itself."""
    found = app.keys.own(user_id, provider)
    if found is not None:
        problem = found.problem.reason if found.problem else None
        return KeyView(provider=provider, source="user", last_four=found.last_four or None, problem=problem)
    operator = app.keys.operator_key(provider, user_id) is not None
    return KeyView(provider=provider, source="operator" if operator else None, last_four=None, problem=None)
