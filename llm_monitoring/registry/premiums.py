"""What a region adds to the price of a token: a matter of the provider, its endpoint and its reply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from llm_monitoring.domain import ProviderName
from llm_monitoring.registry.pricing import PLAIN

# Times the price of every token if the key's workspace keeps its inference in the United States: Anthropic's
# pricing page, "Data residency". The workspace decides, so no request can rule it out; the reply says it.
ANTHROPIC_REGIONAL: Final = Decimal("1.1")
# OpenAI's pricing page: regional endpoints "are charged a 10% uplift for models released on or after March 5, 2026".
# The reply does not say it.
OPENAI_REGIONAL: Final = Decimal("1.1")
OPENAI_REGIONAL_SINCE: Final = date(2026, 3, 5)
OPENAI_REGIONAL_HOSTS: Final = ".api.openai.com"  # us., eu., au., in., jp. and those to come
# Released before that day for certain; what is in neither list nor dated is taken for newer.
OPENAI_OLDER: Final = re.compile(r"(gpt-3|gpt-4|chatgpt-4|o1|o3|o4)([.-].*|o.*)?|gpt-5(\.[12])?(-(mini|nano|pro))?")
DATED: Final = re.compile(r"-(\d{4})-?(\d\d)-?(\d\d)$")


@dataclass(frozen=True, slots=True)
class Premium:
    """Times the price of every token: `least` on every call, `most` if the reply says that it ran in a region."""

    least: Decimal = PLAIN
    most: Decimal = PLAIN


def premium(provider: ProviderName, model_id: str, base_url: str | None) -> Premium:
    """The premium of a model behind an endpoint; `base_url` None is the provider's own."""
    if provider == "anthropic":
        return Premium(most=ANTHROPIC_REGIONAL)
    if provider == "openai" and is_regional(base_url) and not is_older(model_id):
        return Premium(OPENAI_REGIONAL, OPENAI_REGIONAL)
    return Premium()


def is_regional(base_url: str | None) -> bool:
    host = urlsplit(base_url or "").hostname or ""
    return host.lower().rstrip(".").endswith(OPENAI_REGIONAL_HOSTS)


def is_older(model_id: str) -> bool:
    """Whether a model of OpenAI was certainly released before regional endpoints cost more."""
    dated = DATED.search(model_id)
    if dated is None:
        return OPENAI_OLDER.fullmatch(model_id) is not None
    return "-".join(dated.groups()) < OPENAI_REGIONAL_SINCE.isoformat()
