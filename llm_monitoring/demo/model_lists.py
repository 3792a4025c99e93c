"""The simulated providers' lists of models, in pages; they can change while the server runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from llm_monitoring.demo.answers.market import read_data
from llm_monitoring.demo.exchange import PROVIDERS, Json

LARGEST_PAGE: Final = {"anthropic": 10, "google": 25}
DEFAULT_PAGE: Final = {"anthropic": 20, "google": 50}


class ModelLists:
    """The models of each provider: a hidden model is not listed but answers, a closed one does neither."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Json]] = {
            name: {model_id(name, model): model for model in read_data(f"{name}_models.json")["models"]}
            for name in PROVIDERS
        }
        self.snapshots: dict[tuple[str, str], str] = {}
        self.hidden: set[tuple[str, str]] = set()
        past = (name for name, model in self.models["anthropic"].items() if model["lifecycle"] == "retired")
        self.closed = {("anthropic", name) for name in past}

    def change(
        self, provider: str, add: Iterable[Json] = (), remove: Iterable[str] = (), retire: Iterable[str] = ()
    ) -> None:
        """Add models, hide those of `remove` from the list, and close those of `retire`."""
        for model in add:
            name = model_id(provider, model)
            self.hidden.discard((provider, name))
            self.closed.discard((provider, name))
            self.models[provider][name] = model
        self.snapshots.clear()
        self.hidden |= {(provider, name) for name in [*remove, *retire]}
        self.closed |= {(provider, name) for name in retire}

    def listed(self, provider: str) -> list[Json]:
        models = self.models[provider].items()
        return [model for name, model in models if (provider, name) not in self.hidden]

    def snapshot(self, provider: str, name: str) -> str:
        """Return the dated model of an alias, or the name itself."""
        known = self.snapshots.get((provider, name))
        if known is None:
            dated = re.compile(re.escape(name) + r"-(\d{4}-\d\d-\d\d|\d{8})")
            known = max(filter(dated.fullmatch, self.models[provider]), default=name)
            self.snapshots[provider, name] = known
        return known

    def serves(self, provider: str, name: str) -> bool:
        """Return whether a model answers: it or its dated model exists, and neither is closed."""
        names = {name, self.snapshot(provider, name)}
        closed = any((provider, one) in self.closed for one in names)
        return not closed and not names.isdisjoint(self.models[provider])

    def find(self, provider: str, name: str) -> Json | None:
        wanted = {name, self.snapshot(provider, name)}
        return next((model for model in self.listed(provider) if model_id(provider, model) in wanted), None)

    def page(self, provider: str, query: Mapping[str, str]) -> Json:
        """Return one page of a provider's list in its own form."""
        if provider == "anthropic":
            return self.anthropic_page(query)
        if provider == "google":
            return self.google_page(query)
        return {"object": "list", "data": self.listed(provider)}

    def anthropic_page(self, query: Mapping[str, str]) -> Json:
        rows = self.listed("anthropic")
        stages = query.get("lifecycle") or query.get("lifecycle[]")
        if stages:
            rows = [row for row in rows if row["lifecycle"] in stages.split(",")]
        ids = [row["id"] for row in rows]
        start = ids.index(query["after_id"]) + 1 if query.get("after_id") in ids else 0
        size = page_size("anthropic", query.get("limit"))
        data = rows[start : start + size]
        return {
            "data": data,
            "has_more": start + size < len(rows),
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }

    def google_page(self, query: Mapping[str, str]) -> Json:
        rows = self.listed("google")
        token = query.get("pageToken", "")
        start = int(token.removeprefix("page-")) if re.fullmatch(r"page-\d+", token) else 0
        end = start + page_size("google", query.get("pageSize"))
        more = {"nextPageToken": f"page-{end}"} if end < len(rows) else {}
        return {"models": rows[start:end]} | more


def page_size(provider: str, asked: str | None) -> int:
    wanted = int(asked) if asked and asked.isdigit() and int(asked) else DEFAULT_PAGE[provider]
    return min(wanted, LARGEST_PAGE[provider])


def model_id(provider: str, model: Json) -> str:
    return str(model["name"]).removeprefix("models/") if provider == "google" else str(model["id"])
