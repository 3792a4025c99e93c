"""The markets that the simulated models know, with their vendors, and the phrases of each language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from llm_monitoring.demo.exchange import Json, dice

LANGUAGES: Final = ("es", "en")
MARKETS: Final = ("invoicing", "crm")
SPANISH_WORDS: Final = frozenset(
    "el la los las un una de del que qué cuál cuáles cómo para por con en es son mejor mejores y o mi su "
    "más sin dónde cuánto hay me se al lo hacer puedo recomiendas opinas tiene a alternativas programa "
    "programas software autónomos pymes empresa empresas opiniones precio precios comparativa".split()
)
ENGLISH_WORDS: Final = frozenset(
    "the a an of which what how for with in is are best and or my your more without where can do does "
    "should i to it there any have has use using recommend on we our a me best software".split()
)


@dataclass(frozen=True, slots=True)
class Vendor:
    """One product that answers may name; a higher `strength` (0 to 1) ranks it higher.

    `tilt` is added to the strength by provider, `models` by model.
    """

    name: str
    domain: str
    page: str
    strength: float
    tilt: dict[str, float]
    models: dict[str, float]
    alias: str
    texts: dict[str, Json]

    @property
    def url(self) -> str:
        return f"https://www.{self.domain}{self.page}"


@dataclass(frozen=True, slots=True)
class Market:
    """One kind of product: its vendors, criteria and pages about it."""

    name: str
    keywords: re.Pattern[str]
    names: re.Pattern[str]
    noun: dict[str, str]
    criteria: dict[str, list[str]]
    sources: tuple[Json, ...]
    trend: Json
    vendors: tuple[Vendor, ...]

    def named(self, prompt: str) -> list[Vendor]:
        """Return the vendors that a prompt names, in its order."""
        names = dict.fromkeys(name.casefold() for name in self.names.findall(prompt))
        known = {vendor.name.casefold(): vendor for vendor in self.vendors}
        return [known[name] for name in names]

    def relevance(self, prompt: str) -> int:
        return len(self.keywords.findall(prompt)) + 3 * len(self.named(prompt))

    def drift(self, vendor: Vendor, day: date, epoch: date) -> float:
        """Return the change of a vendor's strength on a day relative to `epoch`."""
        if vendor.name != self.trend["vendor"]:
            return 0.0
        days = int(self.trend["days"])
        return float(self.trend["per_day"]) * max(-days, min(days, (day - epoch).days))

    def ranking(
        self, provider: str, prompt: str, day: date, epoch: date, seed: int, sample: int, model: str = ""
    ) -> list[Vendor]:
        """Return the vendors in the order of this provider, model, prompt, day and sample."""
        variations = (
            (0.34, dice(seed, "liking", prompt)),
            (0.2, dice(seed, "own", provider, prompt)),
            (0.1, dice(seed, "weather", provider, day)),
            (0.3, dice(seed, "mood", provider, prompt, day, sample)),
        )
        scores = {
            vendor.name: vendor.strength
            + vendor.tilt.get(provider, 0.0)
            + vendor.models.get(model, 0.0)
            + self.drift(vendor, day, epoch)
            + sum(width * (rng.random() - 0.5) for width, rng in variations)
            for vendor in self.vendors
        }
        return sorted(self.vendors, key=lambda vendor: scores[vendor.name], reverse=True)


def read_data(name: str) -> Json:
    value: Json = json.loads((files("llm_monitoring.demo") / "data" / name).read_text("utf-8"))
    return value


@cache
def markets() -> tuple[Market, ...]:
    return tuple(read_market(name) for name in MARKETS)


@cache
def phrases(language: str) -> Json:
    return read_data(f"phrases_{language}.json")


def read_market(name: str) -> Market:
    raw = read_data(f"market_{name}.json")
    words = "|".join(map(re.escape, raw["keywords"]))
    names = "|".join(re.escape(entry["name"]) for entry in raw["vendors"])
    return Market(
        name=raw["name"],
        keywords=re.compile(rf"(?<!\w)(?:{words})", re.IGNORECASE),
        names=re.compile(rf"(?<!\w)(?:{names})(?!\w)", re.IGNORECASE),
        noun=raw["noun"],
        criteria=raw["criteria"],
        sources=tuple(raw["sources"]),
        trend=raw["trend"],
        vendors=tuple(read_vendor(entry) for entry in raw["vendors"]),
    )


def read_vendor(raw: dict[str, Any]) -> Vendor:
    return Vendor(
        name=raw["name"],
        domain=raw["domain"],
        page=raw["page"],
        strength=raw["strength"],
        tilt=raw.get("tilt", {}),
        models=raw.get("models", {}),
        alias=raw.get("alias", ""),
        texts={language: raw[language] for language in LANGUAGES},
    )


@lru_cache(4096)
def market_of(prompt: str) -> Market | None:
    """Return the market of a prompt, which its text alone decides."""
    best = max(markets(), key=lambda market: market.relevance(prompt))
    return best if best.relevance(prompt) else None


@lru_cache(4096)
def language_of(prompt: str, instructions: str) -> str:
    """Return "es" or "en": the code in the instructions, or else the language of the prompt."""
    code = re.search(r"\b(es|en)\b(?=['\"`)])|['\"`(](es|en)\b", instructions)
    if code:
        return str(code[1] or code[2])
    words = re.findall(r"\w+", prompt.casefold())
    spanish = count(words, SPANISH_WORDS) + 2 * len(re.findall(r"[¿¡ñáéíóú]", prompt.casefold()))
    return "es" if spanish > count(words, ENGLISH_WORDS) else "en"


def count(words: Iterable[str], known: frozenset[str]) -> int:
    return sum(word in known for word in words)


def country_of(instructions: str) -> str:
    code = re.search(r"['\"`(]([A-Z]{2})['\"`)]", instructions)
    return code[1] if code else ""
