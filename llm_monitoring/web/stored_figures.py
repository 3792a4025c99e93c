"""Reads what was measured once: the one way of REST API, MCP and pages to figures, sources and listed names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter

from llm_monitoring.db import Database
from llm_monitoring.figures.periods import PeriodRequest
from llm_monitoring.figures.stored_figures import Wanted, columns_of, find_all
from llm_monitoring.projects import NameInbox
from llm_monitoring.reporting.stored_figures import StoredFigures, code_version, figures_text
from llm_monitoring.reporting.stored_tables import (
    NamesRequest,
    PromptsRequest,
    SourcesRequest,
    StoredPrompts,
    StoredSources,
    names_text,
    prompts_text,
    sources_text,
)
from llm_monitoring.web.arrival import waited
from llm_monitoring.web.rates import Slots

R = TypeVar("R", bound=Wanted)
T = TypeVar("T")


AT_ONCE: Final = 3
"""Requests of one user that wait for a measurement: one is made at a time, and there are ten threads for all users."""
WAITING: Final = Slots(AT_ONCE)


class Stored(Generic[R, T]):
    """One kind of stored body: `text` measures it or finds it, `form` is what it is read as."""

    def __init__(self, form: type[T], text: Callable[[Database, R, float], str]) -> None:
        self.form = form
        self.text = text

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(self.form)

    def measured(self, db: Database, wanted: R) -> T:
        """What is asked, measured only if it is not stored or something changed that it is made of.

        What was measured after the request arrived is taken, too: while a run stores an answer each moment, many
        requests share one measurement. Raises what measuring raises.
        """
        return self.adapter.validate_json(self.text(db, wanted, waited()))

    def asked(self, db: Database, wanted: R) -> T:
        """The same for a request, which waits in a thread of the service: it keeps threads free for other users.

        Raises Problem with Retry-After if the user has AT_ONCE requests that wait for measurements.
        """
        found = self.stored(db, [wanted])[0]
        if found is not None:
            return found
        with WAITING.held(getattr(db, "user_id", None)):
            return self.measured(db, wanted)

    def stored(self, db: Database, wanted: Sequence[R]) -> list[T | None]:
        """What is asked, each if it is stored and nothing changed since; None: it would have to be measured."""
        found = find_all(db, [{**columns_of(each, code_version()), "waited": waited()} for each in wanted])
        return [None if row["body"] is None else self.adapter.validate_json(str(row["body"])) for row in found]


FIGURES: Final = Stored[PeriodRequest, StoredFigures](StoredFigures, figures_text)
PROMPTS: Final = Stored[PromptsRequest, StoredPrompts](StoredPrompts, prompts_text)
SOURCES: Final = Stored[SourcesRequest, StoredSources](StoredSources, sources_text)
NAMES: Final = Stored[NamesRequest, NameInbox](NameInbox, names_text)


def figures_of(db: Database, wanted: PeriodRequest) -> StoredFigures:
    """The figures of a period; raises NotFound, Invalid if they overlap, TooManyStale, or what `asked` raises."""
    return FIGURES.asked(db, wanted)
