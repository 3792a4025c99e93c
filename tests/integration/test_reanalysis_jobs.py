"""Reanalyses as jobs: one a project, done once by whichever process, continued after a stop and after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.answers import reanalysis, reanalysis_jobs
from llm_monitoring.answers.reanalysis import ReanalysisLock
from llm_monitoring.answers.reanalysis_jobs import ReanalysisJob, read_all
from llm_monitoring.db.database import Database
from llm_monitoring.db.row_errors import RowErrors
from llm_monitoring.db.scoped import UserDatabase
from tests.environment import open_environment
from tests.fork_server import Halt
from tests.integration.stored import Book
from tests.integration.test_grants import as_login, execute, grants
from tests.integration.test_reanalysis import book, database, database_url, fresh, same

__all__ = ["book", "database", "database_url", "fresh"]

Fresh = Callable[[], Book]


def place(book: Book) -> ReanalysisJob:
    user = book.project.user_id
    assert user is not None
    return reanalysis_jobs.place(book.db, book.project_id, user, reanalysis.plan(book.db, book.project_id))[0]


def job_of(book: Book) -> ReanalysisJob:
    found = reanalysis_jobs.latest(book.db, book.project_id)
    assert found is not None
    return found


def serve(book: Book, stop: Event | None = None) -> int:
    return reanalysis_jobs.serve_open(book.db, lambda _: book.db, stop or Event(), sentiment=True)


def without_sentiment(book: Book) -> None:
    """A mention that is new waits for its judge; a project with the names from the start has judged none either."""
    book.db.execute("UPDATE llm_monitoring_results SET sentiment_status = 'none'")


def equals(book: Book, fresh: Fresh) -> bool:
    other = fresh()
    without_sentiment(book)
    return same(book, other)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five answers a page, of the twelve of a day."""
    monkeypatch.setattr(reanalysis.pages, "__defaults__", (5,))


def test_a_job_equals_a_fresh_computation(book: Book, fresh: Fresh) -> None:
    """Column by column, as the command's; its row says how much was read, and no call is made."""
    assert "waiting" == place(book).status
    assert 60 == place(book).answers
    assert 0 == place(book).done
    assert 1 == serve(book)
    done = job_of(book)
    assert "completed" == done.status
    assert done.reason is None
    assert 60 == done.answers
    assert 60 == done.done
    assert equals(book, fresh)
    assert [] == book.db.all("SELECT id FROM llm_call_attempts")
    assert 0 == serve(book)


def test_a_project_has_one_open_job(book: Book) -> None:
    """Whoever asks again has the same one; once it is over there may be another."""
    first = place(book)
    assert first.id == place(book).id
    assert 1 == len(book.db.all("SELECT id FROM llm_reanalysis_jobs"))
    serve(book)
    assert first.id < place(book).id


@pytest.mark.ci
@pytest.mark.parametrize(
    ("point", "nth"),
    [
        ("snapshot", 2),
        pytest.param("snapshot_written", 1, marks=pytest.mark.long),
        pytest.param("snapshot_written", 4, marks=pytest.mark.long),
    ],
)
def test_a_service_that_is_killed_leaves_its_job_to_the_next(
    book: Book, fresh: Fresh, database_url: str, point: str, nth: int
) -> None:
    """SIGKILL in the middle: the job is still open, the next process reads what is left, and the result is the same."""
    place(book)
    with open_environment(database_url) as environment:
        child = environment.start(
            "web", "--port", "0", extra={"LLM_LOG_LEVEL": "ERROR"}, program="command", halt=Halt(point, nth)
        )
        assert -9 == child.wait(), child.said()
    left = job_of(book)
    assert "running" == left.status
    assert 0 < left.done < 60
    while book.db.one("SELECT 1 AS one FROM pg_locks WHERE locktype = 'advisory'"):
        Event().wait(0.02)  # the lock of a dead process lives as long as its last statement
    assert 1 == serve(book)
    assert "completed" == job_of(book).status
    assert 60 == job_of(book).done
    assert equals(book, fresh)


@pytest.mark.ci
@pytest.mark.usefixtures("small_pages")
def test_a_stop_leaves_the_rest_to_the_next_process(book: Book, fresh: Fresh) -> None:
    """After the page that is being read; what is read stays read and counts once."""
    job, stop = place(book), Event()
    stop.set()
    reanalysis_jobs.serve(book.db, job, stop, sentiment=True)
    assert "running" == job_of(book).status
    assert 5 == job_of(book).done
    assert 55 == reanalysis.plan(book.db, 1).stale
    serve(book)
    assert "completed" == job_of(book).status
    assert 60 == job_of(book).done
    assert equals(book, fresh) is True


def test_two_processes_do_a_job_once(book: Book, fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one finds the project's lock taken, or the job over."""
    reads: list[int] = []
    read = reanalysis.run_locked

    def counted(*arguments: Any, **options: Any) -> Any:
        reads.append(1)
        return read(*arguments, **options)

    monkeypatch.setattr(reanalysis, "run_locked", counted)
    place(book)
    with Database(book.db.dsn, size=2) as other:
        second = Thread(target=lambda: reanalysis_jobs.serve_open(other, lambda _: other, Event(), sentiment=True))
        second.start()
        serve(book)
        second.join(60)
    assert [1] == reads
    assert "completed" == job_of(book).status
    assert equals(book, fresh)


@pytest.mark.ci
def test_a_reanalysis_of_the_command_line_is_waited_for(book: Book) -> None:
    """While it holds the project's lock the job stays open, and is tried again later."""
    place(book)
    with ReanalysisLock(book.db, book.project_id):
        assert 0 == serve(book)
        assert "waiting" == job_of(book).status
    assert 1 == serve(book)
    assert "completed" == job_of(book).status


@pytest.mark.ci
@pytest.mark.usefixtures("small_pages")
def test_names_that_change_meanwhile_are_those_of_the_result(
    book: Book, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read with the names before is read again, within the same job."""
    book.rename(brand_aliases=["Contamaxx"])
    job, advance = place(book), reanalysis_jobs.control_of

    def renamed(*arguments: object) -> object:
        book.rename(brand_aliases=["Contamax"])
        monkeypatch.setattr(reanalysis_jobs, "control_of", advance)
        return advance(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reanalysis_jobs, "control_of", renamed)
    serve(book)
    assert job.id == job_of(book).id
    assert "completed" == job_of(book).status
    assert 0 == reanalysis.plan(book.db, 1).stale
    assert equals(book, fresh)


@pytest.mark.usefixtures("small_pages")
def test_a_job_that_is_cancelled_stops_after_its_page(book: Book) -> None:
    """What was read stays read; a new job reads the rest."""
    job, errors = place(book), RowErrors()
    book.db.execute("UPDATE llm_reanalysis_jobs SET status = 'running'")
    assert reanalysis_jobs.cancel(book.db, job.id)
    assert not read_all(book.db, job, errors, Event(), sentiment=True)
    assert 55 == reanalysis.plan(book.db, 1).stale
    assert reanalysis_jobs.cancel(book.db, job.id) is False
    assert 55 == place(book).answers
    assert serve(book) == 1
    assert "completed" == job_of(book).status
    assert 55 == job_of(book).done


def test_an_answer_that_cannot_be_read_stays_alone(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends, and says that something is left; it is not tried for ever."""
    read = reanalysis.StaleAnswerReader.read

    def refuse(reader: reanalysis.StaleAnswerReader, row: dict[str, object]) -> object:
        if row["id"] == 7:
            raise ValueError("unreadable")
        return read(reader, row)

    monkeypatch.setattr(reanalysis.StaleAnswerReader, "read", refuse)
    place(book)
    serve(book)
    assert "completed" == job_of(book).status
    assert "some_unread" == job_of(book).reason
    assert 1 == reanalysis.plan(book.db, book.project_id).stale


def test_a_job_that_fails_ends_with_its_error(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """And another project's is done all the same."""
    other = replace(book, project_id=projects.add(book.db, other_project(book)))
    projects.add_prompts(book.db, other.project_id, ["¿Qué programa?"])
    other.store(0, reanalysis.plan(book.db, 1).days[0].day, "1. Quipu")
    other.rename(brand_aliases=["Contamax"])
    place(book), place(other)
    plan = reanalysis.plan

    def broken(db: Database, project_id: int) -> reanalysis.ReanalysisPlan:
        if project_id == book.project_id:
            raise ZeroDivisionError
        return plan(db, project_id)

    monkeypatch.setattr(reanalysis, "plan", broken)
    assert 2 == serve(book)
    assert "failed" == job_of(book).status
    assert "ZeroDivisionError" == job_of(book).reason
    assert "completed" == job_of(other).status


def other_project(book: Book) -> projects.NewProject:
    user = book.project.user_id
    assert user is not None
    return projects.NewProject(user, "other", book.project.brand, "x", book.project.competitors)


def test_a_job_goes_with_its_project(book: Book) -> None:
    """Nothing of it is left to be done."""
    place(book)
    projects.remove(book.db, book.project_id)
    assert 0 == serve(book)
    assert reanalysis_jobs.latest(book.db, book.project_id) is None


@pytest.fixture
def web_login(database_url: str) -> Iterator[Database]:
    """The service's own login, which row-level security binds."""
    execute(database_url, grants())
    execute(database_url, "CREATE ROLE test_web LOGIN PASSWORD 'pw' IN ROLE llm_monitoring_web")
    with Database(as_login(database_url, "web"), size=2) as opened:
        yield opened
    execute(database_url, "DROP ROLE test_web")


@pytest.mark.ci
def test_the_services_own_role_does_a_job(book: Book, fresh: Fresh, web_login: Database) -> None:
    """With the rights of the project's owner, and no more than those."""
    user = book.project.user_id
    assert user is not None
    owner = UserDatabase(web_login, user)
    reanalysis_jobs.place(owner, book.project_id, user, reanalysis.plan(owner, book.project_id))
    reanalysis_jobs.serve_open(web_login, lambda each: UserDatabase(web_login, each), Event(), sentiment=True)
    assert "completed" == job_of(book).status
    assert job_of(book).reason is None
    assert equals(book, fresh)


def test_another_user_neither_sees_nor_places_nor_writes(book: Book, web_login: Database) -> None:
    """The wall holds for jobs, for what was read in answers, and for figures; of one's own answers no text changes."""
    other = UserDatabase(web_login, projects.add_user(book.db, "b@example.com"))
    place(book)
    assert [] == other.all("SELECT id FROM llm_reanalysis_jobs")
    assert 0 == other.execute("UPDATE llm_reanalysis_jobs SET done = 1")
    assert 0 == other.execute("UPDATE llm_monitoring_results SET brand_mentioned = NOT brand_mentioned")
    assert 0 == other.execute("DELETE FROM llm_monitoring_snapshots")
    with pytest.raises(Exception, match="row-level security"):
        other.execute("INSERT INTO llm_reanalysis_jobs (project_id, user_id, answers) VALUES (1, 2, 3)")
    user = book.project.user_id
    assert user is not None
    for column in ("full_response = 'x'", "cost_usd = 0", "project_id = 1"):
        with pytest.raises(Exception, match="permission denied"):
            UserDatabase(web_login, user).execute(f"UPDATE llm_monitoring_results SET {column}")
