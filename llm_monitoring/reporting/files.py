"""Writes reports to disk, each whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal

from llm_monitoring import analysis, projects
from llm_monitoring.access.agencies import Agency, agency_of_project
from llm_monitoring.db import Database, RowErrors
from llm_monitoring.figures.periods import Period
from llm_monitoring.keys import KeyStore
from llm_monitoring.ledger import Budget
from llm_monitoring.process.whole_files import whole_file
from llm_monitoring.reporting.markdown import render_markdown
from llm_monitoring.reporting.page import render
from llm_monitoring.reporting.report_data import ReportRequest, access_of, read
from llm_monitoring.reporting.view import Report, view

Form = Literal["html", "md"]
RENDERERS: Final[Mapping[Form, Callable[[Report, Agency | None], str]]] = {"html": render, "md": render_markdown}


@dataclass(frozen=True, slots=True)
class Written:
    """A report on disk, its period, and how many answers it rests on."""

    path: Path
    size_bytes: int
    period: Period
    answers: int


@dataclass(frozen=True, slots=True)
class ReportWriter:
    """Writes reports from the database; keys and budget say whether a project could be asked."""

    db: Database
    keys: KeyStore
    budget: Budget
    today: date

    def write(self, wanted: ReportRequest, out: Path | None = None, form: Form = "html") -> Written:
        """Write a project's report to `out`; raises NotFound or Invalid for the project or the place."""
        project = projects.find(self.db, wanted.project_id)
        data = read(self.db, wanted, self.today, access_of(project, self.keys, self.budget))
        path = out or Path(file_name(project.id, project.name, data.last, form))
        page = RENDERERS[form](view(data), agency_of_project(self.db, project.id)).encode("utf-8")
        save(path, page)
        return Written(path, len(page), Period(data.first, data.last), len(data.observations))

    def write_all(self, project_ids: Iterable[int], directory: Path, errors: RowErrors) -> list[Written]:
        """Write each project's report into `directory`; one that fails stops no other."""
        written = []
        for project_id in project_ids:
            with errors.guard("write_report", f"Proyecto #{project_id}", project_id=project_id):
                project = projects.find(self.db, project_id)
                path = directory / f"{project_id}-{slug(project.name)}.html"
                written.append(self.write(ReportRequest(project_id), path))
        return written


def save(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, so that no one ever opens half a report."""
    with whole_file(path, make_parents=True) as draft:
        draft.write_bytes(content)


def file_name(project_id: int, name: str, last: date, form: Form) -> str:
    return f"{project_id}-{slug(name)}-{last}.{form}"


def slug(name: str) -> str:
    """A project's name as part of a file's name."""
    plain = analysis.normalise("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "report"
