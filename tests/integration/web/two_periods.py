"""Two measured periods of one project: two days each, eight prompts, two providers, one of which changes its model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Final

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Database
from llm_monitoring.domain import ProviderName
from tests.conftest import Databases
from tests.integration.stored import Book
from tests.integration.web.world import World, open_world, two_users

BEFORE: Final = (date(2026, 11, 1), date(2026, 11, 2))
AFTER: Final = (date(2026, 11, 3), date(2026, 11, 4))
PROMPTS: Final = [f"¿Qué programa conviene en el caso {n}?" for n in range(8)]
FIRST: Final = "1. **Quipu**\n2. **Holded**\n3. **Sage**"
SECOND: Final = "1. **Holded**\n2. **Quipu**"
OTHER: Final = "Usa Holded."
PERIOD: Final = {"from": "2026-11-03", "to": "2026-11-04"}
COMPARED: Final = {**PERIOD, "compare_from": "2026-11-01", "compare_to": "2026-11-02"}
COMPARABLE: Final = ("mention_rate", "share_of_voice", "avg_position", "citation_rate")


def text_of(number: int, later: bool, provider: str) -> str:
    """The brand is named more often later on, and at Google by other prompts than at OpenAI."""
    if (number + (provider == "google")) % (2 if later else 4):
        return OTHER
    return FIRST if number % 3 else SECOND


@contextmanager
def two_periods(databases: Databases, *, scored: bool = False) -> Iterator[World]:
    """The world on a copy of a database with both periods, whose project is the world's own.

    With `scored` the answers that name the brand have a tone.
    """
    template = databases.template("two_periods", fill_two_periods, two_users(databases))
    if scored:
        template = databases.template("two_scored_periods", score, template)
    with databases.clone(template) as url, open_world(url) as world:
        world.project = last_project(world.db)
        yield world


def last_project(db: Database) -> int:
    return max(int(row["id"]) for row in db.all("SELECT id FROM llm_monitoring_projects"))


def score(url: str) -> None:
    with Database(url) as db:
        db.execute(
            "UPDATE llm_monitoring_results SET sentiment = 'positive', sentiment_score = 0.50 + 0.05 * (id %% 9),"
            " sentiment_status = 'scored' WHERE brand_mentioned"
        )
        Book(db, last_project(db)).figures(*BEFORE, *AFTER)


def fill_two_periods(url: str) -> None:
    """Store both periods as a project of Ana."""
    with Database(url) as db:
        store_two_periods(db, min(row["id"] for row in db.all("SELECT id FROM users")))


def store_two_periods(db: Database, user_id: int) -> None:
    new = projects.NewProject(
        user_id, "P", Entity("Quipu", domains=("getquipu.com",)), "x", (Entity("Holded"), Entity("Sage"))
    )
    book = Book(db, projects.add(db, new))
    projects.add_prompts(db, book.project_id, [*PROMPTS, "¿Qué es Quipu?"])
    for day in (*BEFORE, *AFTER):
        providers: tuple[ProviderName, ...] = ("openai", "google")
        for provider in providers:
            model = "m-2" if provider == "openai" and day in AFTER else "m-1"
            for number in range(len(PROMPTS)):
                text = text_of(number, day in AFTER, provider)
                cited = ["https://getquipu.com/a"] if "Quipu" in text and number % 2 else ["https://example.org/b"]
                book.store(number, day, text, provider=provider, model=model, citations=cited)
        book.store(len(PROMPTS), day, "Quipu es un programa.", model="m-2" if day in AFTER else "m-1")
        book.figures(day)
