"""The report's words: whole languages, and numbers and days as each writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from llm_monitoring.providers import base
from llm_monitoring.reporting.page import render
from llm_monitoring.reporting.view import view
from llm_monitoring.reporting.words import LANGUAGES, load_words
from llm_monitoring.runs import runner
from llm_monitoring.runs.call_errors import task_reason
from llm_monitoring.runs.limits import ClosedReason
from tests.unit.reporting.scene import material, project

NBSP = "\N{NO-BREAK SPACE}"
OTHERS = [code for code in LANGUAGES if code != "en"]


def places(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Each text's placeholders."""
    return {key: sorted(re.findall(r"{\w*}", str(text))) for key, text in texts.items()}


@pytest.mark.parametrize("code", OTHERS)
def test_languages_say_the_same(code: str) -> None:
    """Every language has every text, with the same values in it."""
    words, english = load_words(code), load_words("en")
    assert places(english.text) == places(words.text)
    assert places(english.counts) == places(words.counts)
    assert english.reasons.keys() == words.reasons.keys()
    assert english.form.keys() == words.form.keys()
    assert 12 == len(words.form["months"])


@pytest.mark.parametrize("code", OTHERS)
def test_languages_are_translated(code: str) -> None:
    """No sentence of a language is left in English."""
    words, english = load_words(code), load_words("en")
    assert [] == [key for key, text in words.text.items() if text == english.text[key] and text.count(" ") > 2]


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_has_a_page(code: str) -> None:
    """A report reads in its project's language from the first word to the last."""
    page = render(view(material(prompts=6, days=4, of=project(code))))
    assert f'<html lang="{code}">' in page
    assert load_words(code).say("gaps_title") in page.replace("&#39;", "'")


def test_reasons_of_failures() -> None:
    """Every kind of a provider's failure, and every reason not to ask, has plain words in each language."""
    kinds = {each.kind for each in base.ProviderError.__subclasses__()} | {base.ProviderError.kind}
    given_up = set(re.findall(r'give_up\(\w+, "(\w+)"', Path(runner.__file__).read_text(encoding="utf-8")))
    closed = {task_reason(each) for each in get_args(ClosedReason)}
    blocked = {"budget", "operator_budget"}
    assert "crashed" in given_up
    lacking = {code: (kinds | given_up | closed | blocked) - load_words(code).reasons.keys() for code in LANGUAGES}
    assert [] == [(code, reason) for code, reasons in lacking.items() for reason in reasons]
    assert "never seen before" == load_words("es").reason("never seen before")


@pytest.mark.parametrize(
    ("code", "language"),
    [("es", "es"), ("es-MX", "es"), ("EN", "en"), ("fr", "fr"), ("pt-BR", "pt"), ("nl", "en"), ("ca", "en")],
)
def test_fallback(code: str, language: str) -> None:
    """A variety reads as its language, a language without words as English."""
    assert language == load_words(code).language


@pytest.mark.parametrize(
    ("language", "percent", "thousands", "many"),
    [
        ("es", f"53,8{NBSP}%", "1234", "12.345"),
        ("en", "53.8%", "1,234", "12,345"),
        ("de", f"53,8{NBSP}%", "1.234", "12.345"),
        ("fr", f"53,8{NBSP}%", "1\u202f234", "12\u202f345"),
        ("it", "53,8%", "1.234", "12.345"),
        ("pt", "53,8%", "1.234", "12.345"),
    ],
)
def test_numbers(language: str, percent: str, thousands: str, many: str) -> None:
    """Decimals and thousands are written as the language writes them."""
    words = load_words(language)
    assert [percent, thousands, many, "–"] == [
        words.percent(Decimal("53.75")),
        words.number(1234),
        words.number(12345),
        words.percent(None),
    ]


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [
        ("99.96", ">99.9%", f">99,9{NBSP}%"),
        ("99.94", "99.9%", f"99,9{NBSP}%"),
        ("100.00", "100.0%", f"100,0{NBSP}%"),
        ("0.04", "<0.1%", f"<0,1{NBSP}%"),
        ("0.05", "<0.1%", f"<0,1{NBSP}%"),
        ("0.06", "0.1%", f"0,1{NBSP}%"),
        ("0.00", "0.0%", f"0,0{NBSP}%"),
    ],
)
def test_percentages_are_all_or_none_only_exactly(value: str, english: str, german: str) -> None:
    """A rate that rounds to all or to none says on which side of it the truth lies."""
    assert [english, german] == [load_words(code).percent(Decimal(value)) for code in ("en", "de")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.21", "+1.2"),
        ("-0.94", "\N{MINUS SIGN}0.9"),
        ("0", "0.0"),
        ("0.04", "+0.04"),
        ("-0.04", "\N{MINUS SIGN}0.04"),
        ("-0.00", "0.0"),
        ("0.06", "+0.1"),
    ],
)
def test_signs(value: str, expected: str) -> None:
    """A difference carries its sign, is never rounded to none, and none has no sign."""
    assert expected == load_words("en").signed(Decimal(value))


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "0.00"), ("0.00017", "0.0002"), ("0.9999", "0.9999"), ("1", "1.00"), ("17.7771906022", "17.78")],
)
def test_a_small_amount_of_money_is_not_shown_as_none(amount: str, shown: str) -> None:
    """Money has cents from a dollar on, and four decimals below it."""
    assert shown == load_words("en").usd(Decimal(amount))


def test_ends_of_intervals() -> None:
    """An interval reaches 0 or 100 only if it does."""
    words = load_words("en")
    assert ["0.0–12.3%", "0.04–99.96%", "41.0–100.0%", "0.61–0.75"] == [
        words.between(Decimal(0), Decimal("12.34"), "percent"),
        words.between(Decimal("0.04"), Decimal("99.96"), "percent"),
        words.between(Decimal(41), Decimal(100), "percent"),
        words.between(Decimal("0.61"), Decimal("0.75"), "score"),
    ]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("es", "25 oct – 23 nov 2026"),
        ("de", "25. Okt. – 23. Nov. 2026"),
        ("fr", "25 oct. – 23 nov. 2026"),
        ("it", "25 ott – 23 nov 2026"),
        ("pt", "25 out. – 23 nov. 2026"),
    ],
)
def test_days(language: str, expected: str) -> None:
    """Days are written as the language writes them."""
    assert expected == load_words(language).period(date(2026, 10, 25), date(2026, 11, 23))


def test_periods() -> None:
    """A period names its year once, or both where it spans two."""
    words = load_words("es")
    assert "20 dic 2025 – 3 ene 2026" == words.period(date(2025, 12, 20), date(2026, 1, 3))
    assert "3 ene 2026" == words.period(date(2026, 1, 3), date(2026, 1, 3))


def test_one_and_many() -> None:
    """A noun agrees with its number, and none is one in French and Portuguese."""
    assert ["1 respuesta", "2 respuestas"] == [load_words("es").count("answers", number) for number in (1, 2)]
    assert ["0 respuestas", "0 réponse", "0 resposta"] == [
        load_words(c).count("answers", 0) for c in ("es", "fr", "pt")
    ]
