"""Row-level security of stored figures: read and measured by who sees the project, and by no one else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_monitoring.db.database import Database
from llm_monitoring.db.scoped import ProjectDatabase, UserDatabase
from llm_monitoring.errors import ConfigurationError, NotFound
from llm_monitoring.figures.periods import Period, PeriodRequest
from llm_monitoring.web.stored_figures import FIGURES, figures_of
from tests.integration.stored import Book
from tests.integration.test_grants import as_login, execute, grants
from tests.integration.web.test_results import DAYS
from tests.integration.web.world import World

OWN = "INSERT INTO llm_stored_figures VALUES (%(id)s, '2026-11-01', '2026-11-02', '{}', repeat('0', 32), '{}', now())"


@pytest.fixture
def pool(world: World) -> Iterator[Database]:
    """The service's own login; Bea's project has answers."""
    url = world.db.dsn
    execute(url, grants())
    execute(url, "CREATE ROLE test_web LOGIN PASSWORD 'pw' IN ROLE llm_monitoring_web")
    book = Book(world.db, world.foreign)
    for number in range(2):
        book.store(number, DAYS[0], "1. Quipu")
    book.figures(DAYS[0])
    with Database(as_login(url, "web"), size=2) as opened:
        yield opened
    execute(url, "DROP ROLE test_web")


def wanted(world: World) -> PeriodRequest:
    return PeriodRequest(world.foreign, Period(DAYS[0], DAYS[0]))


def test_who_sees_a_project_measures_and_reads_its_figures(world: World, pool: Database) -> None:
    """The owner, a viewer and a share link: the same figures, whoever measured them."""
    world.db.execute("INSERT INTO llm_project_viewers VALUES (%(p)s, %(u)s)", {"p": world.foreign, "u": world.ana})
    visitors = [UserDatabase(pool, world.bea), UserDatabase(pool, world.ana), ProjectDatabase(pool, world.foreign)]
    found = []
    for visitor in visitors:
        world.db.execute("DELETE FROM llm_stored_figures")
        found.append(figures_of(visitor, wanted(world)))
        assert [[found[-1]]] * 3 == [FIGURES.stored(each, [wanted(world)]) for each in visitors]
    assert [found[0]] * 3 == found
    assert 2 == found[0].view.total["mention_rate"].answers


def test_no_other_reads_writes_or_removes_them(world: World, pool: Database) -> None:
    """Ana's session neither sees the row nor can put another in its place."""
    figures_of(UserDatabase(pool, world.bea), wanted(world))
    ana = UserDatabase(pool, world.ana)
    assert [] == ana.all("SELECT 1 AS one FROM llm_stored_figures")
    assert 0 == ana.execute("DELETE FROM llm_stored_figures")
    assert 0 == ana.execute("UPDATE llm_stored_figures SET body = '{}'")
    with pytest.raises(ConfigurationError):
        ana.execute(OWN, {"id": world.foreign})
    assert 1 == ana.execute(OWN, {"id": world.project})
    with pytest.raises(NotFound):
        figures_of(ana, wanted(world))
