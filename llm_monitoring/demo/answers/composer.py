"""Writes answers in Markdown that depend only on seed, provider, model, prompt, day and sample."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from random import Random
from typing import Any, Final

from llm_monitoring.demo.answers.layouts import AnswerContents, choose, criteria, review, steps, table
from llm_monitoring.demo.answers.market import Market, Vendor, country_of, language_of, market_of, phrases
from llm_monitoring.demo.exchange import Ask, CitedPage, Composed, dice

VERSUS: Final = re.compile(r"\bvs\b|versus|compar|diferencia|difference|\bor\b|\bo\b", re.IGNORECASE)
ALTERNATIVES: Final = re.compile(r"alternativ|en lugar de|instead of|replace", re.IGNORECASE)
STEPS: Final = re.compile(r"^\W*(c[oó]mo|how (do|can|should|to))|\bpasos\b|\bsteps\b", re.IGNORECASE)
OPINION: Final = re.compile(
    r"opin|reseñ|(merece|vale) la pena|fiable|qué tal|review|worth it|any good|reliable|think of|"
    r"tell me about|(qué|quién) es |what is |who is |good (choice|fit|option)",
    re.IGNORECASE,
)
UNKNOWN_NAME: Final = re.compile(r"(?<=[\w,] )[A-ZÁÉÍÓÚÑ][\w.&-]*(?: [A-ZÁÉÍÓÚÑ][\w.&-]*)*")
HOW_MANY: Final = {"openai": (4, 7), "anthropic": (3, 5), "google": (4, 6), "perplexity": (3, 6)}
ADVICE: Final = {"openai": 0.5, "anthropic": 0.3, "google": 0.6, "perplexity": 0.1}
IGNORANCE: Final = {"openai": 0.07, "anthropic": 0.14, "google": 0.06, "perplexity": 0.03}


class Composer:
    """Writes the models' answers. `epoch` is the day on which the vendors have their stated strength."""

    def __init__(self, seed: int, epoch: date) -> None:
        self.seed, self.epoch = seed, epoch

    def compose(self, provider: str, ask: Ask, day: date, sample: int, searches: int) -> Composed:
        """Return an answer to a prompt, in the language of the instructions or else of the prompt."""
        rng = dice(self.seed, provider, ask.model, ask.prompt, day, sample)
        language = language_of(ask.prompt, ask.instructions)
        place = phrases(language)["places"].get(country(ask), phrases(language)["place"])
        market = market_of(ask.prompt)
        if market is None:
            return self.compose_unknown(ask.prompt, language, rng, searches)
        ranking = market.ranking(provider, ask.prompt, day, self.epoch, self.seed, sample, ask.model)
        text, vendors = self.write(provider, ask, AnswerContents(language, place, market, ranking, rng), bool(searches))
        citations = cite(text, market, vendors, language, rng) if searches else ()
        return Composed(text, citations, queries(language, market.noun[language], place, rng, searches))

    def write(self, provider: str, ask: Ask, contents: AnswerContents, searched: bool) -> tuple[str, Sequence[Vendor]]:
        prompt, rng = ask.prompt, contents.rng
        named = contents.market.named(prompt)
        others = [vendor for vendor in contents.vendors if vendor not in named]
        some = others[: rng.randint(*HOW_MANY[provider])]
        unknown = "" if named else unknown_name(prompt)
        if ALTERNATIVES.search(prompt) and (named or unknown):
            brand = named[0].name if named else unknown
            opening = contents.say("alternatives", brand=brand)
            return self.write_list(provider, with_vendors(contents, some), opening), some
        if len(named) > 1 and VERSUS.search(prompt):
            return self.write_versus(with_vendors(contents, named)), named
        if (named or unknown) and OPINION.search(prompt):
            return self.write_opinion(provider, named, unknown, contents, some, searched), [
                *named[:1],
                *some[:2],
            ]
        if STEPS.search(prompt):
            picked = [*named, *some]
            return "\n".join(steps(with_vendors(contents, picked))), picked[:2]
        picked = list(contents.vendors[: rng.randint(*HOW_MANY[provider])])
        return self.write_list(provider, with_vendors(contents, picked)), picked

    def write_list(self, provider: str, contents: AnswerContents, opening: str = "") -> str:
        lines = choose(provider, contents.rng)(contents)
        if contents.rng.random() < ADVICE[provider]:
            lines += criteria(contents)
        return "\n".join([opening, "", *lines[2:]] if opening else lines)

    def write_versus(self, contents: AnswerContents) -> str:
        return "\n".join([contents.say("versus"), "", *table(contents)[2:]])

    def write_opinion(
        self,
        provider: str,
        named: Sequence[Vendor],
        unknown: str,
        contents: AnswerContents,
        some: Sequence[Vendor],
        searched: bool,
    ) -> str:
        ignorance = IGNORANCE[provider] * (0.3 if searched else 1.0) if named else 0.55
        view = with_vendors(contents, some)
        brand = named[0].name if named else unknown
        if contents.rng.random() < ignorance:
            return view.say("absence", brand=brand)
        if not named:
            return view.say("opinion_unknown", brand=brand)
        return "\n".join(review(with_vendors(contents, [named[0], *some])))

    def compose_unknown(self, prompt: str, language: str, rng: Random, searches: int) -> Composed:
        """Return an answer to a prompt outside the known markets."""
        words: dict[str, Any] = phrases(language)
        name = unknown_name(prompt)
        topic = prompt.strip("¿?¡!. ")[:60]
        lines = [rng.choice(words["generic_intro"]), ""]
        if name and OPINION.search(prompt):
            lines = [rng.choice(words["opinion_unknown"]).format(brand=name), ""]
        points = rng.sample(words["generic"], rng.randint(3, 5))
        lines += [f"{n}. {text}" if len(name) % 2 else f"- {text}" for n, text in enumerate(points, 1)]
        return Composed("\n".join(lines), (), queries(language, topic, "", rng, searches))


def with_vendors(contents: AnswerContents, vendors: Sequence[Vendor]) -> AnswerContents:
    return AnswerContents(contents.language, contents.place, contents.market, vendors, contents.rng)


def country(ask: Ask) -> str:
    """Return the country in the request's search tool, or else in its instructions."""
    for tool in ask.echo.get("tools") or []:
        place = (tool.get("user_location") or {}).get("country")
        if place:
            return str(place)
    return country_of(ask.instructions)


def unknown_name(prompt: str) -> str:
    match = UNKNOWN_NAME.search(prompt)
    return match[0].rstrip(".") if match else ""


def queries(language: str, noun: str, place: str, rng: Random, searches: int) -> tuple[str, ...]:
    texts = phrases(language)["query"]
    rng.shuffle(texts := list(texts))
    made = [text.format(noun=noun, place=place).strip() for text in texts]
    return tuple(made[at % len(made)] + (f" {at + 1}" if at >= len(made) else "") for at in range(searches))


def cite(text: str, market: Market, vendors: Iterable[Vendor], language: str, rng: Random) -> tuple[CitedPage, ...]:
    """Return the pages that an answer cites: third parties first, then some of the named vendors."""
    lines = text.split("\n")
    open_lines = [at for at, line in enumerate(lines) if len(line) > 24 and line[0] not in "|#"]
    pages = rng.sample(market.sources, rng.randint(2, 4))
    cited = [
        CitedPage(
            page["url"],
            page["title"][language],
            host(page["url"]),
            snippet(page["title"][language]),
            pick(rng, open_lines),
        )
        for page in pages
    ]
    for vendor in vendors:
        if rng.random() < 0.45:
            title = f"{vendor.name} | {vendor.texts[language]['what']}"
            line = next((at for at in open_lines if vendor.name in lines[at]), pick(rng, open_lines))
            cited.append(CitedPage(vendor.url, title, vendor.domain, snippet(vendor.texts[language]["what"]), line))
    return tuple(cited)


def pick(rng: Random, lines: Sequence[int]) -> int:
    return rng.choice(lines) if lines else 0


def snippet(text: str) -> str:
    return f"{text}. …"


def host(url: str) -> str:
    return url.split("/")[2].removeprefix("www.")
