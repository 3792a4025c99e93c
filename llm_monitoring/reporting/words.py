"""A report's language: its sentences, and how it writes numbers and days."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

from markupsafe import Markup, escape

from llm_monitoring.domain import PROVIDERS, traits
from llm_monitoring.reporting.numbers import Numbers

LANGUAGES: Final = ("en", "es", "de", "fr", "it", "pt")


class Words(Numbers):
    """The texts of one language; a text that is not there is a KeyError, never an empty place."""

    def __init__(self, language: str, data: Mapping[str, Any]) -> None:
        super().__init__(data["format"])
        self.language = language
        self.text: Mapping[str, str] = data["text"]
        self.counts: Mapping[str, Mapping[str, str]] = data["counts"]
        self.reasons: Mapping[str, str] = data["reasons"]

    def say(self, key: str, **values: object) -> str:
        """The text with its values; markup if one of them is, the others escaped."""
        text = self.text[key]
        if any(isinstance(value, Markup) for value in values.values()):
            return escape(text).format(**values)
        return text.format(**values)

    def count(self, key: str, number: int) -> str:
        """`number` with its noun: “1 answer”, “12 answers”."""
        forms = self.counts[key]
        single = number == 1 or (number == 0 and self.form["none_is_one"])
        return (forms["one"] if single else forms["many"]).format(n=self.number(number))

    def reason(self, reason: str) -> str:
        """Why a task has no answer, in plain words; a reason that is not known yet stays as it is called."""
        return self.reasons.get(reason, reason)

    def day(self, day: date) -> str:
        text: str = self.form["day"].format(day=self.short_day(day), year=day.year)
        return text

    def short_day(self, day: date) -> str:
        text: str = self.form["short_day"].format(day=day.day, month=self.form["months"][day.month - 1])
        return text

    def month(self, day: date) -> str:
        text: str = self.form["day"].format(day=self.form["months"][day.month - 1], year=day.year)
        return text

    def period(self, first: date, last: date) -> str:
        start = self.short_day(first) if first.year == last.year else self.day(first)
        return f"{start} – {self.day(last)}" if first != last else self.day(last)

    def provider(self, name: str) -> str:
        """How people call a provider's assistant."""
        return next((traits(known).assistant for known in PROVIDERS if known == name), name)

    def provider_class(self, name: str) -> str:
        return f"p-{name}" if name in PROVIDERS else "p-other"


@cache
def load_words(language: str) -> Words:
    """The words of a project's language (`es-MX` reads es); English if there are none."""
    code = code_of(language)
    known = code if code in LANGUAGES else "en"
    text = files("llm_monitoring.reporting").joinpath("data", f"{known}.toml").read_text(encoding="utf-8")
    return Words(known, tomllib.loads(text))


def code_of(language: str) -> str:
    return language.partition("-")[0].lower()
