"""The weekly job: lists every provider's models, compares with the registry, registers new ones and reports."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from llm_monitoring import registry
from llm_monitoring.app import App, open_app
from llm_monitoring.db import RowErrors
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.errors import BadInput, MonitoringError
from llm_monitoring.jobs import weekly_log
from llm_monitoring.jobs.startup import job_settings
from llm_monitoring.keys import listing
from llm_monitoring.keys.listing import ListingKey
from llm_monitoring.model_review import check
from llm_monitoring.model_review.check import AlreadyChecking
from llm_monitoring.model_review.findings import ModelReview, RetiringModel
from llm_monitoring.process.wording import WEEKLY_PROGRAM
from llm_monitoring.providers import ModelInfo, ProviderError
from llm_monitoring.registry import admin
from llm_monitoring.registry.admin import Author
from llm_monitoring.settings import Settings

DONE, CRITICAL = 0, 1


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    providers: tuple[ProviderName, ...]
    dry_run: bool
    demo: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the weekly job and return its exit code: 0 done, also with warnings; 1 critical."""
    options = read_options(argv)
    try:
        with job_settings(demo=options.demo) as settings:
            return run(settings, options)
    except AlreadyChecking as exc:
        weekly_log.already_checking(exc.holder)
        return DONE
    except MonitoringError as exc:
        return weekly_log.failed(exc)
    except Exception as exc:  # noqa: BLE001 - the job's last resort (design, section 9)
        return weekly_log.failed(exc, with_traceback=True)


def run(settings: Settings, options: Options) -> int:
    weekly_log.started(dry_run=options.dry_run)
    with open_app(settings) as app:
        keys = listing.listing_keys(app.keys, options.providers, app.errors)
        weekly_log.keys(list(keys), [name for name in options.providers if name not in keys])
        if not keys:
            return weekly_log.no_keys()
        with nullcontext() if options.dry_run else check.CheckLock(app.db):
            weekly_log.registered(registry.read_entries(app.db), options.providers)
            lists = list_models(keys, settings, app.errors)
            if not lists:
                return weekly_log.no_provider_listed()
            reviews = review_models(app, lists, write=not options.dry_run)
            weekly_log.reviewed(reviews, dry_run=options.dry_run)
            if settings.auto_switch_models and not options.dry_run:
                replace_retiring(app, reviews)
            return weekly_log.summary(reviews, dry_run=options.dry_run)


def list_models(
    keys: Mapping[ProviderName, Sequence[ListingKey]], settings: Settings, errors: RowErrors
) -> dict[ProviderName, list[ModelInfo]]:
    """The lists of the providers that answered; a provider that fails is reported and left out."""
    weekly_log.asking()
    lists: dict[ProviderName, list[ModelInfo]] = {}
    for provider, candidates in keys.items():
        with errors.guard("list_models", provider, provider=provider):
            try:
                lists[provider], used = check.list_models_with(provider, candidates, settings)
            except ProviderError as exc:
                weekly_log.not_listed(provider, exc)
            else:
                weekly_log.listed(provider, len(lists[provider]), used.user_id)
    return lists


def review_models(app: App, lists: Mapping[ProviderName, Sequence[ModelInfo]], *, write: bool) -> list[ModelReview]:
    """The review of each provider's list; one that fails stops no other."""
    now, reviews = max(app.budget.pricing_times()), []
    if write:
        registry.adopt_due_prices(app.db, app.budget.today())
    for provider, listed in lists.items():
        with app.errors.guard("check_models", provider, provider=provider):
            reviews.append(check.check(app.db, provider, listed, now, app.errors, write=write))
    return reviews


def replace_retiring(app: App, reviews: Sequence[ModelReview]) -> None:
    """Replace each current model that ends, if it has an approved, priced and validated successor."""
    for review in reviews:
        for model in review.retiring:
            if model.successor is not None and model.successor.validated:
                with app.errors.guard("switch_model", f"{review.provider}/{model.model_id}"):
                    switch(app, review.provider, model, model.successor.model_id)


def switch(app: App, provider: ProviderName, model: RetiringModel, successor: str) -> None:
    author = Author("weekly_check", f"LLM_AUTO_SWITCH_MODELS: {model.model_id} is going ({model.reason})")
    try:
        admin.switch(app.db, admin.find(app.db, provider, successor), author)
    except BadInput as exc:
        weekly_log.not_switched(provider, successor, exc)
    else:
        weekly_log.switched(provider, model.model_id, successor)


def read_options(argv: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog=WEEKLY_PROGRAM,
        description="List the providers' models, register new ones switched off and unpriced, and report which ones "
        "end or changed their price. Listing is free. Each provider is asked with the environment's key, else with a "
        "user's. A provider that fails is reported and its models are left alone.",
        epilog="Exit codes: 0 done, also with warnings; 1 critical (no provider could be asked, database unreachable, "
        f"configuration wrong); 2 bad arguments. Example: {WEEKLY_PROGRAM} --provider openai --dry-run.",
    )
    parser.add_argument("--provider", action="append", choices=PROVIDERS, help="only this provider; repeatable")
    parser.add_argument("--dry-run", action="store_true", help="ask and report; change nothing in the registry")
    parser.add_argument(
        "--demo", action="store_true", help="simulated providers and a database of its own; needs no key"
    )
    found = parser.parse_args(argv)
    wanted = found.provider or PROVIDERS
    return Options(tuple(name for name in PROVIDERS if name in wanted), found.dry_run, found.demo)
