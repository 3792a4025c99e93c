"""What log, digest and command line say of batches."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from llm_monitoring.runs.batches.records import Due, Trouble, TroubleCode
from llm_monitoring.runs.reason_texts import Language

TROUBLES: Final[dict[TroubleCode, dict[Language, str]]] = {
    "not_known": {"es": "el proveedor no lo conoce", "en": "the provider does not know it"},
    "provider_error": {"es": "el proveedor falla", "en": "the provider fails"},
    "key_unusable": {"es": "su API key no se puede usar", "en": "its API key cannot be used"},
    "not_ended": {"es": "no acaba", "en": "it has not ended"},
    "in_doubt": {"es": "no se sabe si se creó", "en": "it is not known whether it was made"},
}
OTHER_KEY: Final[dict[Language, str]] = {
    "es": "se creó con otra API key, y la de otra cuenta no lo ve",
    "en": "it was made with another API key, and one of another account does not see it",
}


def out_text(due: Due) -> str:
    """How many answers are out in batches, and when the last of them is due."""
    when = due.due_at.astimezone(UTC)
    return f"{due.answers} respuesta(s) aún fuera en lotes, a más tardar a las {when:%H:%M} UTC del {when:%Y-%m-%d}"


def trouble_text(trouble: Trouble, language: Language) -> str:
    """Why a batch cannot be collected; the provider's own words stay as they are."""
    text = TROUBLES[trouble.code][language] + (f": {trouble.detail}" if trouble.detail else "")
    return f"{text}; {OTHER_KEY[language]}" if trouble.other_key else text
