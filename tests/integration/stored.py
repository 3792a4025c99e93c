"""Projects with stored answers, as daily runs leave them, and the commands on their database."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from click.testing import CliRunner, Result

from llm_monitoring import projects
from llm_monitoring.analysis import Entity, Matcher
from llm_monitoring.analysis.sentiment import SentimentScore
from llm_monitoring.answers import store as results
from llm_monitoring.cli.root import root
from llm_monitoring.db.database import Database, Row
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.domain import ProviderName, Task
from llm_monitoring.figures import snapshots
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.projects.definition import Project
from llm_monitoring.providers import Answer, Citation, Reply


@dataclass
class Book:
    """One project and what is stored for it."""

    db: Database
    project_id: int

    @classmethod
    def open(
        cls,
        db: Database,
        brand: Entity,
        prompts: Sequence[str],
        rivals: Sequence[Entity] = (),
        *,
        name: str = "P",
        industry: str = "software de facturación",
        language: str = "es",
        samples: int = 1,
    ) -> Book:
        found = db.one("SELECT min(id) AS id FROM users")
        user = (found and found["id"]) or projects.add_user(db, "a@example.com")
        new = projects.NewProject(user, name, brand, industry, rivals, language=language, samples_per_query=samples)
        project_id = projects.add(db, new)
        projects.add_prompts(db, project_id, prompts)
        return cls(db, project_id)

    @property
    def project(self) -> Project:
        return projects.find(self.db, self.project_id)

    @property
    def queries(self) -> list[Row]:
        return projects.list_prompts(self.db, self.project_id)

    def task(
        self, number: int, day: date, provider: ProviderName = "openai", sample: int = 1, user: int | None = None
    ) -> Task:
        query, user = self.queries[number], user or self.project.user_id
        assert user is not None
        return Task(user, self.project_id, query["id"], provider, day, sample, query["query_text"], "es")

    def store(
        self,
        number: int,
        day: date,
        text: str,
        *,
        provider: ProviderName = "openai",
        model: str = "m-1",
        sample: int = 1,
        citations: Sequence[str] = (),
    ) -> Task:
        """Store an answer to the prompt of this number as a run does."""
        project = self.project
        task = self.task(number, day, provider, sample, project.user_id)
        matcher = Matcher(project.brand, project.competitors)
        analysis = matcher.analyse(text, [{"url": url, "title": None} for url in citations], task.language)
        status: results.SentimentStatus = "pending" if analysis.brand_mentioned else "none"
        branded = matcher.names_brand(task.prompt, task.language)
        finding = results.StoredAnswer(uuid.uuid4(), None, model, Decimal("0.01"), branded, analysis, status)
        answer = Answer(text, model, None, tuple(Citation(url) for url in citations))
        self.db.transact(lambda tx: results.save(tx, task, project, answer, Reply(200, b"", 500), finding))
        return task

    def judge(self, task: Task, score: str = "0.90") -> None:
        self.db.transact(
            lambda tx: results.set_sentiment(tx, task, SentimentScore("positive", Decimal(score)), "scored")
        )

    def figures(self, *days: date) -> None:
        for day in days:
            snapshots.write_snapshots(self.db, self.project, day, RowErrors())

    def rename(self, **columns: Any) -> None:
        """Change the project's names as the host application does."""
        for name, value in columns.items():
            self.db.execute(
                f"UPDATE llm_monitoring_projects SET {name} = %(value)s WHERE id = %(id)s",
                {"value": value, "id": self.project_id},
            )

    def rows(self, columns: str = "*") -> list[Row]:
        return self.db.all(
            f"SELECT {columns} FROM llm_monitoring_results WHERE project_id = %(id)s "
            "ORDER BY analysis_date, query_id, llm_provider, sample",
            {"id": self.project_id},
        )

    def snapshots(self) -> list[Row]:
        return self.db.all(
            "SELECT * FROM llm_monitoring_snapshots WHERE project_id = %(id)s "
            "ORDER BY snapshot_date, llm_provider, model_id",
            {"id": self.project_id},
        )


APART = {"id", "project_id", "query_id", "attempt_id", "created_at", "updated_at"}


def alike(rows: Sequence[Row]) -> list[Row]:
    """Rows without what tells two projects with the same answers apart."""
    return [{name: value for name, value in row.items() if name not in APART} for row in rows]


def command(*arguments: str, stdin: str | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(root, arguments, input=stdin, prog_name=PROGRAM)


def done(*arguments: str, stdin: str | None = None) -> str:
    """Run what must succeed and return what it printed."""
    result = command(*arguments, stdin=stdin)
    assert 0 == result.exit_code, result.output
    assert "" == result.stderr, result.output
    return result.stdout


def refused(*arguments: str, code: int = 2) -> str:
    """Run what must fail with one line, and return it."""
    result = command(*arguments)
    assert code == result.exit_code, result.output
    assert result.stderr.startswith("error: "), result.output
    return result.stderr
