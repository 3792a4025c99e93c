"""Names that answers list next to the tracked ones and that no one tracks: an inbox to accept or dismiss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from llm_monitoring import analysis
from llm_monitoring.db import Database, Row, load
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.projects import store
from llm_monitoring.projects.definition import Project

SQL = load("name_check")

LOOKED_AT: Final = 500
EXAMPLES: Final = 3
LEAST_ANSWERS: Final = 2
LEAST_OF_COMMON_WORD: Final = 3
LONGEST_NAME: Final = 255
LANGUAGES: Final = ("en", "es", "fr", "de", "it", "pt")


@dataclass(frozen=True, slots=True)
class Example:
    """An answer that lists a name."""

    answer_id: int
    provider: str
    day: date


@dataclass(frozen=True, slots=True)
class NameCandidate:
    """A name with its other spellings, and who lists it: how many answers and prompts, which providers, examples."""

    name: str
    spellings: tuple[str, ...]
    answers: int
    prompts: int
    providers: tuple[str, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class NameInbox:
    """The names that are offered, most listed first; `answers` were searched, `dismissed` are offered no more."""

    answers: int
    candidates: Sequence[NameCandidate]
    dismissed: Sequence[Row]


@dataclass(slots=True)
class Listed:
    """One name while it is counted."""

    spellings: Counter[str] = field(default_factory=Counter)
    prompts: set[int] = field(default_factory=set)
    providers: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return self.providers.total()


def name_inbox(
    db: Database, project_id: int, first: date | None = None, last: date | None = None, limit: int = LOOKED_AT
) -> NameInbox:
    """The untracked names in the latest `limit` answers of a period, without the dismissed ones; raises NotFound."""
    return without_dismissed(db, project_id, listed_names(db, project_id, first, last, limit))


def listed_names(
    db: Database, project_id: int, first: date | None = None, last: date | None = None, limit: int = LOOKED_AT
) -> NameInbox:
    """The untracked names in the latest `limit` answers of a period, dismissed or not; raises NotFound.

    A name has to stand in LEAST_ANSWERS of them; one that is a common word in more, and at two providers.
    """
    project = store.find(db, project_id)
    rows = db.all(SQL.latest_of_period, {"project_id": project_id, "first": first, "last": last, "limit": limit})
    tracked, common = tracked_keys(project), CommonWords(project, rows)
    found = [
        candidate(listed)
        for name_key, listed in count(project, rows).items()
        if name_key not in tracked and is_evident(listed, is_common=common.contain(listed))
    ]
    return NameInbox(len(rows), sorted(found, key=lambda each: (-each.answers, each.name)), ())


def without_dismissed(db: Database, project_id: int, found: NameInbox) -> NameInbox:
    """The inbox without the names that are offered no more, and with their list."""
    dismissed = dismissed_names(db, project_id)
    hidden = {row["name_key"] for row in dismissed}
    offered = [each for each in found.candidates if analysis.key(each.name) not in hidden]
    return NameInbox(found.answers, offered, dismissed)


def searched_days(
    db: Database, project_id: int, first: date | None = None, last: date | None = None, limit: int = LOOKED_AT
) -> tuple[date, date] | None:
    """The first and the last day of the latest `limit` answers of a period; None without any."""
    params = {"project_id": project_id, "first": first, "last": last, "limit": limit}
    row = db.one(SQL.days_of_latest, params)
    return None if row is None or row["first"] is None else (row["first"], row["last"])


def count(project: Project, rows: Iterable[Row]) -> dict[str, Listed]:
    """The untracked names in rankings, by what their spellings have in common."""
    matcher = analysis.Matcher(project.brand, project.competitors)
    found: dict[str, Listed] = {}
    for row in rows:
        names = {analysis.key(name): name for name in matcher.untracked_names(row["full_response"], row["language"])}
        for name_key, name in names.items():
            if name_key:
                note(found.setdefault(name_key, Listed()), name, row)
    return found


def note(listed: Listed, name: str, row: Row) -> None:
    listed.spellings[name] += 1
    listed.providers[row["llm_provider"]] += 1
    if row["query_id"] is not None:
        listed.prompts.add(row["query_id"])
    if len(listed.examples) < EXAMPLES and row["llm_provider"] not in {each.provider for each in listed.examples}:
        listed.examples.append(Example(row["id"], row["llm_provider"], row["analysis_date"]))


def is_evident(listed: Listed, *, is_common: bool) -> bool:
    """Whether enough answers list a name."""
    if is_common:
        return listed.answers >= LEAST_OF_COMMON_WORD and len(listed.providers) > 1
    return listed.answers >= LEAST_ANSWERS


class CommonWords:
    """The everyday words of a project's languages and of English."""

    def __init__(self, project: Project, rows: Iterable[Row]) -> None:
        spoken = (project.language, *(row["language"] for row in rows), "en")
        codes = dict.fromkeys(code.partition("-")[0] for code in spoken if code)
        self.languages = [code for code in codes if code in LANGUAGES]

    def contain(self, listed: Listed) -> bool:
        """Whether a name is made of them alone."""
        words = listed.spellings.most_common(1)[0][0].split()
        return any(all(analysis.key(word) in analysis.common_words(code) for word in words) for code in self.languages)


def candidate(listed: Listed) -> NameCandidate:
    spellings = sorted(listed.spellings, key=lambda name: (-listed.spellings[name], capitals(name), name))
    return NameCandidate(
        name=spellings[0],
        spellings=tuple(spellings[1:]),
        answers=listed.answers,
        prompts=len(listed.prompts),
        providers=tuple(name for name, _ in listed.providers.most_common()),
        examples=tuple(listed.examples),
    )


def capitals(name: str) -> int:
    return sum(char.isupper() for char in name)


def tracked_keys(project: Project) -> set[str]:
    """What the names, aliases and excluded phrases of a project's entities have in common with a spelling of theirs."""
    return set(keys_of(project))


def keys_of(project: Project) -> Iterator[str]:
    for entity in (project.brand, *project.competitors):
        yield from (analysis.key(text) for text in (*entity.spellings, *entity.exclude))


def dismissed_names(db: Database, project_id: int) -> list[Row]:
    """The names that are offered no more."""
    return db.all(SQL.dismissed_names, {"project_id": project_id})


def dismiss_name(db: Database, project_id: int, name: str) -> bool:
    """Offer a name no more; False if it was dismissed already. Raises NotFound and Invalid."""
    store.find(db, project_id)
    return db.execute(SQL.dismiss_name, {"project_id": project_id, "name": name, "name_key": key_of(name)}) > 0


def restore_name(db: Database, project_id: int, name: str) -> None:
    """Offer a dismissed name again; raises NotFound if it was not dismissed."""
    if not db.execute(SQL.restore_name, {"project_id": project_id, "name_key": key_of(name)}):
        raise NotFound("name", repr(name), project_id=project_id)


def key_of(name: str) -> str:
    found = analysis.key(name)
    if not found or not 1 <= len(name) <= LONGEST_NAME or len(found) > LONGEST_NAME or not name.isprintable():
        sentence = f"a name has 1 to {LONGEST_NAME} characters, at least one of them a letter or digit"
        raise Invalid("name", sentence, code="name_length", most=LONGEST_NAME)
    return found
