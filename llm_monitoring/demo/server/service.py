"""Answers every request of the loopback server: those to the four providers and those that control it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from llm_monitoring.demo.answers.composer import Composer
from llm_monitoring.demo.answers.judge import is_sentiment, judge
from llm_monitoring.demo.answers.market import language_of, phrases
from llm_monitoring.demo.batches import Batch, Item, ItemResult
from llm_monitoring.demo.bill import Bill, Charge, PriceTable, dollars, fingerprint, now
from llm_monitoring.demo.exchange import (
    Ask,
    Composed,
    Finish,
    HttpRequest,
    Json,
    Rejection,
    Turn,
    WireProtocol,
    dice,
    digest,
    share,
)
from llm_monitoring.demo.metering import meter, plan_searches
from llm_monitoring.demo.model_lists import ModelLists
from llm_monitoring.demo.server.batches import BATCH_WIRES, BatchCall, Batches
from llm_monitoring.demo.server.broken_replies import JSON_TYPE, damage, encode, error_reply, failed_reply, spoil_usage
from llm_monitoring.demo.server.fault_rules import FINISHES, BadRule, FaultRules, RequestFacts, Rule
from llm_monitoring.demo.server.http1 import Delivery
from llm_monitoring.demo.wire.anthropic import AnthropicWire
from llm_monitoring.demo.wire.google import GoogleWire
from llm_monitoring.demo.wire.openai import OpenAIWire
from llm_monitoring.demo.wire.perplexity import PerplexityWire

WIRES: Final[dict[str, WireProtocol]] = {
    wire.name: wire for wire in (OpenAIWire(), AnthropicWire(), GoogleWire(), PerplexityWire())
}
WITHOUT_TURN: Final = frozenset({"status", "hang", "html", "body", "error_object", "shed"})
TIER_HEADERS: Final = {"google": "x-gemini-service-tier"}  # the other providers name the tier in the body


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The behaviour of the simulated providers. `keys` None accepts any key."""

    latency_ms: float = 0.0
    latency_spread: float = 0.0
    seed: int = 1
    epoch: date | None = None
    keys: Mapping[str, frozenset[str]] | None = None


@dataclass(slots=True)
class RoutedRequest:
    """One request to a provider, with its route."""

    wire: WireProtocol
    request: HttpRequest
    route: str
    model: str
    id: str = field(default_factory=lambda: uuid4().hex[:24])

    @property
    def key(self) -> str:
        return self.wire.key(self.request)


class Service:
    """The four simulated providers."""

    def __init__(self, behaviour: Behaviour, bill: Bill) -> None:
        self.behaviour, self.bill = behaviour, bill
        self.day = datetime.now(UTC).date()
        self.composer = Composer(behaviour.seed, behaviour.epoch or self.day)
        self.prices, self.catalogue, self.faults = (
            PriceTable.shipped(),
            ModelLists(),
            FaultRules(behaviour.seed),
        )
        self.batches = Batches(self.run_item, behaviour.seed)
        self.samples: Counter[int] = Counter()
        self.received: Counter[str] = Counter()
        self.controls: dict[tuple[str, str], Callable[[HttpRequest], Any]] = {
            ("GET", "/bill"): lambda _: self.bill.summary() | {"received": dict(self.received)},
            ("GET", "/bill/lines"): lambda _: [asdict(charge) for charge in self.bill.lines],
            ("GET", "/faults"): lambda _: self.faults.report(),
            ("POST", "/faults"): self.set_faults,
            ("POST", "/batches"): lambda request: self.batches.set_plan(request.json()),
            ("POST", "/models"): self.change_models,
            ("POST", "/day"): self.set_day,
        }

    def on_head(self, request: HttpRequest) -> Delivery | None:
        """Return how to break the connection after the head of a request, or None to read the body."""
        call = self.call(request)
        if call is None:
            return None
        facts = RequestFacts(call.wire.name, call.route, fingerprint(call.key))
        rule = self.faults.choose(facts, before_body=True)
        return Delivery(mode="reset", delay_seconds=delay_of(rule)) if rule else None

    def handle(self, request: HttpRequest) -> Delivery:
        """Return the reply to a whole request; its charge is on the bill before this returns."""
        control = self.controls.get((request.method, request.path))
        if control:
            return self.control(control, request)
        call = self.call(request)
        if call is None:
            body = b"" if request.method == "HEAD" else encode({"error": {"message": f"Unknown path {request.path}"}})
            return Delivery(404, body, JSON_TYPE)
        if call.route == "answer":
            self.received[call.wire.name] += 1
        return self.reply(call)

    def call(self, request: HttpRequest) -> RoutedRequest | None:
        _, _, rest = request.path.partition("/")
        name, _, path = rest.partition("/")
        wire = WIRES.get(name)
        inner = HttpRequest(request.method, f"/{path}", request.query, request.headers, request.body)
        routes = [each.route(inner) for each in (wire, BATCH_WIRES.get(name)) if each is not None]
        route = next(filter(None, routes), None)
        return RoutedRequest(wire, inner, *route) if wire and route else None

    def reply(self, call: RoutedRequest) -> Delivery:
        ask: Ask | None = None
        refusal: Rejection | None = None
        try:
            ask = call.wire.read(call.request, call.model) if call.route == "answer" else None
        except Rejection as rejection:
            refusal = rejection
        rule = self.faults.choose(self.facts(call, ask))
        delay = delay_of(rule) + (self.latency(call) if call.route == "answer" else 0.0)
        try:
            if refusal:
                raise refusal
            delivery = self.perform(call, ask, rule)
        except Rejection as rejection:
            delivery = error_reply(call.wire, rejection, call.id)
        return replace(delivery, delay_seconds=delay)

    def facts(self, call: RoutedRequest, ask: Ask | None) -> RequestFacts:
        model = ask.model if ask else call.model or None
        prompt, tier = (ask.prompt, ask.tier) if ask else (None, None)
        return RequestFacts(call.wire.name, call.route, fingerprint(call.key), model, prompt, tier)

    def perform(self, call: RoutedRequest, ask: Ask | None, rule: Rule | None) -> Delivery:
        fails = rule is not None and (rule.kind in WITHOUT_TURN or rule.action.get("when") == "after_body")
        about_batches = call.route not in ("answer", "models", "model")
        if rule and fails and not (rule.billed and (ask or about_batches)):
            return failed_reply(call.wire, rule, call.id)
        self.authorise(call)
        if about_batches:
            whole = self.batches.perform(BatchCall(call.wire, call.request, call.route, call.model, call.id))
        elif ask is None:
            whole = Delivery(200, encode(self.list_models(call)), JSON_TYPE | call.wire.headers(call.id))
        else:
            whole = self.answered(call, ask, rule)
        if rule and fails:
            return failed_reply(call.wire, rule, call.id)
        return damage(rule, whole) if rule else whole

    def answered(self, call: RoutedRequest, ask: Ask, rule: Rule | None) -> Delivery:
        turn = self.answer(call, ask, rule)
        if rule is None or rule.billed:
            self.charge(call, turn)
        headers = JSON_TYPE | call.wire.headers(call.id) | tier_header(call.wire.name, turn)
        return Delivery(200, encode(body_of(call.wire, turn, rule)), headers)

    def run_item(self, batch: Batch, item: Item, *, separators: bool) -> tuple[ItemResult, Rule | None]:
        """Answer one request of a batch and bill it at the price of its tier, unless it fails."""
        wire, made = WIRES[batch.provider], item.custom_id
        call = RoutedRequest(wire, HttpRequest("POST", "", {}, batch.headers, item.body), "batch_request", "")
        rule: Rule | None = None
        try:
            ask = replace(wire.read(call.request, ""), tier="batch")
            rule = self.faults.choose(self.facts(call, ask))
            if rule and rule.kind == "expired":
                return ItemResult(made, "expired"), rule
            turn = self.answer(call, ask, rule)
            if rule is None or rule.billed:
                self.charge(call, turn, made)
            if rule and rule.kind == "status":
                raise Rejection(int(rule.action["status"]), "Simulated")
        except Rejection as rejection:
            error = rule.action.get("body") if rule else None
            return ItemResult(made, "errored", rejection.status, error or wire.error(rejection, call.id)), rule
        shown = replace(turn, tier=BATCH_WIRES[wire.name].tier, composed=with_separators(turn.composed, separators))
        return ItemResult(made, "succeeded", 200, body_of(wire, shown, rule)), rule

    def authorise(self, call: RoutedRequest) -> None:
        if call.wire.name == "perplexity" and call.route == "models":
            return
        accepted = self.behaviour.keys
        if not call.key or (accepted is not None and call.key not in accepted.get(call.wire.name, frozenset())):
            raise call.wire.bad_key(call.key)

    def list_models(self, call: RoutedRequest) -> Json:
        if call.route == "models":
            return self.catalogue.page(call.wire.name, call.request.query)
        listed = self.catalogue.find(call.wire.name, call.model)
        if listed is None:
            raise call.wire.unknown_model(call.model)
        return listed

    def answer(self, call: RoutedRequest, ask: Ask, rule: Rule | None) -> Turn:
        name = call.wire.name
        if not (self.catalogue.serves(name, ask.model) and self.prices.find(name, ask.model)):
            raise call.wire.unknown_model(ask.model)
        if ask.search != "no" and not self.prices.sells_search(name, ask.model):
            raise Rejection(400, f"Web search is not supported with {ask.model}.", None, "tools")
        sample = self.next_sample(call, ask)
        rng = dice(self.behaviour.seed, "usage", name, ask.model, ask.prompt, self.day, sample)
        finish = FINISHES.get(rule.kind, "stop") if rule else "stop"
        composed, usage, ended = meter(name, ask, self.compose(name, ask, sample, finish), finish, rng)
        served = self.catalogue.snapshot(name, ask.model)
        tier = rule.action.get("tier") if rule and rule.kind == "tier" else ask.tier
        parts = self.prices.parts(name, ask.model, usage, tier or "")
        costs = {kind: str(part) for kind, part in (parts | {"total": sum(parts.values(), Decimal(0))}).items()}
        return Turn(call.id, ask, served, composed, usage, ended, int(time.time()), costs, tier)

    def compose(self, provider: str, ask: Ask, sample: int, finish: Finish) -> Composed:
        searches = plan_searches(
            provider, ask, dice(self.behaviour.seed, "searches", provider, ask.prompt, self.day, sample)
        )
        if finish == "refusal":
            return Composed(phrases(language_of(ask.prompt, ask.instructions))["refusal"])
        if is_sentiment(ask):
            return judge(ask)
        return self.composer.compose(provider, ask, self.day, sample, searches)

    def next_sample(self, call: RoutedRequest, ask: Ask) -> int:
        """Return how often this key has asked this on the day, so that a repeat gets another answer."""
        mark = digest(call.wire.name, call.key, ask.model, ask.prompt, self.day)
        self.samples[mark] += 1
        return self.samples[mark]

    def charge(self, call: RoutedRequest, turn: Turn, custom_id: str = "") -> None:
        ask = turn.ask
        usage = asdict(turn.usage)
        self.bill.add(
            Charge(
                id=call.id,
                at=now(),
                provider=call.wire.name,
                model=ask.model,
                served=turn.served,
                key=fingerprint(call.key),
                prompt=sha256(ask.prompt.encode()).hexdigest(),
                finish=turn.finish,
                usage=usage,
                price_usd=dollars(Decimal(turn.costs["total"])),
                tier=turn.tier or "",
                custom_id=custom_id,
            )
        )

    def latency(self, call: RoutedRequest) -> float:
        spread = self.behaviour.latency_spread * (2 * share(call.id) - 1)
        return self.behaviour.latency_ms * (1 + spread) / 1000

    def control(self, act: Callable[[HttpRequest], Any], request: HttpRequest) -> Delivery:
        try:
            return Delivery(200, encode(act(request)), JSON_TYPE)
        except (BadRule, Rejection, KeyError, TypeError, ValueError) as error:
            return Delivery(400, encode({"error": {"message": str(error)}}), JSON_TYPE)

    def set_faults(self, request: HttpRequest) -> list[Json]:
        self.faults.set(request.json()["rules"])
        return self.faults.report()

    def change_models(self, request: HttpRequest) -> Json:
        body = request.json()
        provider = body["provider"]
        for model, prices in body.get("prices", {}).items():
            self.prices.add(provider, model, prices)
        self.catalogue.change(provider, body.get("add", ()), body.get("remove", ()), body.get("retire", ()))
        return {"listed": len(self.catalogue.listed(provider))}

    def set_day(self, request: HttpRequest) -> Json:
        self.day = date.fromisoformat(request.json()["day"])
        return {"day": self.day.isoformat()}


def body_of(wire: WireProtocol, turn: Turn, rule: Rule | None) -> Json:
    body = wire.reply(turn)
    return spoil_usage(wire, body, rule.action["value"]) if rule and rule.kind == "usage" else body


def with_separators(composed: Composed, wanted: bool) -> Composed:
    """Return an answer with line separators of Unicode in its text, which end no line of JSONL."""
    return replace(composed, text=composed.text.replace(". ", ".\u2028")) if wanted else composed


def tier_header(provider: str, turn: Turn) -> dict[str, str]:
    if turn.tier is None or provider not in TIER_HEADERS:
        return {}
    return {TIER_HEADERS[provider]: turn.tier or "standard"}


def delay_of(rule: Rule | None) -> float:
    return float(rule.action.get("delay_ms", 0)) / 1000 if rule else 0.0
