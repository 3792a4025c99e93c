"""The page that stands for one that takes longer: it says what is being done, and turns into that page when it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from fastapi import FastAPI, Request, Response

from llm_monitoring import projects
from llm_monitoring.db import RowError, RowErrors
from llm_monitoring.figures.periods import PeriodRequest
from llm_monitoring.figures.stored_figures import Wanted, columns_of, lock_name
from llm_monitoring.reporting.stored_figures import StoredFigures
from llm_monitoring.web.background import InProgress
from llm_monitoring.web.context import Service
from llm_monitoring.web.pages.rendering import render
from llm_monitoring.web.stored_figures import FIGURES, WAITING, Stored
from llm_monitoring.web.visitor import SAFE, ProjectVisitor, Visitor

R = TypeVar("R", bound=Wanted)
T = TypeVar("T")

PATIENCE_SECONDS: Final = 0.5
"""How long a page waits before it shows that something is being measured: it is seen within a second."""
LONGEST_SECONDS: Final = 60.0
"""The same of a form that is shown again: what was typed would be lost."""


class PageInProgress(Exception):
    """The page of a visitor in a project is not ready yet; `ahead` tasks are done before it."""

    def __init__(self, here: ProjectVisitor, ahead: int) -> None:
        super().__init__(f"{ahead} tasks are done before")
        self.here = here
        self.ahead = ahead


def figures_for(request: Request, here: ProjectVisitor, wanted: PeriodRequest) -> StoredFigures:
    """The figures of a period for a page; raises PageInProgress if they have to be measured and that takes long."""
    return measured_for(request, here, FIGURES, wanted)


def measured_for(request: Request, here: ProjectVisitor, kind: Stored[R, T], wanted: R) -> T:
    """The same of any kind of stored body."""
    found, key = kind.stored(here.app.db, [wanted])[0], key_of(wanted)
    if found is None:
        return awaited(request, here, key, partial(kind.measured, here.app.db, wanted))
    service: Service = request.app.state.service
    service.background.forget(key)  # it is as old as the moment when it was measured
    return found


def figures_so_far(
    service: Service, visitor: Visitor, wanted: Sequence[PeriodRequest]
) -> list[StoredFigures | RowError | None]:
    """The figures of periods that are stored or measured before the patience of one page ends; None: being measured.

    What cannot be measured, as its project cannot be read, is an error in its own place and keeps back no other.
    """
    db, asker = visitor.app.db, visitor.actor.user_id
    found: list[StoredFigures | RowError | None] = [*FIGURES.stored(db, wanted)]
    errors, end = RowErrors(), time.monotonic() + PATIENCE_SECONDS
    for place, each in enumerate(wanted):
        key = key_of(each)
        if found[place] is not None:
            service.background.forget(key)
            continue
        label = f"Proyecto #{each.project_id}"
        with suppress(InProgress), errors.guard("write_figures", label, passes=is_in_progress) as work:
            left = max(0.0, end - time.monotonic())
            found[place] = service.background.result(key, partial(FIGURES.measured, db, each), left, asker)
            continue
        found[place] = work.error
    return found


def is_in_progress(error: BaseException) -> bool:
    return isinstance(error, InProgress)


def key_of(wanted: Wanted) -> Hashable:
    """The key of a measurement: what it gives is the same for all who see the project."""
    return lock_name(columns_of(wanted, ""))


def awaited(request: Request, here: ProjectVisitor, key: Hashable, work: Callable[[], T]) -> T:
    """What `work` returns; raises PageInProgress if that takes long."""
    service: Service = request.app.state.service
    asker = here.visitor.actor.user_id
    try:
        if request.method in SAFE:
            return service.background.result(key, work, PATIENCE_SECONDS, asker)
        with WAITING.held(asker):
            return service.background.result(key, work, LONGEST_SECONDS, asker)
    except InProgress as exc:
        raise PageInProgress(here, exc.ahead) from exc


def install(app: FastAPI) -> None:
    """Show what is being done in place of a page that takes longer."""
    app.add_exception_handler(PageInProgress, show_progress)


def show_progress(request: Request, error: Exception) -> Response:
    assert isinstance(error, PageInProgress)
    here = error.here
    project = projects.find(here.app.db, here.project_id)
    response = render(request, "measuring.html", status=202, here=here, project=project, ahead=error.ahead)
    response.headers.update({"Retry-After": "2", "Cache-Control": "no-store"})
    return response
