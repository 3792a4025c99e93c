"""The functions that the host application calls: budgets, keys, the day's analysis, models of providers, signing in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn, Self

from llm_monitoring import registry
from llm_monitoring.app import asking_day, open_app
from llm_monitoring.domain import ProviderName, Secret, parse_usd, provider_name
from llm_monitoring.errors import ConfigurationError, Invalid
from llm_monitoring.keys import listing
from llm_monitoring.ledger import Standing
from llm_monitoring.logs import register_secret
from llm_monitoring.providers import ModelInfo
from llm_monitoring.runs.daily import RunRequest, run_day
from llm_monitoring.runs.plan import anyone_may_spend
from llm_monitoring.runs.reason_texts import problem_text
from llm_monitoring.runs.report import ProjectReport
from llm_monitoring.runs.tasks import Completeness
from llm_monitoring.settings import load_settings

Models = list[dict[str, Any]]


def hand_off_address(user_id: int) -> str:
    """The address that signs the host's user in to the web service's pages, once, within a minute: redirect to it.

    Raises ConfigurationError without LLM_HAND_OFF_SECRET, which the service needs too, or LLM_WEB_HOST.
    """
    from llm_monitoring.access import hand_offs
    from llm_monitoring.access.addresses import public_address

    settings = load_settings()
    address = public_address(settings)
    if settings.hand_off_secret is None or address is None:
        raise ConfigurationError("a hand-off needs LLM_HAND_OFF_SECRET and LLM_WEB_HOST, as the web service has them")
    return f"{address}/hand-off/{hand_offs.sign(settings.hand_off_secret, user_id)}"


def get_openai_models(api_key: str) -> Models:
    """OpenAI's models that answer text prompts: `model_id`, `display_name`, `created` and what else the list holds.

    `retires_at`, `lifecycle`, `max_input_tokens` and `max_output_tokens` are None if it does not give them.
    Raises a ProviderError, also for an empty list.
    """
    return models_of("openai", api_key)


def get_anthropic_models(api_key: str) -> Models:
    """Anthropic's models, as `get_openai_models` returns them."""
    return models_of("anthropic", api_key)


def get_google_models(api_key: str) -> Models:
    """Google's models, as `get_openai_models` returns them; its list has no dates."""
    return models_of("google", api_key)


def get_perplexity_models(api_key: str) -> Models:
    """Perplexity's own models, as `get_openai_models` returns them."""
    return models_of("perplexity", api_key)


def models_of(provider: ProviderName, api_key: str) -> Models:
    return [asdict(info) for info in listing.list_models(provider, Secret(api_key or ""), load_settings())]


def get_existing_models_from_db() -> dict[str, Models]:
    """The registry's rows by provider, with every column."""
    by_provider: dict[str, Models] = {}
    with open_app() as app:
        for row in registry.overview(app.db):
            by_provider.setdefault(row["llm_provider"], []).append(row)
    return by_provider


def insert_new_model(provider: str, model_id: str, display_name: str) -> bool:
    """Register a model, neither available nor current, at prices of 0.0; False if it was registered already.

    Raises BadInput for an unknown provider or an id that the registry cannot hold.
    """
    from llm_monitoring.model_review import check
    from llm_monitoring.model_review.findings import LONGEST_ID

    name = provider_name(provider)
    if not 0 < len(model_id) <= LONGEST_ID:
        raise Invalid("model_id", f"a model's id has 1 to {LONGEST_ID} characters")
    with open_app() as app:
        info = ModelInfo(model_id, display_name or model_id)
        return check.insert_new_model(app.db, name, info, datetime.now(UTC))


class PlainKey(str):
    """A key in the clear for a caller that passes it to an SDK.

    As a text it is the key, in `str()` and f-strings too, as SDKs build their headers that way. Its repr is `***`, so
    that no dict or traceback shows it; it cannot be pickled, and this package's log lines hide it.
    """

    __slots__ = ()

    def __new__(cls, secret: Secret) -> Self:
        register_secret(secret)
        return super().__new__(cls, secret.reveal())

    def __repr__(self) -> str:
        return "***"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key is not pickled: read it where it is used")


def plain_keys(keys: Mapping[ProviderName, Secret]) -> dict[str, str]:
    return {provider: PlainKey(secret) for provider, secret in keys.items()}


def budget_info(standings: list[Standing]) -> tuple[bool, dict[str, Any]]:
    """Whether some user may spend, and who is near or over the limit."""
    info = {
        "total_users": len(standings),
        "users_over_budget": [standing_dict(standing) for standing in standings if standing.blocked],
        "users_near_limit": [standing_dict(standing) for standing in standings if standing.near_limit],
    }
    return anyone_may_spend(standings), info


def standing_dict(standing: Standing) -> dict[str, Any]:
    return {
        "user_id": standing.user_id,
        "current_month_spend": standing.spent_usd,
        "monthly_budget_usd": standing.budget_usd,
        "reserved_spend_usd": standing.reserved_usd,
        "spending_alert_threshold": standing.threshold,
        "percent_used": standing.percent,
    }


def check_budget_limits() -> tuple[bool, dict[str, Any]]:
    """Whether some user may spend this month, and `total_users`, `users_over_budget`, `users_near_limit`."""
    with open_app() as app:
        return budget_info(app.budget.standings())


def get_api_keys_from_db(user_id: int | None = None) -> dict[str, str]:
    """The usable API keys of a user by provider, the environment's for providers without a key of the user.

    Without a user: those of the one user who stored any, else the environment's.
    """
    with open_app() as app:
        return plain_keys(app.keys.all_for(user_id))


def update_monthly_spend(total_cost_usd: Decimal | float | str, user_id: int | None = None) -> Decimal:
    """Correct a user's month by hand with a ledger entry, and return the new spend in USD.

    A run settles call by call and never needs this. Without a user only if there is exactly one; raises BadInput.
    """
    with open_app() as app:
        if user_id is None:
            standings = app.budget.standings()
            if len(standings) != 1:
                raise Invalid("user_id", f"there are {len(standings)} users: name the one to correct with user_id")
            user_id = standings[0].user_id
        return app.budget.correct(user_id, parse_usd(total_cost_usd), "update_monthly_spend")


def analyze_all_active_projects(max_workers: int = 10) -> list[dict[str, Any]]:
    """Analyse today's open tasks of every active project; one dict a project (design, section 3).

    Raises AlreadyRunning while another daily run works, ConfigurationError unless `max_workers` is 1 to 256.
    """
    settings = load_settings(max_workers=max_workers)
    with open_app(settings) as app:
        report = run_day(app, RunRequest(asking_day(app)))
    return [report_dict(project) for project in report.projects]


def report_dict(project: ProjectReport) -> dict[str, Any]:
    """A project's report in the form that callers rely on; `error` in the words of the daily log, if it failed."""
    report: dict[str, Any] = {
        "project_id": project.project_id,
        "duration_seconds": round(project.duration_seconds, 3),
        "total_queries_executed": project.answers,
        "llms_analyzed": project.llms_analyzed,
        "total_cost_usd": project.cost_usd,
        "completeness_by_llm": {name: completeness_dict(cell) for name, cell in project.completeness.items()},
        "skipped": project.skipped,
    }
    return report | ({"error": problem_text(project.error, "es")} if project.error else {})


def completeness_dict(cell: Completeness) -> dict[str, Any]:
    percent = round(100 * cell.results / cell.tasks, 1) if cell.tasks else None
    return {"planned": cell.tasks, "valid": cell.results, "failed": cell.failures, "percent": percent}
