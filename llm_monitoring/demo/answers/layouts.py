"""The layouts of an answer in Markdown: lists, headings, tables, bold paragraphs, prose, reviews, steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from llm_monitoring.demo.answers.market import Market, Vendor, phrases

MEDALS: Final = ("🥇", "🥈", "🥉")


@dataclass(frozen=True, slots=True)
class AnswerContents:
    """The contents of an answer: the vendors in order, the language, and the generator that chooses the words."""

    language: str
    place: str
    market: Market
    vendors: Sequence[Vendor]
    rng: Random

    def pick(self, kind: str) -> str:
        return str(self.rng.choice(phrases(self.language)[kind]))

    def word(self, kind: str) -> str:
        return str(phrases(self.language)[kind])

    def facts(self, vendor: Vendor) -> dict[str, str]:
        """Return the words that a sentence about a vendor may use."""
        text = vendor.texts[self.language]
        pros = self.rng.sample(text["pros"], 2)
        return {
            "what": text["what"],
            "what_lower": lower_first(text["what"]),
            "pro": pros[0],
            "pro2": pros[1],
            "con": self.rng.choice(text["cons"]),
            "price": text["price"],
            "price_lower": lower_first(text["price"]),
            "fit": text["fit"],
        }

    def common(self) -> dict[str, str]:
        """Return the words about the whole answer."""
        one, two, three = self.rng.sample(self.market.criteria[self.language], 3)
        first, second, third = (*self.vendors, *self.vendors, *self.vendors)[:3]
        names = [vendor.name for vendor in self.vendors]
        listed = f"{', '.join(names[:-1])} {self.word('and')} {names[-1]}" if len(names) > 1 else names[0]
        return {
            "noun": self.market.noun[self.language],
            "place": self.place,
            "criterion": one,
            "criterion2": two,
            "criterion3": three,
            "first": first.name,
            "second": second.name,
            "third": third.name,
            "names": listed,
        }

    def say(self, kind: str, vendor: Vendor | None = None, **more: str) -> str:
        known = self.facts(vendor or self.vendors[0]) | self.common() | more
        return self.pick(kind).format_map(known)

    def name(self, vendor: Vendor) -> str:
        """Return a vendor's name as the answer writes it: the name, an alias or a link."""
        chance = self.rng.random()
        if vendor.alias and chance < 0.3:
            return vendor.alias
        return f"[{vendor.name}]({vendor.url})" if chance > 0.94 else vendor.name

    def about(self, vendor: Vendor) -> str:
        """Return a sentence or two about a vendor; some name a competitor or the vendor's site."""
        text = self.say("item", vendor)
        chance = self.rng.random()
        if chance < 0.16:
            rival = self.rng.choice([other for other in self.market.vendors if other is not vendor])
            text += " " + self.say("rival", vendor, rival=rival.name)
        elif chance > 0.92:
            text += f" Web: {vendor.domain}."
        return text


def lower_first(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def numbered(contents: AnswerContents) -> list[str]:
    lazy, plain = contents.rng.random() < 0.12, contents.rng.random() < 0.2
    lines = [contents.say("intro"), ""]
    for number, vendor in enumerate(contents.vendors, 1):
        name = contents.name(vendor)
        lines.append(f"{1 if lazy else number}. {name if plain else f'**{name}**'}: {contents.about(vendor)}")
    return [*lines, "", contents.say("conclusion")]


def medals(contents: AnswerContents) -> list[str]:
    lines = [contents.say("intro"), ""]
    for at, vendor in enumerate(contents.vendors):
        mark = MEDALS[at] if at < len(MEDALS) else f"{at + 1}."
        lines += [f"{mark} **{contents.name(vendor)}** – {contents.about(vendor)}", ""]
    return [*lines, contents.say("conclusion")]


def headings(contents: AnswerContents) -> list[str]:
    count, words = contents.rng.random() < 0.5, phrases(contents.language)
    lines = [contents.say("intro"), ""]
    for number, vendor in enumerate(contents.vendors, 1):
        facts = contents.facts(vendor)
        lines += [f"### {f'{number}. ' if count else ''}{contents.name(vendor)}", f"{facts['what']}.", ""]
        lines += [
            f"- **{words['pros']}:** {facts['pro']}, {facts['pro2']}",
            f"- **{words['cons']}:** {facts['con']}",
        ]
        lines += [f"- **{words['fit']}:** {facts['fit']}", ""]
    return [*lines, f"### {words['conclusion_heading']}", contents.say("conclusion")]


def table(contents: AnswerContents) -> list[str]:
    head, ranked = list(phrases(contents.language)["table_head"]), contents.rng.random() < 0.25
    rows = []
    for number, vendor in enumerate(contents.vendors, 1):
        facts = contents.facts(vendor)
        cells = [f"**{contents.name(vendor)}**", facts["fit"], facts["pro"], facts["price"]]
        rows.append([str(number), *cells] if ranked else cells)
    if ranked:
        head.insert(0, contents.word("rank"))
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return [contents.say("intro"), "", *lines, "", contents.say("conclusion")]


def bullets(contents: AnswerContents) -> list[str]:
    lines = [contents.say("intro"), ""]
    lines += [f"- **{contents.name(vendor)}**: {contents.about(vendor)}" for vendor in contents.vendors]
    return [*lines, "", contents.say("conclusion")]


def labels(contents: AnswerContents) -> list[str]:
    words = contents.rng.sample(phrases(contents.language)["labels"], min(6, len(contents.vendors)))
    lines = [contents.say("intro"), ""]
    pairs = zip(words, contents.vendors, strict=False)
    lines += [f"- **{label}: {vendor.name}.** {contents.say('short', vendor)}." for label, vendor in pairs]
    return [*lines, "", contents.say("conclusion")]


def bold(contents: AnswerContents) -> list[str]:
    lines = [f"## {contents.word('list_heading')}", ""]
    for vendor in contents.vendors:
        lines += [f"**{contents.name(vendor)}** — {contents.about(vendor)}", ""]
    return [*lines, contents.say("conclusion")]


def prose(contents: AnswerContents) -> list[str]:
    common = contents.common()
    first, second, third = (*contents.vendors, *contents.vendors, *contents.vendors)[:3]
    two, three = contents.facts(second), contents.facts(third)
    known = contents.facts(first) | common
    known |= {"pro_second": two["pro"], "fit_second": two["fit"], "pro_third": three["pro"]}
    sentences = [text.format_map(known) for text in phrases(contents.language)["prose"]]
    return [sentences[0], "", " ".join(sentences[1:3]), "", " ".join(sentences[3:])]


def criteria(contents: AnswerContents) -> list[str]:
    """Return a closing section without vendors."""
    known = contents.rng.sample(contents.market.criteria[contents.language], 3)
    return [
        "",
        f"### {contents.word('criteria_heading')}",
        "",
        *[f"- {text[0].upper()}{text[1:]}" for text in known],
    ]


def steps(contents: AnswerContents) -> list[str]:
    known = contents.common()
    lines = [contents.pick("steps_intro"), ""]
    lines += [f"{n}. {text.format_map(known)}" for n, text in enumerate(phrases(contents.language)["steps"], 1)]
    return [*lines, "", contents.say("conclusion")]


def review(contents: AnswerContents) -> list[str]:
    """Return a review of the first vendor, with a competitor at the end."""
    brand, words = contents.vendors[0], phrases(contents.language)
    facts, text = contents.facts(brand), brand.texts[contents.language]
    lines = [contents.say("opinion", brand, brand=brand.name), ""]
    lines += [f"**{words['pros']}**", "", *[f"- {pro}" for pro in text["pros"]], ""]
    lines += [f"**{words['cons']}**", "", *[f"- {con}" for con in text["cons"]], ""]
    lines += [f"**{words['price']}:** {facts['price']}."]
    if contents.rng.random() < 0.6:
        lines += ["", contents.say("rival", brand, rival=contents.vendors[1].name)]
    return lines


LAYOUTS: Final[dict[str, Callable[[AnswerContents], list[str]]]] = {
    "numbered": numbered,
    "medals": medals,
    "headings": headings,
    "table": table,
    "bullets": bullets,
    "labels": labels,
    "bold": bold,
    "prose": prose,
}
TASTES: Final[dict[str, dict[str, int]]] = {
    "openai": {
        "numbered": 30,
        "headings": 24,
        "table": 12,
        "bullets": 14,
        "labels": 8,
        "medals": 4,
        "prose": 8,
    },
    "anthropic": {"headings": 20, "bullets": 24, "bold": 16, "prose": 20, "numbered": 12, "table": 8},
    "google": {"numbered": 28, "headings": 22, "table": 22, "bullets": 14, "medals": 6, "labels": 8},
    "perplexity": {"bullets": 30, "numbered": 24, "table": 18, "prose": 18, "bold": 10},
}


def choose(provider: str, rng: Random) -> Callable[[AnswerContents], list[str]]:
    taste: dict[str, Any] = TASTES[provider]
    return LAYOUTS[rng.choices(list(taste), list(taste.values()))[0]]
