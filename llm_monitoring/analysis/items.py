"""An item of a ranking: the number it shows, who holds it, and whether it names an option at all."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_monitoring.analysis.blocks import Prose
from llm_monitoring.analysis.folding import fold
from llm_monitoring.analysis.phrases import CATEGORY, NO_OPTION, NO_OPTION_WHOLE
from llm_monitoring.analysis.subjects import Named, Subject, holders, read_opening, read_subject

QUESTION = re.compile("[?？¿]")
LABEL_LENGTH = 120
PARTS = re.compile(r"\s*(?:[:：–—(（|]|\s-\s)\s*")
CONNECTORS = frozenset("a al and by da das de del della der des di do dos du e et for für i la of und y".split())


@dataclass(frozen=True, slots=True)
class Entry:
    """An item: the number that it shows, who holds it, what it is about and whether that could be an option."""

    number: int | None
    holders: tuple[int, ...]
    label: str
    position: int
    opened: bool = False


@dataclass(slots=True)
class Ranking:
    """A ranking of one kind, in the order of its items."""

    kind: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def start(self) -> int:
        """Where it starts in the visible text."""
        return self.entries[0].position


@dataclass(slots=True)
class Context:
    """The answer under analysis: its text and the occurrences in it, in order."""

    text: str
    named: Sequence[Named]
    starts: list[int]
    read: dict[tuple[int, int, int | None], Entry] = field(default_factory=dict)

    def named_in(self, prose: Prose) -> Sequence[Named]:
        """The occurrences that start within a stretch."""
        return self.named[bisect_left(self.starts, prose.start) : bisect_left(self.starts, prose.end)]

    def entry(self, prose: Prose, subject: Subject, number: int | None) -> Entry:
        """An item read."""
        named = self.named_in(prose)
        held = holders(self.text, subject, named, prose.end)
        opened = any(one.match.start == subject.start for one in named[:1])
        return Entry(number, held, self.text[subject.start : subject.end].strip(), prose.start, opened)

    def item(self, prose: Prose, number: int | None = None) -> Entry:
        """An item of a list, a cell or a paragraph: its own number wins only where none is given."""
        key = (prose.start, prose.end, number)
        if key not in self.read:
            opening = read_opening(self.text, prose)
            shown = number if number is not None else opening.number
            self.read[key] = self.entry(prose, read_subject(self.text, prose, opening), shown)
        return self.read[key]

    def heading(self, prose: Prose) -> Entry:
        """A heading: its whole text is the subject."""
        opening = read_opening(self.text, prose)
        return self.entry(prose, Subject(opening.position, prose.end, True), opening.number)


def names_option(entry: Entry) -> bool:
    """Whether an item could name an option: not a question, not a conclusion, criterion or piece of advice."""
    if QUESTION.search(entry.label):
        return False
    if entry.opened:
        return True
    folded = fold(entry.label[:LABEL_LENGTH]).text.strip(" .:!*")
    return bool(folded) and NO_OPTION.match(folded) is None and PARTS.split(folded)[0] not in NO_OPTION_WHOLE


def reads_as_name(label: str) -> bool:
    """Whether a label, or what stands after its colon or dash, is written as names are."""
    parts = [part for part in PARTS.split(label) if part]
    if len(parts) > 1 and capitalised(parts[-1]):
        return True
    return bool(parts) and CATEGORY.match(fold(parts[0][:LABEL_LENGTH]).text) is None and capitalised(parts[0])


def capitalised(part: str) -> bool:
    """One word, or words that are all capitalised but for connectors."""
    words = [word for word in re.findall(r"[\w.&'’+-]+", part) if word.lower() not in CONNECTORS]
    if len(words) <= 1:
        return bool(words)
    return len(words) <= 6 and all(not word[0].islower() for word in words)
