"""A report's language: its sentences, and how it writes numbers and days."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final

from llm_monitoring.domain import PROVIDERS

LANGUAGES: Final = ("en", "es")
NONE: Final = "–"


class Words:
    """The texts of one language; a text that is not there is a KeyError, never an empty place."""

    def __init__(self, language: str, data: Mapping[str, Any]) -> None:
        self.language = language
        self.text: Mapping[str, str] = data["text"]
        self.counts: Mapping[str, Mapping[str, str]] = data["counts"]
        self.reasons: Mapping[str, str] = data["reasons"]
        self.form: Mapping[str, Any] = data["format"]

    def say(self, key: str, **values: object) -> str:
        return self.text[key].format(**values)

    def count(self, key: str, number: int) -> str:
        """`number` with its noun: “1 answer”, “12 answers”."""
        forms = self.counts[key]
        return (forms["one"] if number == 1 else forms["many"]).format(n=self.number(number))

    def reason(self, reason: str) -> str:
        """Why a task has no answer, in plain words; a reason that is not known yet stays as it is called."""
        return self.reasons.get(reason, reason)

    def number(self, value: Decimal | int | None, places: int = 0) -> str:
        if value is None:
            return NONE
        exact = Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
        whole, _, rest = format(abs(exact), ",f").partition(".")
        if len(whole.replace(",", "")) < self.form["group_from"]:
            whole = whole.replace(",", "")
        sign = "\N{MINUS SIGN}" if exact < 0 else ""
        return sign + whole.replace(",", self.form["group"]) + (self.form["decimal"] + rest if rest else "")

    def signed(self, value: Decimal | None, places: int = 1) -> str:
        text = self.number(value, places)
        return f"+{text}" if value is not None and value > 0 else text

    def percent(self, value: Decimal | None, places: int = 1) -> str:
        return NONE if value is None else self.form["percent"].format(self.number(value, places))

    def between(self, low: Decimal | None, high: Decimal | None, unit: str) -> str:
        """An interval: “47.2–60.4%” for `unit` percent, “1.8–2.9” for places."""
        if low is None or high is None:
            return NONE
        if unit == "percent":
            return f"{self.number(low, 1)}–{self.percent(high)}"
        return f"{self.number(low, 1)}–{self.number(high, 1)}"

    def figure(self, value: Decimal | None, unit: str) -> str:
        return self.percent(value) if unit == "percent" else self.number(value, 2 if unit == "score" else 1)

    def day(self, day: date) -> str:
        return f"{self.short_day(day)} {day.year}"

    def short_day(self, day: date) -> str:
        return f"{day.day} {self.form['months'][day.month - 1]}"

    def period(self, first: date, last: date) -> str:
        start = self.short_day(first) if first.year == last.year else self.day(first)
        return f"{start} – {self.day(last)}" if first != last else self.day(last)

    def provider(self, name: str) -> str:
        """How people call a provider's assistant."""
        return {"openai": "ChatGPT", "anthropic": "Claude", "google": "Gemini", "perplexity": "Perplexity"}.get(
            name, name
        )

    def provider_class(self, name: str) -> str:
        return f"p-{name}" if name in PROVIDERS else "p-other"


@cache
def load_words(language: str) -> Words:
    """The words of a project's language (`es-MX` reads es); English where there are none."""
    code = language.partition("-")[0].lower()
    known = code if code in LANGUAGES else "en"
    text = files("llm_monitoring.reporting").joinpath("data", f"{known}.toml").read_text(encoding="utf-8")
    return Words(known, tomllib.loads(text))
