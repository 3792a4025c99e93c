"""An item of a ranking: the number it shows, who holds it, and whether it names an option at all."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from llm_monitoring.analysis.rankings.options import Naming, folded, item_naming, label_naming
from llm_monitoring.analysis.rankings.subjects import (
    Joining,
    Named,
    Opening,
    Subject,
    holders,
    lines_of,
    past_place,
    read_opening,
    read_subject,
)
from llm_monitoring.analysis.text.blocks import Prose

SENTENCES = (Naming.SENTENCE, Naming.ARTICLE_SENTENCE)


@dataclass(frozen=True, slots=True)
class Entry:
    """An item: the number that it shows, who holds it, what it is about and how that names an option.

    `first` is the first entity named in its subject, `form` the subject with that name left out.
    """

    number: int | None
    holders: tuple[int, ...]
    label: str
    position: int
    naming: Naming
    first: int | None = None
    form: str = ""

    def unnumbered(self) -> Entry:
        """The item as one that shows no number."""
        return self if self.number is None else replace(self, number=None)

    def emptied(self) -> Entry:
        """The item as one that names no option; it still counts."""
        return replace(self, holders=(), naming=Naming.NONE)


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
    """The answer under analysis: its text, the occurrences in it in order, and what its blocks say of its items.

    `places` are those of items with a letter or a trophy by the position at which they start, `arguments` the
    positions of the items that stand under a label such as "Pros": a sentence there names no option, `lone` the
    positions of headings and lines with a number or medal that no other continues: it is decoration.
    """

    text: str
    named: Sequence[Named]
    starts: list[int]
    joining: Joining
    places: dict[int, int] = field(default_factory=dict)
    arguments: set[int] = field(default_factory=set)
    lone: set[int] = field(default_factory=set)
    openings: dict[tuple[int, int], Opening] = field(default_factory=dict)
    read: dict[tuple[int, int, int | None], Entry] = field(default_factory=dict)
    split: dict[tuple[int, int], list[Prose]] = field(default_factory=dict)

    def named_between(self, start: int, end: int) -> Sequence[Named]:
        """The occurrences that start within a stretch of the text."""
        first = bisect_left(self.starts, start)
        return self.named[first : bisect_left(self.starts, end, first)]

    def entry(self, prose: Prose, subject: Subject, number: int | None) -> Entry:
        """An item read."""
        named = self.named_between(subject.start, prose.end)
        label = self.text[subject.start : subject.end].strip()
        if not named or named[0].match.start >= subject.end:
            naming = (label_naming if subject.whole else item_naming)(label, None, "")
            return Entry(number, (), label, prose.start, naming)
        first = named[0].match
        before, after = self.text[subject.start : first.start], self.text[first.end : subject.end]
        naming = Naming.OPTION
        if before or after:
            naming = (label_naming if subject.whole else item_naming)(label, before, after)
        if naming in SENTENCES and prose.start in self.arguments:
            naming = Naming.NONE
        held = () if naming is Naming.NONE else holders(self.text, subject, named, prose.end, self.joining)
        form = folded(f"{before}\0{after}").strip() if naming is Naming.SECTION else ""
        return Entry(number, held, label, prose.start, naming, first.owner, form)

    def lines(self, prose: Prose) -> list[Prose]:
        """The lines of a paragraph."""
        if not prose.lines:
            return [prose]
        key = (prose.start, prose.end)
        if key not in self.split:
            self.split[key] = lines_of(prose)
        return self.split[key]

    def opening(self, prose: Prose) -> Opening:
        """How a stretch opens: the number it shows, and where its words begin."""
        key = (prose.start, prose.end)
        if key not in self.openings:
            self.openings[key] = read_opening(self.text, prose, self.places.get(prose.start))
        return self.openings[key]

    def shows_number(self, prose: Prose) -> bool:
        """Whether a stretch opens with a number, a letter of a list or a medal."""
        return self.opening(prose).number is not None and prose.start not in self.lone

    def item(self, prose: Prose, number: int | None = None) -> Entry:
        """An item of a list, a cell or a paragraph: its own number wins only if none is given."""
        key = (prose.start, prose.end, number)
        if key not in self.read:
            opening = self.opening(prose)
            if number is not None:
                opening = past_place(self.text, opening, prose.end)
            shown = number if number is not None else opening.number
            self.read[key] = self.entry(prose, read_subject(self.text, prose, opening, self.joining), shown)
        return self.read[key]

    def heading(self, prose: Prose) -> Entry:
        """A heading: its whole text is the subject."""
        opening = self.opening(prose)
        return self.entry(prose, Subject(opening.position, prose.end, True), opening.number)


def settled(entries: Sequence[Entry]) -> list[Entry]:
    """The items of one block, as they name options together.

    Sentences name options only if most items of the block name one and no two sentences open with the same name; with
    an article before the name, only if all items do. A section's word is part of an option's name only if another
    item has the same form with another name.
    """
    return settled_sentences(settled_sections(entries))


def settled_sections(entries: Sequence[Entry]) -> list[Entry]:
    """Keeps items in the form of a section only if siblings of that form name another option."""
    sections = {(entry.form, entry.first) for entry in entries if entry.naming is Naming.SECTION}
    if not sections:
        return list(entries)
    names = Counter(form for form, _ in sections)
    return [
        entry
        if entry.naming is not Naming.SECTION
        else replace(entry, naming=Naming.OPTION)
        if names[entry.form] > 1
        else entry.emptied()
        for entry in entries
    ]


def settled_sentences(entries: Sequence[Entry]) -> list[Entry]:
    """Keeps sentences that open with a name only if the whole block reads so."""
    openers = [entry for entry in entries if entry.naming in SENTENCES]
    if not openers:
        return list(entries)
    naming = len(openers) + sum(entry.naming is Naming.OPTION for entry in entries)
    distinct = len({entry.first for entry in openers}) == len(openers)
    accepted: list[Naming] = []
    if distinct and 2 * naming > len(entries):
        accepted = [Naming.SENTENCE, *([Naming.ARTICLE_SENTENCE] if naming == len(entries) else [])]
    return [
        entry
        if entry.naming not in SENTENCES
        else replace(entry, naming=Naming.OPTION)
        if entry.naming in accepted
        else entry.emptied()
        for entry in entries
    ]


def names_option(entry: Entry) -> bool:
    """Whether an item names an option."""
    return entry.naming is Naming.OPTION
