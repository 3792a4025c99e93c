"""Does reanalyses that were asked for, in a thread of the service: the database says what is to do and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Final

from llm_monitoring.answers import reanalysis_jobs
from llm_monitoring.db import Database, DatabaseUnavailable, RowErrors, UserDatabase
from llm_monitoring.settings import Settings

POLL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ReanalysisWorker:
    """The thread's signals: `wake` that a job was placed here, `stop` that the service ends."""

    db: Database
    settings: Settings
    wake: Event = field(default_factory=Event)
    stop: Event = field(default_factory=Event)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Do jobs until the block ends; one that is under way stops after its page, and the next process goes on."""
        thread = Thread(target=self.work, name="reanalysis")
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            self.wake.set()
            thread.join()

    def work(self) -> None:
        errors = RowErrors()  # one for all rounds, so that what fails in each of them is reported once
        while not self.stop.is_set():
            with suppress(DatabaseUnavailable), errors.guard("reanalyse", "Servicio"):
                self.serve()
            self.wake.wait(POLL_SECONDS)
            self.wake.clear()

    def serve(self) -> int:
        """Do what is open now; return how many jobs were taken up."""
        return reanalysis_jobs.serve_open(
            self.db, lambda user_id: UserDatabase(self.db, user_id), self.stop, sentiment=self.settings.sentiment
        )
