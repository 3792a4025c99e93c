"""The denials of each language, compiled from their data into patterns over a sentence with masked names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "es", "fr", "de", "it", "pt")
FOLDER = Path(__file__).parents[1] / "data" / "absence"
NAME, UNTRACKED = "\ue000", "\ue001"
LEGAL_FORM = (
    r"(?:,?\s(?:inc|ltd|llc|plc|corp|co|gmbh|ag|ug|kg|s\.?\s?l\.?(?:u\.?)?|s\.?a\.?(?:s\.?|u\.?)?|sarl|s\.?\s?r\.?\s?l"
    r"|s\.?p\.?a|ltda|lda|bv|b\.v)(?!\w)\.?)?"
)
QUOTED_NAME = f"(?:[\"']\\s?)?[{NAME}{UNTRACKED}]{LEGAL_FORM}(?:\\s?[\"'])?"
CLAUSE = r"^|(?<=[,;:(—])|(?<=[,;:(—]\s)|(?<=\s-\s)"
ENDINGS = ("(?:{loc}|{stop})", "{stop}", "{end}", "{loc}")
BREAK = r"(?:\s|(?<='))"
ASIDE = rf"(?:\s?,\s[^,.;:!?{NAME}]{{1,40}},)?"
"""What may stand between an entity and its predicate: `Holded, on the other hand, is not listed`."""


@dataclass(frozen=True, slots=True)
class Denials:
    """The patterns of one language, each with the denied names in group `o`."""

    patterns: tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """The pieces of a language's patterns, as the inside of regular expressions."""

    data: dict[str, Any]

    def words(self, key: str) -> str:
        """A list of words as an alternation, the longest first."""
        return "|".join(sorted((re.escape(word) for word in self.data[key]), key=len, reverse=True))

    @property
    def filler(self) -> str:
        """Articles and class words before a name, but for what the name owns: `a competitor of Holded` is another."""
        elided = "".join(f"|{re.escape(word)}" for word in self.data["elided"])
        owned = rf"(?:{self.words('owned')})(?!\s(?:{self.words('of')})\s?{QUOTED_NAME})"
        return rf"(?:(?:{self.words('filler')}|{owned})\s{elided}){{0,6}}"

    @property
    def described(self) -> str:
        """What the name belongs to, in one phrase without another noun: `a widely known Spanish company called`."""
        return rf"{self.phrase}(?:{self.data['called']})\s"

    @property
    def phrase(self) -> str:
        """The opening of a description, up to a word of its own: `a widely known Spanish company`."""
        word = rf"(?!(?:{self.words('breaks')})\b)[\w-]{{1,30}},?\s(?:(?:{self.words('conj')})\s)?"
        return rf"(?:{self.data['determiners']}){BREAK}(?:{word}){{1,6}}?"

    @property
    def names(self) -> str:
        """One name or a joined list of them."""
        item = f"{self.filler}{QUOTED_NAME}"
        conj = self.words("conj")
        joint = rf"(?:\s?,\s(?:(?:{conj})\s)?|\s?/\s?|\s?&\s?|\s(?:{conj})\s)"
        return f"(?P<described>{self.described})?{item}(?:{joint}{item}){{0,8}}"

    @property
    def denied(self) -> str:
        """The names as the captured object of a denial."""
        return f"(?P<o>{self.names})"

    @property
    def tail(self) -> str:
        """What may follow a denied name; after a description also more of it: `a company called X based in Spain`."""
        return (
            rf"(?:(?(described)(?=\s(?:{self.data['placed']})\b)|(?!))|(?=\s?$|\s?[.,;:!?)\]—(]|\s?[\"'](?=\W|$)|\s-\s|\s(?:{self.words('but')})\b"
            rf"|\s(?:{self.words('conj')})\b(?!\s{self.filler}{QUOTED_NAME})"
            rf"|\s(?:{self.data['tail']})(?:(?<=')|(?!\w))|{self.listed}))"
        )

    @property
    def listed(self) -> str:
        """A participle that closes the denial of a name: `I don't see Holded mentioned in any of the sources`."""
        where = rf"(?:{self.location}|\s(?:{self.data['nowhere']}))?"
        return rf"\s(?:{self.data['listed']}){where}(?=\s?$|\s?[.,;:!?)])"

    @property
    def stop(self) -> str:
        """The end of the clause after a predicate: `does not appear in Germany` denies nothing."""
        return rf"(?!\s(?:{self.data['loc_in']})\b){self.tail}"

    @property
    def location(self) -> str:
        """`in the list`, in this language."""
        return rf"(?:\s(?:{self.data['loc_in']}){BREAK}(?:[\w-]+(?:\s|')){{0,4}}?(?:{self.data['nouns']})\b)"

    @property
    def then(self) -> str:
        """What may stand between a search for a name and what it did not yield."""
        return rf"{self.tail}[^.;!?{NAME}]{{0,40}}?(?:\b|(?<=\s))"

    @property
    def missing(self) -> str:
        """The opening of a denial with what is missing: `I have no reliable information`."""
        adj = self.words("adj")
        elided = "".join(f"|{re.escape(word)}" for word in self.data["elided"])
        return (
            rf"(?:{self.choice('deny')})\b\s?(?:(?:{adj})\b,?\s?{elided}){{0,5}}(?:{self.data['info']})\b"
            rf"(?:\s(?:{adj})\b|\s\w+ly\b){{0,3}}"
        )

    @property
    def start(self) -> str:
        """Where a clause may start with its subject."""
        opened = r"(?<=[.,;:!?(\"—])|(?<=[.,;:!?(\"—]\s)|(?<=\s-\s)"
        return rf"(?:^\W{{0,10}}|{opened}|\b(?:{self.words('starts')}){BREAK})"

    def choice(self, key: str) -> str:
        """A list of expressions as an alternation, filled in; those that end alike share their end, which is long."""
        by_ending: dict[str, list[str]] = {}
        for entry in self.data[key]:
            ending = next((each for each in ENDINGS if entry.endswith(each)), "")
            by_ending.setdefault(ending, []).append(f"(?:{self.filled(entry.removesuffix(ending))})")
        return "|".join(f"(?:{'|'.join(entries)}){self.filled(ending)}" for ending, entries in by_ending.items())

    def filled(self, entry: str) -> str:
        """An expression of the data with its marks replaced."""
        parts = {"{loc}": "location", "{end}": "tail", "{stop}": "stop", "{tail}": "tail", "{o}": "denied"}
        parts |= {"{missing}": "missing", "{then}": "then", "{described}": "described", "{phrase}": "phrase"}
        entry = entry.replace("{clause}", CLAUSE).replace("{nouns}", self.data["nouns"])
        entry = entry.replace("{unknown}", self.data["unknown"]).replace("{info}", self.data["info"])
        for mark, part in parts.items():
            if mark in entry:
                entry = entry.replace(mark, getattr(self, part))
        return entry

    def patterns(self) -> Iterable[str]:
        """Every pattern of the language."""
        missing, tail, denied, start = self.missing, self.tail, self.denied, self.start
        front = rf"(?:{self.words('front')}){BREAK}"
        gap = rf"(?:[^.;!?{NAME}]{{0,60}}?(?:\b|(?<=\s)))"
        about = self.data["pronoun_about"]
        yield rf"{missing}\s(?:(?:{self.words('conj')}|neither|weder)\s)?(?:{self.data['about']}){BREAK}{denied}{tail}"
        if self.data["direct"]:
            yield rf"(?:{self.choice('direct')})\b\s?{denied}{tail}"
        yield rf"{start}{denied}{ASIDE}\s?(?:{self.choice('after')})"
        yield rf"{start}{front}{denied}\s?[,:]?\s{gap}{missing}{about}{tail}"
        yield rf"{start}{front}{denied}\s?,\s(?:\w+,?\s)?(?:{self.choice('after')}|{self.choice('pronoun')})"
        yield rf"^\W{{0,10}}{denied}\s?(?:[:,(—]|\s?-(?=\s))\s?{gap}(?:{missing}{about}{tail}|{self.choice('pronoun')})"
        yield rf"{start}{denied}\s(?:{self.data['is']})\s{self.phrase}(?:{self.filled(self.data['unknown'])}){tail}"
        yield rf"{denied}\s?,?\s(?:{self.data['because']})\s{missing}{about.removesuffix('?')}{tail}"
        yield from (self.filled(entry) for entry in self.data["whole"])


@cache
def denials(language: str) -> Denials:
    """The denials of one language, compiled when its words are first met."""
    grammar = Grammar(tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8")))
    return Denials(tuple(re.compile(pattern) for pattern in grammar.patterns()))


@dataclass(frozen=True, slots=True)
class Sign:
    """What every denial of a language contains: a word of negation, and some other word of the language.

    `fronts` are the words that open "As for Holded, I have no data".
    """

    negation: frozenset[str]
    fronts: frozenset[str]
    hint: re.Pattern[str]


def read_sign(language: str) -> Sign:
    """The sign of one language."""
    data = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    fronts = frozenset(front.split()[0] for front in data["front"])
    return Sign(frozenset(data["negation"]), fronts, re.compile(data["hint"]))


SIGNS = {language: read_sign(language) for language in LANGUAGES}
NEGATIONS = frozenset().union(*(sign.negation for sign in SIGNS.values()))
FRONTS = frozenset().union(*(sign.fronts for sign in SIGNS.values()))
