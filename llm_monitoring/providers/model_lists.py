"""Reads a provider's list of models and keeps those that answer text prompts, by the rules in models.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Final

from llm_monitoring.domain import ProviderName
from llm_monitoring.providers.base import BadResponse, ModelInfo, Reply
from llm_monitoring.providers.parsing import MOST_TOKENS, document, mappings, text

MOST_PAGES: Final = 100
EPOCH_YEAR: Final = 1970


@cache
def rules(provider: ProviderName) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    """Return the pattern that a model's id must match, and the one that it must not match."""
    source = resources.files("llm_monitoring.providers").joinpath("models.json").read_text("utf-8")
    listed = json.loads(source)[provider]
    deny = "|".join(listed["deny"])
    return re.compile("|".join(listed["allow"])), re.compile(deny) if deny else None


def answers_text(provider: ProviderName, model_id: str) -> bool:
    """Return whether a model with this id answers text prompts in text; dated ids and aliases count."""
    allow, deny = rules(provider)
    return bool(allow.search(model_id)) and not (deny and deny.search(model_id))


def text_models(provider: ProviderName, models: Iterable[ModelInfo]) -> list[ModelInfo]:
    """Return the models that answer text prompts; raises BadResponse if none does."""
    kept = [m for m in models if answers_text(provider, m.model_id)]
    if not kept:
        raise BadResponse(f"{provider}: the list of models holds none that answers text prompts", billed="no")
    return kept


def entries(
    provider: ProviderName,
    field: str,
    fetch: Callable[[str], Reply],
    next_page: Callable[[dict[str, object]], str],
) -> Iterator[dict[str, object]]:
    """Yield the entries of all pages; `fetch` takes the token of a page, "" for the first.

    Raises BadResponse if a page is not a list of objects with an id or a name, or if the pages do not end.
    """
    token, seen = "", set[str]()
    while token not in seen and len(seen) < MOST_PAGES:
        seen.add(token)
        page = document(provider, fetch(token))
        yield from checked(provider, page.get(field))
        token = next_page(page)
        if not token:
            return
    raise BadResponse(f"{provider}: the list of models has no end", billed="no")


def checked(provider: ProviderName, listed: object) -> list[dict[str, object]]:
    named = [entry for entry in mappings(listed) if text(entry.get("id")) or text(entry.get("name"))]
    if not isinstance(listed, list) or len(named) < len(listed):
        raise BadResponse(f"{provider}: the list of models cannot be read", billed="no")
    return named


def after_last(page: dict[str, object]) -> str:
    """Return the token of the page after `page`, "" if it is the last: the id of its last entry.

    Raises BadResponse if there are more and no entry to go on from: no model may be taken for missing then.
    """
    if not page.get("has_more"):
        return ""
    listed = mappings(page.get("data"))
    token = text(page.get("last_id")) or (text(listed[-1].get("id")) if listed else "")
    if not token:
        raise BadResponse("the list of models names more than it holds", billed="no")
    return token


def instant(value: object) -> datetime | None:
    """Return a moment in UTC, given as unix seconds, an ISO date or an ISO time; None if absent.

    The epoch and the year 1, which is Go's zero, stand for no moment.
    """
    if type(value) is int and 0 < value < 2**33:
        return datetime.fromtimestamp(value, UTC)
    try:
        moment = datetime.fromisoformat(text(value))
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year > EPOCH_YEAR else None


def limit(value: object) -> int | None:
    return value if type(value) is int and 0 < value <= MOST_TOKENS else None
