"""Tags of prompts: a user's own groups of them, by which figures and answers are filtered."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from llm_monitoring import analysis
from llm_monitoring.db import Database, Row, Transaction, load
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.projects.store import find

SQL = load("prompts")

LONGEST_TAG: Final = 50
MOST_TAGS: Final = 20
SPACE: Final = re.compile(r"\s+")
UNWRITABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff,]")


def clean_tag(text: str) -> str:
    """A tag as it is stored: in small letters and with single spaces. Raises Invalid."""
    tag = SPACE.sub(" ", analysis.normalise("NFC", text)).strip().lower()
    if not 1 <= len(tag) <= LONGEST_TAG or UNWRITABLE.search(tag):
        sentence = f"{text[:80]!r} is no tag: a tag has 1 to {LONGEST_TAG} characters and no comma"
        raise Invalid("tags", sentence, code="tag_form", most=LONGEST_TAG)
    return tag


def clean_tags(texts: Iterable[str]) -> list[str]:
    """The tags of a prompt as they are stored, each once. Raises Invalid, for too many of them as well."""
    tags = sorted({clean_tag(each) for each in texts})
    if len(tags) > MOST_TAGS:
        sentence = f"a prompt has at most {MOST_TAGS} tags, and these are {len(tags)}"
        raise Invalid("tags", sentence, code="tags_too_many", most=MOST_TAGS)
    return tags


def tags_of(db: Database, project_id: int) -> list[Row]:
    """The tags of a project's prompts with the number of `prompts` of each; raises NotFound."""
    find(db, project_id)
    return db.all(SQL.tags, {"project_id": project_id})


def set_tags(db: Database, project_id: int, query_id: int, tags: Iterable[str]) -> None:
    """Give a prompt these tags and no others; raises NotFound and Invalid."""
    wanted = clean_tags(tags)
    db.transact(lambda tx: write_tags(tx, project_id, {query_id: wanted}))


def tag_prompts(
    db: Database, project_id: int, query_ids: Sequence[int], add: Iterable[str], remove: Iterable[str]
) -> None:
    """Add tags to prompts and take others away, all or none; raises NotFound and Invalid."""
    added, removed = set(clean_tags(add)), {clean_tag(each) for each in remove}

    def work(tx: Transaction) -> None:
        rows = tx.all(SQL.tags_of_prompts, {"project_id": project_id, "ids": list(query_ids)})
        present = {row["id"]: set(row["tags"]) for row in rows}
        wanted = {each: clean_tags((present.get(each, set()) | added) - removed) for each in query_ids}
        write_tags(tx, project_id, wanted)

    find(db, project_id)
    db.transact(work)


def write_tags(tx: Transaction, project_id: int, wanted: dict[int, list[str]]) -> None:
    """Store the tags of prompts in place of those that they have; raises NotFound for a prompt of another project."""
    if not wanted:
        return
    refuse_missing(wanted, tx.all(SQL.tags_of_prompts, {"project_id": project_id, "ids": list(wanted)}), project_id)
    tx.execute(SQL.remove_tags, {"ids": list(wanted)})
    pairs = [(query_id, tag) for query_id, tags in wanted.items() for tag in tags]
    tx.execute(SQL.add_tags, {"ids": [each for each, _ in pairs], "tags": [tag for _, tag in pairs]})


def refuse_missing(wanted: Collection[int], rows: Sequence[Row], project_id: int) -> None:
    missing = sorted(set(wanted) - {row["id"] for row in rows})
    if missing:
        raise NotFound("prompt", ", ".join(map(str, missing)), project_id=project_id)
