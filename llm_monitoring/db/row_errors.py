"""Errors of single rows, recorded and reported so that the work on other rows goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Literal, TypeVar

from llm_monitoring.db.database import DatabaseUnavailable, Rejected
from llm_monitoring.db.failures import Hanging, hang_in
from llm_monitoring.logs import redact

R = TypeVar("R")

log = logging.getLogger(__name__)

Stage = Literal[
    "read_project",
    "read_model",
    "read_answer",
    "store_answer",
    "settle_attempt",
    "record_failure",
    "reserve_call",
    "keep_receipt",
    "finish_run",
    "close_chunk",
    "write_figures",
    "figure_answer",
    "start_month",
    "count_usage",
    "mark_project",
    "prune",
    "write_report",
    "balance_account",
    "make_notice",
    "list_models",
    "check_models",
    "switch_model",
    "update_model",
    "examine",
    "close_orders",
    "plan_pacing",
    "collect_batch",
    "submit_batch",
    "reanalyse",
]

LONGEST_MESSAGE: Final = 300
MOST_RECORDS: Final = 200  # that a run or a chunk keeps
KEPT_FIELDS: Final = ("user_id", "project_id")
# These end all work: the database is away, or the process was asked to stop.
ENDS_EVERYTHING: Final = (DatabaseUnavailable, KeyboardInterrupt, SystemExit, GeneratorExit)
SENTENCES: Final[dict[Stage, str]] = {
    "read_project": "no se puede leer el proyecto",
    "read_model": "no se puede leer el modelo",
    "close_orders": "no se pueden cerrar los análisis encargados",
    "reanalyse": "no se pueden leer de nuevo sus respuestas",
    "read_answer": "no se puede analizar la respuesta, se guarda sin leer",
    "store_answer": "no se puede guardar el análisis, la respuesta se guarda sin leer",
    "settle_attempt": "no se puede cerrar la llamada, su techo sigue reservado",
    "record_failure": "no se puede guardar por qué la tarea no tiene respuesta",
    "reserve_call": "sus preguntas quedan abiertas para el próximo inicio",
    "finish_run": "no se puede cerrar la ejecución",
    "close_chunk": "no se puede cerrar el tramo",
    "keep_receipt": "no se puede guardar la respuesta como llegó, solo lo leído en ella",
    "write_figures": "no se pueden calcular las cifras",
    "figure_answer": "la respuesta queda fuera de las cifras",
    "start_month": "no se puede abrir el mes del usuario",
    "balance_account": "no se puede cuadrar la cuenta con el libro de llamadas",
    "count_usage": "no se puede sumar el uso del modelo",
    "mark_project": "no se puede anotar la fecha de análisis",
    "prune": "no se puede borrar lo caducado",
    "write_report": "el informe no se pudo escribir",
    "make_notice": "no se puede preparar el aviso",
    "list_models": "no se puede consultar la lista de modelos",
    "check_models": "no se puede comparar la lista de modelos",
    "switch_model": "no se puede cambiar de modelo",
    "update_model": "no se puede actualizar el modelo",
    "examine": "no se puede examinar",
    "plan_pacing": "no se puede repartir el presupuesto del mes, el día se pregunta entero",
    "collect_batch": "no se puede recoger el lote, sus llamadas siguen abiertas para el próximo inicio",
    "submit_batch": "no se puede enviar el lote",
}


@dataclass(frozen=True, slots=True)
class RowError:
    """What could not be done with one row. `code` is the class of the error."""

    stage: Stage
    row: str
    code: str
    message: str
    fields: tuple[tuple[str, Any], ...] = ()

    @property
    def sentence(self) -> str:
        """The error for the operator's log and digest."""
        return f"{self.row}: {SENTENCES.get(self.stage, self.stage)} ({self.code}: {self.message})"


def records(errors: Sequence[RowError]) -> list[dict[str, Any]]:
    """The first MOST_RECORDS errors, as a run or a chunk stores them."""
    return [
        {"stage": each.stage, "row": each.row, "code": each.code, "message": each.message}
        | {name: value for name, value in each.fields if name in KEPT_FIELDS}
        for each in errors[:MOST_RECORDS]
    ]


def read_record(record: Mapping[str, Any]) -> RowError:
    """A stored error."""
    fields = tuple((name, record[name]) for name in KEPT_FIELDS if name in record)
    return RowError(record["stage"], record["row"], record["code"], record["message"], fields)


@dataclass(slots=True)
class Guarded:
    """The work on one row, and the error that ended it."""

    error: RowError | None = None


@dataclass(slots=True)
class RowErrors:
    """The errors of single rows in one run, each reported once. Safe to share between threads.

    `hanging`: the users with a row of which a statement hung. Each further one would take as long, and keep a thread or
    the whole run from everyone else, so that nothing more of theirs is tried in the run.
    """

    found: list[RowError] = field(default_factory=list)
    known: set[tuple[Stage, str]] = field(default_factory=set)
    hanging: set[int] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    @contextmanager
    def guard(
        self,
        stage: Stage,
        row: str,
        *,
        keep: bool = True,
        passes: Callable[[BaseException], bool] = lambda error: False,
        **fields: Any,
    ) -> Iterator[Guarded]:
        """Run the block for one row and record the error that it raises.

        Errors are raised if the database is away or the process stops, and those that `passes` is true for. Without
        `keep` the error is only returned, for a caller that has a second way.
        """
        work = Guarded()
        try:
            yield work
        except ENDS_EVERYTHING:
            raise
        except BaseException as exc:
            self.note_hang(fields.get("user_id"), exc)
            if passes(exc):
                raise
            work.error = RowError(stage, row, code_of(exc), message_of(exc), tuple(fields.items()))
            log.debug("%s: %s", stage, row, exc_info=exc, extra={"event": "row.error", "row": row})
            if keep:
                self.add(work.error)

    def note_hang(self, user_id: int | None, error: BaseException) -> None:
        """Remember the user of a row if a statement of it hung."""
        if user_id is not None and hang_in(error) is not None:
            self.hanging.add(user_id)

    def is_left_alone(self, stage: Stage, row: str, user_id: int | None, **fields: Any) -> bool:
        """Whether a row is not tried, as a statement of another row of its user hung; recorded if so."""
        if user_id not in self.hanging:
            return False
        message = "not tried, as a statement for this user took all its time: look at triggers and rules of the tables"
        self.add(RowError(stage, row, Hanging.__name__, message, (("user_id", user_id), *fields.items())))
        return True

    def add(self, error: RowError) -> None:
        """Record an error; a row is reported once for each stage."""
        with self.lock:
            if (error.stage, error.row) in self.known:
                return
            self.known.add((error.stage, error.row))
            self.found.append(error)
        extra = {"event": "row.failed", "stage": error.stage, "row": error.row, "code": error.code}
        log.warning("⚠️ %s", error.sentence, extra=extra | dict(error.fields))

    def write(
        self, stage: Stage, rows: Sequence[R], label: Callable[[R], str], write: Callable[[Sequence[R]], object]
    ) -> list[R]:
        """Write rows together; if they are refused, in halves, so that only rows that are refused alone are left out.

        If a statement hangs all are left out: each half might take as long.

        Returns the rows that were written. `write` must be all or nothing.
        """
        if len(rows) <= 1:
            return [row for row in rows if self.write_one(stage, row, label, write)]
        try:
            write(rows)
        except ENDS_EVERYTHING:
            raise
        except Hanging as exc:
            self.add(RowError(stage, f"{label(rows[0])} (+{len(rows) - 1})", code_of(exc), message_of(exc)))
            return []
        except Exception:  # noqa: BLE001 - around one row, which the halves single out
            half = len(rows) // 2
            return [*self.write(stage, rows[:half], label, write), *self.write(stage, rows[half:], label, write)]
        return list(rows)

    def write_one(
        self, stage: Stage, row: R, label: Callable[[R], str], write: Callable[[Sequence[R]], object]
    ) -> bool:
        with self.guard(stage, label(row)) as work:
            write([row])
        return work.error is None


def code_of(error: BaseException) -> str:
    """An error's code: its class, with the constraint that refused the values if there is one."""
    name = type(error).__name__
    return f"{name}/{error.constraint}" if isinstance(error, Rejected) and error.constraint else name


def message_of(error: BaseException) -> str:
    """The error's text in one short line without any key."""
    text = redact(" ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…"
