"""The providers of a project that could not be asked with web search, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llm_monitoring.domain import ProviderName
from llm_monitoring.registry.models import Catalogue
from llm_monitoring.registry.pricing import NotCallable


def search_obstacles(
    catalogue: Catalogue, providers: Iterable[ProviderName], most_searches: int
) -> Iterator[NotCallable]:
    """Why each provider's current model makes no call with web search; a provider without a model is left out."""
    for provider in providers:
        model = catalogue.current(provider)
        if model is None:
            continue
        try:
            model.searches(True, most_searches)
        except NotCallable as exc:
            yield exc
