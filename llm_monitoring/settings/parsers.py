"""Parsers of single settings: numbers, durations, switches, choices, budgets, time zones, directories."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import Field
from datetime import UTC, tzinfo
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from llm_monitoring.domain import PROVIDERS, Mode, ProviderName, Secret, traits
from llm_monitoring.errors import ConfigurationError

Parse = Callable[[str], Any]

SWITCHED_ON: Final = ("true", "1", "yes", "on")
SWITCHED_OFF: Final = ("false", "0", "no", "off")

SHORTEST_SECRET: Final = 32
HOST_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
QUOTES: Final = ('"', "'")
REFERENCE: Final = re.compile(r"\$\{\{.+\}\}|\$\{[A-Za-z_][A-Za-z0-9_.]*(:?[-?+][^}]*)?\}")


def integer(least: int, most: int) -> Parse:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return parse


def duration(most: float, unit: str) -> Parse:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= most:
            raise ValueError(f"a number of {unit} above 0, at most {most:g}")
        return number

    return parse


def switch(text: str) -> bool:
    if text.lower() not in (*SWITCHED_ON, *SWITCHED_OFF):
        raise ValueError("true or false")
    return text.lower() in SWITCHED_ON


def choice(*options: str) -> Parse:
    def parse(text: str) -> str:
        for option in options:
            if option.lower() == text.lower():
                return option
        raise ValueError(f"one of {', '.join(options)}")

    return parse


def budget(text: str) -> Decimal:
    """Return an amount in USD that a budget column can hold: zero or more, whole cents."""
    if re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,2})?", text):
        return Decimal(text)
    raise ValueError("an amount in USD from 0 to below 100000000, in whole cents, such as 50 or 1200.50")


def user_numbers(text: str) -> frozenset[int] | None:
    """Return the users that `all`, `none` or numbers separated by commas name; None stands for all."""
    words = [word.strip() for word in text.split(",")]
    if text.lower() in ("all", "none"):
        return None if text.lower() == "all" else frozenset()
    if all(re.fullmatch(r"[0-9]{1,10}", word) and 0 < int(word) < 2**31 for word in words):
        return frozenset(int(word) for word in words)
    raise ValueError("all, none, or user numbers separated by commas")


def economy(text: str) -> Mapping[ProviderName, Mode]:
    """Return the cheaper mode of each provider, as in `openai:flex,anthropic:batch`; `none` is none."""
    pairs = {f"{name}:{mode}": (name, mode) for name in PROVIDERS for mode in traits(name).modes}
    words = [] if text.lower() == "none" else [word.strip().lower() for word in text.split(",")]
    names = {word.partition(":")[0] for word in words}
    if not all(word in pairs for word in words) or len(names) < len(words):
        raise ValueError(f"none, or some of {', '.join(pairs)}, separated by commas, one a provider")
    return MappingProxyType(dict(pairs[word] for word in words))


def time_zone(text: str) -> tzinfo:
    if text.upper() == "UTC":  # a slim container may hold no time zone data
        return UTC
    try:
        return ZoneInfo(text)
    except (LookupError, ValueError, OSError) as exc:
        raise ValueError("a time zone that is installed here, such as Europe/Madrid") from exc


def host_names(text: str) -> tuple[str, ...]:
    """Return names of hosts without scheme or port, in lower case and in their order."""
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    if not all(HOST_NAME.fullmatch(name) for name in names):
        raise ValueError("names of hosts without https:// and port, separated by commas")
    return names


def shared_secret(text: str) -> Secret:
    """Return a secret that cannot be guessed."""
    if len(text) < SHORTEST_SECRET:
        raise ValueError(f"at least {SHORTEST_SECRET} random characters, such as those of `openssl rand -hex 32`")
    return Secret(text)


def bind_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as exc:
        raise ValueError("an IP address of this machine, such as 127.0.0.1, 0.0.0.0 or ::") from exc


def directory(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, OSError) as exc:  # of an account without a home, or below a deleted working directory
        raise ValueError("a directory") from exc


def parsed(name: str, each: Field[Any], texts: Mapping[str, str]) -> Any:
    """Return the variable's value, or its default, None if both are empty."""
    text = texts.get(name, "").strip() or each.metadata["default"]
    if not text:
        return None
    if problem := wrapping_of(text):
        raise ConfigurationError(f"{name} {problem}")
    try:
        return each.metadata["parse"](text)
    except ValueError as exc:
        got = "has a value that cannot be used" if hidden(each, text) else f"is {text[:60]!r}"
        raise ConfigurationError(f"{name} {got}: it must be {exc}") from None


def wrapping_of(text: str) -> str:
    """Return what is not part of a value but around or inside it; empty if it is the value alone."""
    if len(text) > 1 and text[0] in QUOTES and text[-1] == text[0]:
        return "is in quotes, which are not part of the value: leave them out"
    if REFERENCE.search(text):
        return "refers to another variable (“${…}”), which nothing fills in here: write the value itself"
    if any(unicodedata.category(character) == "Cf" for character in text):
        return "holds an invisible character, as copied text often does: type the value again"
    return ""


def hidden(each: Field[Any], text: str) -> bool:
    """Return whether an error must not show `text`, because it may be a secret or contain one."""
    return bool(each.metadata["secret"]) or "@" in text or "?" in text
