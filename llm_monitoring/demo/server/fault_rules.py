"""Fault rules of the simulated providers: each matches requests and has one action.

A rule is a JSON object::

    {"name": "slow Mondays",
     "match": {"provider": "openai", "route": "answer", "model": "...", "key": "<fingerprint>",
               "prompt": "substring", "tier": "flex", "nth": 3 or [1, 2], "every": 10, "probability": 0.1,
               "above_per_second": 20},
     "times": 5, "billed": true,
     "action": {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}, "body": ..., "delay_ms": 0}}

Every field but the action is optional. `route` is answer, models or model. `nth`, `every` and `probability` count
the requests that the other fields match. `above_per_second` spares that many of them in any second, as a quota
does. `times` is how often the rule fires at most. The first rule that fires applies. Kinds: delay; status (status,
headers, body); hang; reset (when: before_body, after_body, mid_reply); truncate (content_length: right, wrong);
html (status, body); body (status, body, headers); error_object (body); empty_text; refusal; content_filter;
max_tokens; pause_turn; usage (value: missing, null, negative); drip (chunk_bytes, pause_ms); shed (status: there is no
room for a flex call); tier (tier: the one that is served, billed and named, null names none). A fault is billed if it
answers with a usage, unless `billed` sets it.

Routes of batches: file_create, file_content, file_delete, batch_create, batch_list, batch, batch_cancel, batch_delete,
batch_results. One that fails before its reply is carried out all the same if it is `billed`. Each request within a
batch has the route batch_request. There a status is that of its line, and these kinds are added: expired (it does not
run), dropped (its line is missing), repeated (it comes twice), unreadable (it is cut).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from llm_monitoring.demo.exchange import Finish, Json, share

FINISHES: Final[dict[str, Finish]] = {
    "empty_text": "empty",
    "refusal": "refusal",
    "content_filter": "content_filter",
    "max_tokens": "max_tokens",
    "pause_turn": "pause_turn",
}
ACTION_FIELDS: Final = {
    "delay": frozenset(),
    "status": frozenset({"status", "headers", "body"}),
    "hang": frozenset(),
    "reset": frozenset({"when"}),
    "truncate": frozenset({"content_length"}),
    "html": frozenset({"status", "body"}),
    "body": frozenset({"status", "body", "headers"}),
    "error_object": frozenset({"body"}),
    "usage": frozenset({"value"}),
    "drip": frozenset({"chunk_bytes", "pause_ms"}),
    "shed": frozenset({"status"}),
    "tier": frozenset({"tier"}),
    "expired": frozenset(),
    "dropped": frozenset(),
    "repeated": frozenset(),
    "unreadable": frozenset(),
} | {kind: frozenset() for kind in FINISHES}
CHOICES: Final = {
    "when": ("before_body", "after_body", "mid_reply"),
    "content_length": ("right", "wrong"),
    "value": ("missing", "null", "negative"),
}
MATCH_FIELDS: Final = frozenset(
    {"provider", "route", "model", "key", "prompt", "tier", "nth", "every", "probability", "above_per_second"}
)
RULE_FIELDS: Final = frozenset({"name", "match", "times", "billed", "action"})
OF_BATCHES: Final = frozenset({"expired", "dropped", "repeated", "unreadable"})
ANSWERS_WITH_USAGE: Final = frozenset({"delay", "drip", "tier", "dropped", "repeated", "unreadable", *FINISHES})


class BadRule(ValueError):
    """A fault rule that is not valid."""


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The parts of a request that a rule can match; model, prompt and tier are known only after the body."""

    provider: str
    route: str
    key: str
    model: str | None = None
    prompt: str | None = None
    tier: str | None = None


@dataclass(slots=True)
class Rule:
    """One rule, with how often it matched and how often it fired."""

    name: str
    match: Json
    action: Json
    billed: bool
    times: int | None
    seen: int = 0
    fired: int = field(default=0)
    spared: deque[float] = field(default_factory=deque)

    @property
    def kind(self) -> str:
        return str(self.action["kind"])

    @property
    def before_body(self) -> bool:
        return self.action.get("when") == "before_body"

    def fires(self, facts: RequestFacts, seed: int) -> bool:
        """Count a request that matches, and return whether the rule fires."""
        if not self.matches(facts) or (self.times is not None and self.fired >= self.times):
            return False
        self.seen += 1
        nth = self.match.get("nth")
        if nth is not None and self.seen not in ([nth] if isinstance(nth, int) else nth):
            return False
        if self.seen % int(self.match.get("every", 1)):
            return False
        if share(seed, self.name, self.seen) >= float(self.match.get("probability", 1.0)):
            return False
        if "above_per_second" in self.match and self.spares(int(self.match["above_per_second"])):
            return False
        self.fired += 1
        return True

    def spares(self, per_second: int) -> bool:
        """Return whether the request is within the `per_second` that are spared."""
        now = time.monotonic()
        while self.spared and self.spared[0] <= now - 1.0:
            self.spared.popleft()
        if len(self.spared) >= per_second:
            return False
        self.spared.append(now)
        return True

    def matches(self, facts: RequestFacts) -> bool:
        exact = {
            "provider": facts.provider,
            "route": facts.route,
            "model": facts.model,
            "key": facts.key,
            "tier": facts.tier,
        }
        if any(name in self.match and self.match[name] != value for name, value in exact.items()):
            return False
        return self.match.get("prompt", "") in (facts.prompt or "")


class FaultRules:
    """The current rules. Any thread may replace them at any time."""

    def __init__(self, seed: int = 0) -> None:
        self.seed, self.rules, self.lock = seed, list[Rule](), Lock()

    def set(self, rules: Iterable[Mapping[str, Any]]) -> None:
        """Replace all rules; raises BadRule and keeps the old ones if one is not valid."""
        read = [read_rule(raw, f"rule {number}") for number, raw in enumerate(rules, 1)]
        with self.lock:
            self.rules = read

    def choose(self, facts: RequestFacts, *, before_body: bool = False) -> Rule | None:
        with self.lock:
            some = [rule for rule in self.rules if rule.before_body == before_body]
            return next((rule for rule in some if rule.fires(facts, self.seed)), None)

    def report(self) -> list[Json]:
        """Return each rule's name and counts."""
        with self.lock:
            return [{"name": rule.name, "seen": rule.seen, "fired": rule.fired} for rule in self.rules]


def read_rule(raw: Mapping[str, Any], name: str) -> Rule:
    if not isinstance(raw, Mapping):
        raise BadRule(f"{name}: a rule is an object")
    refuse_unknown(raw, RULE_FIELDS, name)
    match, action = dict(raw.get("match") or {}), dict(raw.get("action") or {})
    refuse_unknown(match, MATCH_FIELDS, f"{name}: match")
    kind = action.get("kind")
    if kind not in ACTION_FIELDS:
        raise BadRule(f"{name}: unknown kind {kind!r}: choose one of {', '.join(ACTION_FIELDS)}")
    refuse_unknown(action, ACTION_FIELDS[kind] | {"kind", "delay_ms"}, f"{name}: action {kind}")
    check_choices(action, name)
    if kind in OF_BATCHES and match.get("route") != "batch_request":
        raise BadRule(f"{name}: {kind} is for the route batch_request")
    if action.get("when") == "before_body" and {"model", "prompt", "tier"} & match.keys():
        raise BadRule(f"{name}: before_body cannot match on the body")
    billed = raw.get("billed")
    with_usage = kind in ANSWERS_WITH_USAGE or action.get("value") == "negative"
    return Rule(str(raw.get("name", name)), match, action, with_usage if billed is None else billed, raw.get("times"))


def refuse_unknown(raw: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    extra = sorted(set(raw) - known)
    if extra:
        raise BadRule(f"{where}: unknown field {extra[0]!r}: choose one of {', '.join(sorted(known))}")


def check_choices(action: Json, name: str) -> None:
    required = {"reset": "when", "truncate": "content_length", "usage": "value"}.get(action["kind"])
    if required and required not in action:
        raise BadRule(f"{name}: {required} is missing: choose one of {', '.join(CHOICES[required])}")
    for option, allowed in CHOICES.items():
        if option in action and action[option] not in allowed:
            raise BadRule(f"{name}: {option} is one of {', '.join(allowed)}")
