"""An item of a ranking: the number it shows, who holds it, and whether it names an option at all."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from llm_monitoring.analysis.blocks import Prose
from llm_monitoring.analysis.folding import fold
from llm_monitoring.analysis.options import Naming, item_naming, label_naming
from llm_monitoring.analysis.subjects import Joining, Named, Subject, holders, read_opening, read_subject

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
    naming: Naming = Naming.OPTION
    first: int | None = None
    form: str = ""

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

    `letters` are the places of lettered items by the position at which they start, `arguments` the positions of the
    items that stand under a label such as "Pros": a sentence there names no option.
    """

    text: str
    named: Sequence[Named]
    starts: list[int]
    joining: Joining
    letters: dict[int, int] = field(default_factory=dict)
    arguments: set[int] = field(default_factory=set)
    read: dict[tuple[int, int, int | None], Entry] = field(default_factory=dict)

    def named_in(self, prose: Prose) -> Sequence[Named]:
        """The occurrences that start within a stretch."""
        return self.named[bisect_left(self.starts, prose.start) : bisect_left(self.starts, prose.end)]

    def entry(self, prose: Prose, subject: Subject, number: int | None) -> Entry:
        """An item read."""
        named = self.named_in(prose)
        first = next((one for one in named if subject.start <= one.match.start < subject.end), None)
        label = self.text[subject.start : subject.end].strip()
        before = after = None
        if first is not None:
            before = self.text[subject.start : first.match.start]
            after = self.text[first.match.end : subject.end]
        naming = (label_naming if subject.whole else item_naming)(label, before, after or "")
        if naming in SENTENCES and prose.start in self.arguments:
            naming = Naming.NONE
        held = () if naming is Naming.NONE else holders(self.text, subject, named, prose.end, self.joining)
        form = "" if naming is not Naming.SECTION else fold(f"{before}\0{after}").text.strip()
        return Entry(number, held, label, prose.start, naming, first.match.owner if first else None, form)

    def item(self, prose: Prose, number: int | None = None) -> Entry:
        """An item of a list, a cell or a paragraph: its own number wins only where none is given."""
        key = (prose.start, prose.end, number)
        if key not in self.read:
            opening = read_opening(self.text, prose, self.letters.get(prose.start))
            shown = number if number is not None else opening.number
            self.read[key] = self.entry(prose, read_subject(self.text, prose, opening, self.joining), shown)
        return self.read[key]

    def heading(self, prose: Prose) -> Entry:
        """A heading: its whole text is the subject."""
        opening = read_opening(self.text, prose, self.letters.get(prose.start))
        return self.entry(prose, Subject(opening.position, prose.end, True), opening.number)


def settled(entries: Sequence[Entry]) -> list[Entry]:
    """The items of one block, as they name options together.

    Sentences name options only if most items of the block name one and no two sentences open with the same name; with
    an article before the name, only if all items do. A section's word is part of an option's name only if another
    item has the same form with another name.
    """
    return settled_sentences(settled_sections(entries))


def settled_sections(entries: Sequence[Entry]) -> list[Entry]:
    """Items in the form of a section kept where siblings of that form name another option."""
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
    """Sentences that open with a name kept where the whole block reads so."""
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
