"""Whether the discount of a mode also holds for input from the cache, by provider and model."""

from __future__ import annotations

import re
from typing import Final

from llm_monitoring.domain import ProviderName

# OpenAI halves cached input from GPT-5 on; for GPT-4.x and the o-series it costs in a batch what it costs otherwise.
OPENAI_DISCOUNTED: Final = re.compile(r"gpt-(?:[5-9]|\d{2})(?![0-9])")


def discounts_cached(provider: ProviderName, model_id: str) -> bool:
    """Whether cached input is cheaper in a batch or in flex as well; False, the dearer, if it is not known.

    Google's page says that cache hits in a batch cost the standard price, and price lists contradict it.
    """
    if provider == "anthropic":
        return True
    return provider == "openai" and OPENAI_DISCOUNTED.match(model_id.rpartition("/")[2].lower()) is not None
