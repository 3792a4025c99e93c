"""What a reanalysis changes: counted by field and by name, with examples."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from llm_monitoring.analysis import Mention

EXAMPLES: Final = 3
SNIPPET_REACH: Final = 60
SUMMED: Final = frozenset({"brand_mentioned", "mention_count", "appears_in_numbered_list", "brand_cited", "branded"})
MEANING_OF_NULL: Final[dict[str, Any]] = {
    "brand_mentioned": False,
    "mention_count": 0,
    "appears_in_numbered_list": False,
    "mention_contexts": [],
    "competitors_mentioned": {},
}
"""What NULL means in rows of the host application."""

VERSION: Final = "analysis_version"
BY_NAME: Final = ("mention_count", "competitors_mentioned")
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in one answer, named as its columns.

    `mentions` are given if the number of mentions changed, with their places in `visible_text`; `earlier` are those
    by the names of the stored reading, None if these names were not kept.
    """

    brand: str
    columns: Fields
    visible_text: str = ""
    mentions: Sequence[Mention] = ()
    earlier: Sequence[Mention] | None = None
    earlier_brand: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One change: its answer, the values before and after, or the text around it."""

    result_id: int
    provider: str
    day: date
    before: Any = None
    after: Any = None
    text: str | None = None


@dataclass(slots=True)
class FieldChange:
    """How many answers change in one field; the totals are of all answers read, None if the field is no count."""

    answers: int = 0
    before: int | None = None
    after: int | None = None
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class SpellingChange:
    """Mentions gained (or lost, below zero) in one spelling."""

    spelling: str
    difference: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class NameChange:
    """An entity's mentions before and after, by spelling; `unexplained` ones come from rules or from names not kept."""

    before: int = 0
    after: int = 0
    unexplained: int = 0
    spellings: dict[str, SpellingChange] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)

    @property
    def difference(self) -> int:
        return self.after - self.before

    def by_size(self) -> list[SpellingChange]:
        """The spellings with changed mentions, most changed first."""
        changed = [spelling for spelling in self.spellings.values() if spelling.difference]
        return sorted(changed, key=lambda spelling: (-abs(spelling.difference), spelling.spelling))


@dataclass(slots=True)
class Changes:
    """The sum of all changes. `verdicts_*` count answers with a scored sentiment; `to_judge` are new mentions."""

    answers: int = 0
    changed: int = 0
    without_text: int = 0
    verdicts_kept: int = 0
    verdicts_dropped: int = 0
    to_judge: int = 0
    fields: dict[str, FieldChange] = field(default_factory=dict)
    names: dict[str, NameChange] = field(default_factory=dict)

    def add_all(self, found: Iterable[tuple[Fields, Reading]]) -> None:
        for row, reading in found:
            self.add(row, reading)

    def add(self, row: Fields, reading: Reading) -> None:
        """Count what changes from a stored row to its new reading."""
        readable = row["full_response"] is not None
        self.answers += readable
        self.without_text += not readable
        changed = [self.compare(row, name, after) for name, after in reading.columns.items() if name != VERSION]
        self.changed += any(changed)
        if readable:
            self.count_verdicts(row, reading)
            self.count_names(row, reading)

    def compare(self, row: Fields, name: str, after: Any) -> bool:
        before: Any = MEANING_OF_NULL.get(name) if row[name] is None else row[name]
        change = self.fields.setdefault(name, FieldChange())
        if name in SUMMED:
            change.before, change.after = (change.before or 0) + before, (change.after or 0) + after
        if before == after:
            return False
        change.answers += 1
        keep_example(change.examples, row, before=shown(before), after=shown(after))
        return True

    def count_verdicts(self, row: Fields, reading: Reading) -> None:
        same = bool(row["brand_mentioned"]) == reading.columns["brand_mentioned"]
        scored = row["sentiment_status"] == "scored"
        self.verdicts_kept += scored and same
        self.verdicts_dropped += scored and not same
        self.to_judge += not same and reading.columns["brand_mentioned"]

    def count_names(self, row: Fields, reading: Reading) -> None:
        before = {**(row["competitors_mentioned"] or {}), reading.brand: row["mention_count"] or 0}
        after = {**reading.columns["competitors_mentioned"], reading.brand: reading.columns["mention_count"]}
        for name in {**before, **after}:
            change = self.names.setdefault(name, NameChange())
            was, now = before.get(name, 0), after.get(name, 0)
            change.before, change.after = change.before + was, change.after + now
            if was != now:
                explain(change, name, was, now, row, reading)


def explain(change: NameChange, name: str, was: int, now: int, row: Fields, reading: Reading) -> None:
    """Attribute a change of one answer's mentions to spellings that are found now, or are not found any more."""
    found = [mention for mention in reading.mentions if mention.entity == name]
    known = earlier_mentions(name, was, reading)
    if known is None:
        change.unexplained += now - was
        keep_example(change.examples, row, before=was, after=now, text=snippet_of_any(reading, found))
        return
    gained, lost = apart_from(found, known), apart_from(known, found)
    for mention, step in [*((each, 1) for each in gained), *((each, -1) for each in lost)]:
        count_spelling(change, mention, step, row, reading.visible_text)
    rest = now - was - len(gained) + len(lost)
    if rest:
        change.unexplained += rest
        keep_example(change.examples, row, before=was, after=now, text=snippet_of_any(reading, found))


def earlier_mentions(name: str, was: int, reading: Reading) -> Sequence[Mention] | None:
    """The mentions before; None if they cannot be known."""
    if was == 0:
        return ()
    if reading.earlier is None:
        return None
    earlier_name = reading.earlier_brand if name == reading.brand else name
    return [mention for mention in reading.earlier if mention.entity == earlier_name]


def apart_from(mentions: Sequence[Mention], others: Sequence[Mention]) -> list[Mention]:
    """The mentions that overlap none of the others; both in the order of the text."""
    starts = [other.start for other in others]
    places = ((mention, bisect_right(starts, mention.end - 1) - 1) for mention in mentions)
    return [mention for mention, place in places if place < 0 or others[place].end <= mention.start]


def count_spelling(change: NameChange, mention: Mention, step: int, row: Fields, text: str) -> None:
    surface = " ".join(text[mention.start : mention.end].split())
    spelling = change.spellings.setdefault(surface.casefold(), SpellingChange(surface))
    spelling.difference += step
    keep_example(spelling.examples, row, text=snippet(text, mention.start, mention.end))


def snippet_of_any(reading: Reading, found: Sequence[Mention]) -> str | None:
    return snippet(reading.visible_text, found[0].start, found[0].end) if found else None


def snippet(text: str, start: int, end: int) -> str:
    """The text around a mention in one line, cut if it is long."""
    first, last = max(0, start - SNIPPET_REACH), min(len(text), end + SNIPPET_REACH)
    inside = " ".join(text[first:last].split())
    return f"{'…' if first else ''}{inside}{'…' if last < len(text) else ''}"


def keep_example(
    examples: list[Example], row: Fields, *, before: Any = None, after: Any = None, text: str | None = None
) -> None:
    """Keep the first few examples, no answer twice."""
    if len(examples) < EXAMPLES and all(example.result_id != row["id"] for example in examples):
        examples.append(Example(row["id"], row["llm_provider"], row["analysis_date"], before, after, text))


def shown(value: Any) -> Any:
    """A value short enough for an example: of a list, how long it is."""
    return f"{len(value)} entries" if isinstance(value, list) else value
