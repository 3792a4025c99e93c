"""The shapes of an answer in Markdown: lists, headings, tables, bold paragraphs, prose, reviews, steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from llm_monitoring.demo.answers.market import Market, Vendor, phrases

MEDALS: Final = ("🥇", "🥈", "🥉")


@dataclass(frozen=True, slots=True)
class Scene:
    """What an answer is made of: the vendors in order, the language, and the dice that choose the words."""

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
        """Return how the answer writes a vendor: its name, an alias or a link."""
        chance = self.rng.random()
        if vendor.alias and chance < 0.3:
            return vendor.alias
        return f"[{vendor.name}]({vendor.url})" if chance > 0.94 else vendor.name

    def about(self, vendor: Vendor) -> str:
        """Return a sentence or two about a vendor; some name a rival or the vendor's site."""
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


def numbered(scene: Scene) -> list[str]:
    lazy, plain = scene.rng.random() < 0.12, scene.rng.random() < 0.2
    lines = [scene.say("intro"), ""]
    for number, vendor in enumerate(scene.vendors, 1):
        name = scene.name(vendor)
        lines.append(f"{1 if lazy else number}. {name if plain else f'**{name}**'}: {scene.about(vendor)}")
    return [*lines, "", scene.say("conclusion")]


def medals(scene: Scene) -> list[str]:
    lines = [scene.say("intro"), ""]
    for at, vendor in enumerate(scene.vendors):
        mark = MEDALS[at] if at < len(MEDALS) else f"{at + 1}."
        lines += [f"{mark} **{scene.name(vendor)}** – {scene.about(vendor)}", ""]
    return [*lines, scene.say("conclusion")]


def headings(scene: Scene) -> list[str]:
    count, words = scene.rng.random() < 0.5, phrases(scene.language)
    lines = [scene.say("intro"), ""]
    for number, vendor in enumerate(scene.vendors, 1):
        facts = scene.facts(vendor)
        lines += [f"### {f'{number}. ' if count else ''}{scene.name(vendor)}", f"{facts['what']}.", ""]
        lines += [
            f"- **{words['pros']}:** {facts['pro']}, {facts['pro2']}",
            f"- **{words['cons']}:** {facts['con']}",
        ]
        lines += [f"- **{words['fit']}:** {facts['fit']}", ""]
    return [*lines, f"### {words['conclusion_heading']}", scene.say("conclusion")]


def table(scene: Scene) -> list[str]:
    head, ranked = list(phrases(scene.language)["table_head"]), scene.rng.random() < 0.25
    rows = []
    for number, vendor in enumerate(scene.vendors, 1):
        facts = scene.facts(vendor)
        cells = [f"**{scene.name(vendor)}**", facts["fit"], facts["pro"], facts["price"]]
        rows.append([str(number), *cells] if ranked else cells)
    if ranked:
        head.insert(0, scene.word("rank"))
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return [scene.say("intro"), "", *lines, "", scene.say("conclusion")]


def bullets(scene: Scene) -> list[str]:
    lines = [scene.say("intro"), ""]
    lines += [f"- **{scene.name(vendor)}**: {scene.about(vendor)}" for vendor in scene.vendors]
    return [*lines, "", scene.say("conclusion")]


def labels(scene: Scene) -> list[str]:
    words = scene.rng.sample(phrases(scene.language)["labels"], min(6, len(scene.vendors)))
    lines = [scene.say("intro"), ""]
    pairs = zip(words, scene.vendors, strict=False)
    lines += [f"- **{label}: {vendor.name}.** {scene.say('short', vendor)}." for label, vendor in pairs]
    return [*lines, "", scene.say("conclusion")]


def bold(scene: Scene) -> list[str]:
    lines = [f"## {scene.word('list_heading')}", ""]
    for vendor in scene.vendors:
        lines += [f"**{scene.name(vendor)}** — {scene.about(vendor)}", ""]
    return [*lines, scene.say("conclusion")]


def prose(scene: Scene) -> list[str]:
    common = scene.common()
    first, second, third = (*scene.vendors, *scene.vendors, *scene.vendors)[:3]
    two, three = scene.facts(second), scene.facts(third)
    known = scene.facts(first) | common
    known |= {"pro_second": two["pro"], "fit_second": two["fit"], "pro_third": three["pro"]}
    sentences = [text.format_map(known) for text in phrases(scene.language)["prose"]]
    return [sentences[0], "", " ".join(sentences[1:3]), "", " ".join(sentences[3:])]


def criteria(scene: Scene) -> list[str]:
    """A closing section that ranks nobody."""
    known = scene.rng.sample(scene.market.criteria[scene.language], 3)
    return [
        "",
        f"### {scene.word('criteria_heading')}",
        "",
        *[f"- {text[0].upper()}{text[1:]}" for text in known],
    ]


def steps(scene: Scene) -> list[str]:
    known = scene.common()
    lines = [scene.pick("steps_intro"), ""]
    lines += [f"{n}. {text.format_map(known)}" for n, text in enumerate(phrases(scene.language)["steps"], 1)]
    return [*lines, "", scene.say("conclusion")]


def review(scene: Scene) -> list[str]:
    """A review of the first vendor, with its rivals at the end."""
    brand, words = scene.vendors[0], phrases(scene.language)
    facts, text = scene.facts(brand), brand.texts[scene.language]
    lines = [scene.say("opinion", brand, brand=brand.name), ""]
    lines += [f"**{words['pros']}**", "", *[f"- {pro}" for pro in text["pros"]], ""]
    lines += [f"**{words['cons']}**", "", *[f"- {con}" for con in text["cons"]], ""]
    lines += [f"**{words['price']}:** {facts['price']}."]
    if scene.rng.random() < 0.6:
        lines += ["", scene.say("rival", brand, rival=scene.vendors[1].name)]
    return lines


LAYOUTS: Final[dict[str, Callable[[Scene], list[str]]]] = {
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


def choose(provider: str, rng: Random) -> Callable[[Scene], list[str]]:
    taste: dict[str, Any] = TASTES[provider]
    return LAYOUTS[rng.choices(list(taste), list(taste.values()))[0]]
