"""The report's words: two whole languages, and numbers and days as each writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring.providers import base
from llm_monitoring.reporting.words import LANGUAGES, load_words


def places(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Each text's placeholders."""
    return {key: sorted(re.findall(r"{\w*}", str(text))) for key, text in texts.items()}


def test_languages_say_the_same() -> None:
    """Every language has every text, with the same values in it."""
    spanish, english = (load_words(code) for code in LANGUAGES)
    assert places(spanish.text) == places(english.text)
    assert spanish.counts.keys() == english.counts.keys()
    assert spanish.reasons.keys() == english.reasons.keys()


def test_reasons_of_failures() -> None:
    """Every kind of a provider's failure has plain words."""
    kinds = {each.kind for each in base.ProviderError.__subclasses__()} | {base.ProviderError.kind}
    assert set() == kinds - load_words("es").reasons.keys()
    assert "never seen before" == load_words("es").reason("never seen before")


@pytest.mark.parametrize(
    ("code", "language"), [("es", "es"), ("es-MX", "es"), ("EN", "en"), ("fr", "en"), ("pt-BR", "en")]
)
def test_fallback(code: str, language: str) -> None:
    """A variety reads as its language, a language without words as English."""
    assert language == load_words(code).language


@pytest.mark.parametrize(
    ("language", "percent", "thousands", "many"),
    [("es", "53,8\N{NO-BREAK SPACE}%", "1234", "12.345"), ("en", "53.8%", "1,234", "12,345")],
)
def test_numbers(language: str, percent: str, thousands: str, many: str) -> None:
    """Decimals and thousands are written as the language writes them."""
    words = load_words(language)
    assert [percent, thousands, many, "–"] == [
        words.percent(Decimal("53.75")), words.number(1234), words.number(12345), words.percent(None),
    ]  # fmt: skip


def test_signs() -> None:
    """A difference carries its sign, the minus being a minus."""
    words = load_words("en")
    assert ["+1.2", "\N{MINUS SIGN}0.9", "0.0"] == [words.signed(Decimal(x)) for x in ("1.21", "-0.94", "0")]


def test_periods() -> None:
    """A period names its year once, or both where it spans two."""
    words = load_words("es")
    assert "25 oct – 23 nov 2026" == words.period(date(2026, 10, 25), date(2026, 11, 23))
    assert "20 dic 2025 – 3 ene 2026" == words.period(date(2025, 12, 20), date(2026, 1, 3))
    assert "3 ene 2026" == words.period(date(2026, 1, 3), date(2026, 1, 3))


def test_one_and_many() -> None:
    """A noun agrees with its number."""
    assert ["1 respuesta", "2 respuestas"] == [load_words("es").count("answers", number) for number in (1, 2)]
