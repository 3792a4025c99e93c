"""The simulated providers' bill: its own prices, its own arithmetic, one line for each billed request."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, Final

from llm_monitoring.demo.exchange import BilledUnits, Json

MILLION: Final = Decimal(1_000_000)
THOUSAND: Final = Decimal(1_000)
PLACES: Final = Decimal("1e-10")
# Times the price of tokens. Searches cost the same in every tier; input from the cache of some models is not cheaper.
TIERS: Final = {"flex": Decimal("0.5"), "batch": Decimal("0.5"), "priority": Decimal(2)}
STANDARD_TIERS: Final = ("", "default", "standard", "auto")
UNLISTED_TIER: Final = Decimal("1.5")
FULL_PRICE_CACHE: Final = re.compile(r"google/|openai/(gpt-4|o\d)")
DATE: Final = re.compile(r"-(\d{4}-\d\d-\d\d|\d{8})$")


def fingerprint(key: str) -> str:
    """Return the SHA-256 of a key in hex, which the bill shows instead of the key."""
    return sha256(key.encode()).hexdigest()


def dollars(amount: Decimal) -> str:
    """Return an amount with ten decimals."""
    return f"{amount.quantize(PLACES):f}"


class PriceTable:
    """USD a million tokens and a thousand searches, by provider and model; `later` holds prices from a day on (UTC)."""

    def __init__(self, tables: Iterable[Mapping[str, Any]]) -> None:
        self.models: dict[tuple[str, str], Json] = {}
        self.later: dict[tuple[str, str], tuple[str, Json]] = {}
        for table in tables:
            for provider, entry in table["providers"].items():
                for model in entry["models"]:
                    name = provider, model["model_id"]
                    self.models[name] = model["prices"]
                    if "later" in model:
                        self.later[name] = model["later"]["from"], model["later"]["prices"]

    @classmethod
    def shipped(cls) -> PriceTable:
        """Return the prices of both files of this package; if both have a model, those of prices.json."""
        here = files("llm_monitoring.demo")
        names = ("data/more_prices.json", "prices.json")
        return cls(json.loads((here / name).read_text("utf-8"), parse_float=Decimal) for name in names)

    def add(self, provider: str, model: str, prices: Mapping[str, Any]) -> None:
        self.later.pop((provider, model), None)
        self.models[provider, model] = json.loads(json.dumps(prices, default=str), parse_float=Decimal)

    def find(self, provider: str, model: str) -> Json | None:
        """Return a model's prices; a dated model without its own has those of the name without the date."""
        undated = provider, DATE.sub("", model)
        name = (provider, model) if (provider, model) in self.models else undated
        start, prices = self.later.get(name, ("", None))
        today = datetime.now(UTC).date().isoformat()
        return prices if prices is not None and today >= start else self.models.get(name)

    def sells_search(self, provider: str, model: str) -> bool:
        return "web_searches_kcount" in (self.find(provider, model) or {})

    def parts(self, provider: str, model: str, usage: BilledUnits, tier: str = "") -> dict[str, Decimal]:
        """Return the price in USD by kind: input, cache_read, cache_creation, output, tool_calls.

        A tier above the base applies to every token of a request with more input than the tier's start.
        """
        prices = self.find(provider, model) or {}
        plain = usage.input - usage.cached - usage.cache_write
        counts = {
            "input": (plain, "input_mtok"),
            "cache_read": (usage.cached, "cache_read_mtok"),
            "cache_creation": (usage.cache_write, "cache_write_mtok"),
            "output": (usage.output, "output_mtok"),
        }
        parts = {
            kind: rate(prices.get(field, prices["input_mtok"]), usage.input)
            * count
            / MILLION
            * tier_factor(provider, model, kind, tier)
            for kind, (count, field) in counts.items()
        }
        fee = Decimal(prices.get("web_searches_kcount", 0)) if usage.searches else Decimal(0)
        return parts | {"tool_calls": fee * usage.searches / THOUSAND}


def tier_factor(provider: str, model: str, kind: str, tier: str) -> Decimal:
    """Return times what a kind of token costs in a tier."""
    factor = Decimal(1) if tier.lower() in STANDARD_TIERS else TIERS.get(tier.lower(), UNLISTED_TIER)
    full = kind == "cache_read" and FULL_PRICE_CACHE.match(f"{provider}/{model}")
    return max(factor, Decimal(1)) if full else factor


def rate(price: Any, input_tokens: int) -> Decimal:
    """Return the price of a million tokens for a request with that much input."""
    if not isinstance(price, Mapping):
        return Decimal(price)
    reached = [tier for tier in price["tiers"] if input_tokens > tier["start"]]
    best = max(reached, key=lambda tier: int(tier["start"]), default=None)
    return Decimal(best["price"] if best else price["base"])


@dataclass(frozen=True, slots=True)
class Charge:
    """One billed request. `key` and `prompt` are SHA-256 fingerprints, `price_usd` has ten decimals.

    `custom_id`: the id of a request of a batch, "" for a single call.
    """

    id: str
    at: str
    provider: str
    model: str
    served: str
    key: str
    prompt: str
    finish: str
    usage: dict[str, int]
    price_usd: str
    tier: str = ""
    custom_id: str = ""


class Bill:
    """Every charge of this server, in memory and, if a file is given, on disk before the reply is sent."""

    def __init__(self, path: Path | None = None) -> None:
        self.lock = Lock()
        self.charges: list[Charge] = []
        self.file: int | None = None
        if path is not None:
            self.charges = read_charges(path)
            self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, charge: Charge) -> None:
        with self.lock:
            if self.file is not None:
                os.write(self.file, json.dumps(asdict(charge)).encode() + b"\n")
            self.charges.append(charge)

    @property
    def lines(self) -> tuple[Charge, ...]:
        """Every charge so far, oldest first."""
        with self.lock:
            return tuple(self.charges)

    @property
    def total_usd(self) -> Decimal:
        return sum((Decimal(charge.price_usd) for charge in self.lines), Decimal(0))

    def summary(self) -> Json:
        """Return requests and dollars: in total, by fingerprint of the key and by provider."""
        lines = self.lines
        return group(lines) | {
            "by_key": {key: group(some) for key, some in split(lines, "key").items()},
            "by_provider": {name: group(some) for name, some in split(lines, "provider").items()},
        }

    def close(self) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None


def read_charges(path: Path) -> list[Charge]:
    """Return the charges of a bill's file without an incomplete last line."""
    if not path.exists():
        return []
    whole, _, _rest = path.read_text("utf-8").rpartition("\n")
    return [Charge(**json.loads(line)) for line in whole.splitlines() if line]


def split(charges: Iterable[Charge], field: str) -> dict[str, list[Charge]]:
    groups: dict[str, list[Charge]] = defaultdict(list)
    for charge in charges:
        groups[getattr(charge, field)].append(charge)
    return dict(groups)


def group(charges: Iterable[Charge]) -> Json:
    amounts = [Decimal(charge.price_usd) for charge in charges]
    return {"requests": len(amounts), "total_usd": dollars(sum(amounts, Decimal(0)))}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
