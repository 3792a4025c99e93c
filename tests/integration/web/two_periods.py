"""Two measured periods of one project: two days each, eight prompts, two providers, one of which changes its model."""

from __future__ import annotations

from datetime import date
from typing import Final

from llm_monitoring import projects
from llm_monitoring.analysis import Entity
from llm_monitoring.domain import ProviderName
from tests.integration.stored import Book
from tests.integration.web.world import World

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


def store_two_periods(world: World) -> Book:
    """Store both periods as a project of Ana, which becomes the world's own."""
    new = projects.NewProject(
        world.ana, "P", Entity("Quipu", domains=("getquipu.com",)), "x", (Entity("Holded"), Entity("Sage"))
    )
    world.project = projects.add(world.db, new)
    projects.add_prompts(world.db, world.project, [*PROMPTS, "¿Qué es Quipu?"])
    book = Book(world.db, world.project)
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
    return book
