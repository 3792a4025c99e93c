"""Checks the names of a project against everyday words, each other, and the stored answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from llm_monitoring.analysis import Doubt, Entity, Matcher, cased_key, doubts, fold, key
from llm_monitoring.db import Database, Row, load
from llm_monitoring.projects import store
from llm_monitoring.projects.definition import Project

SQL = load("name_check")

LOOKED_AT: Final = 1000
EXAMPLES: Final = 3
REACH: Final = 50
OFTEN, OFTEN_SHARE = 3, 0.03
WORD: Final = re.compile(r"\w+")
NEXT_WORD: Final = re.compile(r"[ -](\w+)")
AMBIGUOUS: Final = frozenset({"short", "common word", "common words"})


@dataclass(frozen=True, slots=True)
class Hit:
    """A mention in a stored answer."""

    result_id: int
    provider: str
    day: date
    text: str


@dataclass(slots=True)
class Use:
    """How stored answers use one spelling.

    `as_given` of the hits have the case of the name; `products` are the name and a capitalised word after it, `phrases`
    the hits in another case with the word after them, `longer` the words that contain the name and do not count.
    """

    hits: int = 0
    as_given: int = 0
    products: Counter[str] = field(default_factory=Counter)
    phrases: Counter[str] = field(default_factory=Counter)
    longer: Counter[str] = field(default_factory=Counter)
    examples: list[Hit] = field(default_factory=list)
    other_case: list[Hit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Warned:
    """A spelling that may be counted wrongly: why, how answers use it, what to do."""

    entity: str
    term: str
    case_sensitive: bool
    doubts: Sequence[Doubt]
    use: Use
    proposals: Sequence[str]

    @property
    def reasons(self) -> list[str]:
        return list(dict.fromkeys(doubt.detail for doubt in self.doubts))


@dataclass(frozen=True, slots=True)
class Check:
    """The warnings about the names of a project, and the number of answers that were searched."""

    project: Project
    answers: int
    warnings: Sequence[Warned]


def check(db: Database, project_id: int, limit: int = LOOKED_AT) -> Check:
    """Find names that may be counted wrongly, in the languages of the project, English, and its latest answers."""
    project = store.find(db, project_id)
    entities = (project.brand, *project.competitors)
    spoken = [row["language"] for row in db.all(SQL.languages, {"project_id": project_id})]
    languages = dict.fromkeys(code.partition("-")[0] for code in (project.language, *spoken, "en"))
    rows = db.all(SQL.latest_answers, {"project_id": project_id, "limit": limit})
    uses = look(entities, rows)
    found: dict[tuple[str, str], list[Doubt]] = {}
    for doubt in doubts(entities, languages):
        found.setdefault((doubt.entity, doubt.term), []).append(doubt)
    tracked = {key(text) for entity in entities for text in (*entity.spellings, *entity.exclude)}
    warnings = [
        warned
        for entity in entities
        for term in entity.spellings
        if (warned := warn(entity, term, found.get((entity.name, term), ()), uses[entity.name, key(term)], tracked))
        is not None
    ]
    return Check(project, len(rows), warnings)


Uses = dict[tuple[str, str], Use]


def look(entities: Sequence[Entity], rows: Iterable[Row]) -> Uses:
    """How the answers use every spelling of every entity."""
    matcher = Matcher(entities[0], entities[1:])
    uses: Uses = {(entity.name, key(term)): Use() for entity in entities for term in entity.spellings}
    given = {(entity.name, cased_key(term)) for entity in entities for term in entity.spellings}
    for row in rows:
        text = matcher.read(row["full_response"], row["language"]).text
        for mention in matcher.mentions(row["full_response"], row["language"]):
            surface = text[mention.start : mention.end]
            use = uses.get((mention.entity, key(surface)))
            if use is not None:
                as_given = (mention.entity, cased_key(surface)) in given
                note(use, row, text, (mention.start, mention.end), as_given=as_given)
        note_longer_words(uses, text)
    return uses


def note(use: Use, row: Row, text: str, span: tuple[int, int], *, as_given: bool) -> None:
    start, end = span
    use.hits += 1
    use.as_given += as_given
    follower = NEXT_WORD.match(text, end)
    if follower is not None:
        phrase = " ".join(text[start : follower.end()].split())
        if not as_given:
            use.phrases[phrase.lower()] += 1
        elif follower[1][0].isupper() or follower[1][0].isdigit():
            use.products[phrase] += 1
    examples = use.examples if as_given else use.other_case
    if len(examples) < EXAMPLES and all(hit.result_id != row["id"] for hit in examples):
        around = " ".join(text[max(0, start - REACH) : end + REACH].split())
        examples.append(Hit(row["id"], row["llm_provider"], row["analysis_date"], around))


def note_longer_words(uses: Uses, text: str) -> None:
    """Count the words that contain a name without being it."""
    folded = fold(text).text
    present = [(name, use) for (_, name), use in uses.items() if len(name) > 2 and name in folded]
    if not present:
        return
    for word, count in Counter(WORD.findall(folded)).items():
        for name, use in present:
            if name in word and name != word:
                use.longer[word] += count


def warn(entity: Entity, term: str, found: Sequence[Doubt], use: Use, tracked: set[str]) -> Warned | None:
    """The warning about one spelling, None if there is no reason for one."""
    own = [doubt for doubt in found if not (doubt.kind == "common words" and always_as_given(use))]
    proposals = [
        *of_case(entity, term, own, use),
        *of_products(entity, use, tracked),
        *of_longer_words(entity, term, use),
    ]
    proposals += of_neighbours(own, entity)
    if any(doubt.kind in ("short", "common word") for doubt in own):
        proposals += of_longer_name(entity, term, use)
    serious = [doubt for doubt in own if doubt.kind != "inside common words"]
    return Warned(entity.name, term, entity.case_sensitive, own, use, proposals) if serious or proposals else None


def always_as_given(use: Use) -> bool:
    """Whether all hits in answers have the case of the name."""
    return 0 < use.hits == use.as_given


def of_case(entity: Entity, term: str, own: Sequence[Doubt], use: Use) -> Iterable[str]:
    """`case_sensitive` if it would keep everyday words out, and `exclude` for the phrases that contain them."""
    if not any(doubt.kind in AMBIGUOUS for doubt in own):
        return
    if term != term.lower():
        kept = f"keeps {use.as_given} of {use.hits} hits" if use.hits else "no hit yet to judge by"
        yield f"case_sensitive for {entity.name} ({kept})"
    for phrase, count in use.phrases.most_common(EXAMPLES):
        yield f"exclude “{phrase}” ({times(count)})"


def of_products(entity: Entity, use: Use, tracked: set[str]) -> Iterable[str]:
    """Longer names in answers that are not declared: another product, or another name of this one."""
    for phrase, count in use.products.most_common(EXAMPLES):
        if count >= OFTEN and count >= OFTEN_SHARE * use.hits and key(phrase) not in tracked:
            yield f"exclude “{phrase}” if it is not {entity.name}, else make it an alias ({times(count)})"


def of_longer_words(entity: Entity, term: str, use: Use) -> Iterable[str]:
    """Words that contain the name, are not counted, and are frequent enough to be a form of it."""
    own = {key(text) for text in entity.spellings}
    for word, count in use.longer.most_common(EXAMPLES):
        if count >= OFTEN and word not in own and word.startswith(key(term)) and len(word) <= len(key(term)) + 3:
            yield f"alias “{word}” if it is {entity.name} ({times(count)}, not counted now)"


def of_neighbours(own: Sequence[Doubt], entity: Entity) -> Iterable[str]:
    if any(doubt.kind == "shared" for doubt in own):
        yield "leave the name to one of the two: now the first of them gets every mention"
    if any(doubt.kind == "part of another" for doubt in own):
        yield f"nothing, if the longer name is not {entity.name}: the longest name counts, the shorter one does not"


def of_longer_name(entity: Entity, term: str, use: Use) -> Iterable[str]:
    """A longer spelling with one meaning."""
    longer = [name for name in entity.spellings if len(key(name)) > len(key(term)) and key(term) in key(name)]
    ideas = [*longer, *(phrase for phrase, _ in use.products.most_common(1)), *entity.domains]
    if ideas:
        yield f"a longer alias in place of “{term}”, such as “{ideas[0]}”"


def times(count: int) -> str:
    return f"{count} time{'s' if count != 1 else ''}"
