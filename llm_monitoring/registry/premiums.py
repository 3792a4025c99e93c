"""Regional premiums on the price of a token, by provider, endpoint and reply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from llm_monitoring.domain import ProviderName
from llm_monitoring.registry.pricing import PLAIN
from llm_monitoring.registry.served import DATE

# Times the price of every token if the key's workspace keeps its inference in the United States: Anthropic's
# pricing page, "Data residency". The workspace decides, so no request can rule it out; the reply names the region.
ANTHROPIC_REGIONAL: Final = Decimal("1.1")
# OpenAI's pricing page: regional endpoints "are charged a 10% uplift for models released on or after March 5, 2026".
# The reply does not name the region.
OPENAI_REGIONAL: Final = Decimal("1.1")
OPENAI_REGIONAL_SINCE: Final = date(2026, 3, 5)
OPENAI_REGIONAL_HOSTS: Final = ".api.openai.com"  # us., eu., au., in., jp. and those to come
# Released before that day for certain; a model without a date that is not among these counts as newer.
OPENAI_OLDER: Final = re.compile(r"(gpt-3|gpt-4|chatgpt-4|o1|o3|o4)([.-].*|o.*)?|gpt-5(\.[12])?(-(mini|nano|pro))?")


@dataclass(frozen=True, slots=True)
class Premium:
    """Times the price of every token: `least` on every call, `most` if the reply names a region."""

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
    released = DATE.search(model_id)
    if released is None:
        return OPENAI_OLDER.fullmatch(model_id) is not None
    return released[1].replace("-", "") < f"{OPENAI_REGIONAL_SINCE:%Y%m%d}"
