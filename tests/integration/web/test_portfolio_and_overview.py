"""The two pages that are opened first: what they show to whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from threading import Event

import pytest
from markupsafe import Markup

from llm_monitoring import projects
from llm_monitoring.access.roles import add_viewer
from llm_monitoring.analysis import Entity
from llm_monitoring.reporting.portfolio import ProjectStanding
from llm_monitoring.web.pages import measuring, portfolio
from llm_monitoring.web.pages.portfolio import RowFigures
from tests.conftest import Databases
from tests.integration.web.two_periods import COMPARED, two_periods
from tests.integration.web.world import World, sign_in

HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 200
QUERY = "&".join(f"{name}={text}" for name, text in COMPARED.items())


@pytest.fixture(scope="module")
def measured(databases: Databases) -> Iterator[World]:
    """Two measured periods of a project of Ana, which Bea may view."""
    with two_periods(databases) as world:
        add_viewer(world.db, world.project, world.bea)
        yield world


@pytest.fixture
def release(measured: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """The service measures something else until this is called, and pages wait a moment."""
    monkeypatch.setattr(measuring, "PATIENCE_SECONDS", 0.05)
    measured.db.execute("DELETE FROM llm_stored_figures")
    measured.service.background.tasks.clear()
    event = Event()

    def release() -> None:
        monkeypatch.setattr(measuring, "PATIENCE_SECONDS", 60.0)
        event.set()

    measured.service.background.begin("other", lambda: event.wait(30))
    yield release
    event.set()


def text_of(world: World, path: str, user: int, language: str = "en") -> str:
    found = world.open(path, sign_in(world, user), headers={"Accept-Language": language})
    assert 200 == found.status_code, found.text
    main = re.search(r"<main.*</main>", found.text, re.DOTALL)
    assert main is not None
    return Markup(main[0]).striptags().replace("\N{NO-BREAK SPACE}", " ")


def test_a_newcomer_reads_what_to_do(measured: World) -> None:
    """Without a project the page says what one is, and the steps to the first."""
    newcomer = projects.add_user(measured.db, "new@example.com")
    text = text_of(measured, "/", newcomer)
    steps = ("no project yet", "Create it with its brand", "Give it prompts", "Store an API key")
    assert [] == [each for each in steps if each not in text]


def test_spend_is_the_owners(measured: World) -> None:
    """The owner sees what a project cost this month, a viewer does not."""
    measured.db.execute(
        "UPDATE llm_monitoring_snapshots SET snapshot_date = current_date, total_cost_usd = 0.36 "
        "WHERE id = (SELECT min(id) FROM llm_monitoring_snapshots WHERE project_id = %(p)s)",
        {"p": measured.project},
    )
    seen = ["$0.36" in text_of(measured, "/", user) for user in (measured.ana, measured.bea)]
    assert [True, False] == seen


def test_what_needs_attention_comes_first(measured: World) -> None:
    """A paused project needs none: it stands last, though its brand sorts first."""
    project = projects.add(measured.db, projects.NewProject(measured.ana, "A", Entity("Alfa"), "x", ()))
    projects.set_active(measured.db, project, is_active=False)
    text = text_of(measured, "/", measured.ana)
    measured.db.execute("DELETE FROM llm_monitoring_projects WHERE id = %(id)s", {"id": project})
    assert 0 < text.index("Quipu") < text.index("Alfa")
    assert "paused" in text


def test_a_drop_that_was_measured_orders_rows_that_are_not_yet_read(
    measured: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored last says where a project stands, without measuring it again."""
    measured.open(f"/projects/{measured.project}/row", sign_in(measured, measured.ana))
    measured.db.execute(
        "UPDATE llm_stored_figures SET body = jsonb_set(body::jsonb, "
        "'{view,total,mention_rate,change,verdict}', '\"down\"')::text WHERE project_id = %(p)s",
        {"p": measured.project},
    )
    monkeypatch.setattr(portfolio, "AT_ONCE", 0)
    found = "a real drop" in text_of(measured, "/", measured.ana)
    measured.db.execute("DELETE FROM llm_stored_figures")
    assert found is True
    assert "a real drop" not in text_of(measured, "/", measured.ana)


def test_names_of_others_stay_text(measured: World) -> None:
    """Markup, marks of direction and 255 letters in a name change no page."""
    new = projects.NewProject(measured.ana, HOSTILE[:255], Entity(HOSTILE[:200].replace("\u202e", "")), "x", ())
    project = projects.add(measured.db, new)
    for path in ("/", f"/projects/{project}"):
        page = measured.open(path, sign_in(measured, measured.ana)).text
        assert "<script>alert" not in page
        assert "\u202e" not in page
    measured.db.execute("DELETE FROM llm_monitoring_projects WHERE id = %(id)s", {"id": project})


def test_rows_beyond_the_first_load_their_figures(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row without figures yet names where they are, and works as a link without script."""
    monkeypatch.setattr(portfolio, "AT_ONCE", 0)
    page = measured.open("/", sign_in(measured, measured.ana)).text
    assert f'hx-get="/projects/{measured.project}/row"' in page
    row = measured.open(f"/projects/{measured.project}/row", sign_in(measured, measured.ana)).text
    assert "data-n=" in row
    assert "<html" not in row


def test_figures_that_take_long_are_loaded_by_their_rows(measured: World, release: Callable[[], None]) -> None:
    """The page waits half a second at most: rows with figures have them, the others ask for theirs."""
    cookies = sign_in(measured, measured.ana)
    measured.db.execute("DELETE FROM llm_stored_figures")
    waiting = measured.open("/", cookies).text
    release()
    measured.open(f"/projects/{measured.project}/row", cookies)
    assert "/row" in waiting
    assert "/row" not in measured.open("/", cookies).text


def test_a_row_that_takes_long_says_so_and_asks_again(measured: World, release: Callable[[], None]) -> None:
    """While its figures are measured no request waits for them."""
    cookies = sign_in(measured, measured.ana)
    row = measured.open(f"/projects/{measured.project}/row", cookies).text
    assert "load delay:2s" in row
    assert "being measured" in row
    assert "data-n=" not in row
    release()
    assert "data-n=" in measured.open(f"/projects/{measured.project}/row", cookies).text


def test_the_head_counts_what_the_rows_show(measured: World, release: Callable[[], None]) -> None:
    """A drop that a row shows needs attention, and of a project that was never measured nothing is said."""
    cookies = sign_in(measured, measured.ana)
    head = r'<p class="fine" role="status".*</p>'
    measured.db.execute("DELETE FROM llm_stored_figures")
    unknown, alone = measured.open("/", cookies).text, measured.open("/attention", cookies).text
    assert re.findall(head, unknown) == re.findall(head, alone)
    assert "not measured yet" in alone
    assert "nothing needs attention" not in alone
    release()
    measured.open(f"/projects/{measured.project}/row", cookies)
    assert "not measured yet" not in measured.open("/", cookies).text


def test_a_drop_that_the_page_finds_is_in_its_head(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the figures that were stored last said otherwise."""
    cookies = sign_in(measured, measured.ana)
    measured.db.execute("UPDATE user_llm_api_keys SET monthly_budget_usd = 100")
    measured.open(f"/projects/{measured.project}/row", cookies)
    monkeypatch.setattr(portfolio, "last_verdicts", lambda db, wanted: {measured.project: "within noise"})
    monkeypatch.setattr(RowFigures, "has_dropped", True)
    monkeypatch.setattr(ProjectStanding, "needs", lambda *_, **__: [])
    text = text_of(measured, "/", measured.ana)
    assert "a real drop" in text
    assert "1 needs attention" in text


def test_the_overview_says_what_changed_and_why(measured: World) -> None:
    """The lead sentence, the verdict, each provider's, and the change of model, in the page's language."""
    text = text_of(measured, f"/projects/{measured.project}?{QUERY}", measured.ana, "es")
    for each in ("Quipu aparece en el", "Qué ha cambiado", "responde con m-2 desde el 3 nov 2026; antes, con m-1"):
        assert each in text


def test_answers_to_branded_prompts_stand_apart(measured: World) -> None:
    """Next to the figures; if there are no others, the page says why there is no figure."""
    path = f"/projects/{measured.project}?{QUERY}"
    apart = "Apart from these: Quipu is named in 2 of 2 answers to prompts that name it themselves."
    assert apart in text_of(measured, path, measured.ana)
    branded = projects.list_prompts(measured.db, measured.project)[-1]
    projects.set_tags(measured.db, measured.project, branded["id"], ["brand"])
    alone = text_of(measured, f"{path}&tag=brand", measured.ana)
    assert "only answers to prompts that name Quipu themselves" in alone
    assert apart in alone


def test_a_viewer_learns_no_reason(measured: World) -> None:
    """Why answers are missing, keys and budget are for the owner; that they are missing is for all."""
    measured.db.execute(
        "INSERT INTO llm_monitoring_failed_tasks "
        "(project_id, query_id, llm_provider, analysis_date, sample, reason, message, final) "
        "SELECT project_id, min(id), 'openai', %(day)s, 3, 'auth_failed', '', TRUE FROM llm_monitoring_queries "
        "WHERE project_id = %(p)s GROUP BY project_id",
        {"p": measured.project, "day": date(2026, 11, 4)},
    )
    path = f"/projects/{measured.project}?{QUERY}"
    owner, viewer = text_of(measured, path, measured.ana), text_of(measured, path, measured.bea)
    assert "refused the key" in owner
    assert "There is no key for" in owner
    assert "refused the key" not in viewer
    assert "There is no key for" not in viewer
    assert "Missing: 1 answer." in viewer


@pytest.mark.short(every=2)
@pytest.mark.parametrize("query", ["from=x", "from=2026-11-02&to=2026-11-01", "from=0001-01-01", "provider=mistral"])
def test_a_wrong_filter_is_a_page_that_names_it(measured: World, query: str) -> None:
    """An address that was changed by hand gets a sentence and the name of the value, not a failure."""
    found = measured.open(f"/projects/{measured.project}?{query}", sign_in(measured, measured.ana))
    assert 422 == found.status_code
    assert "<code>" in found.text


def test_a_foreign_project_is_a_missing_one(measured: World) -> None:
    """The same page to the last byte, whichever it is."""
    cookies = sign_in(measured, measured.ana)
    pages = [measured.open(f"/projects/{number}", cookies) for number in (measured.foreign, 999_999)]
    assert 404 == pages[0].status_code
    assert 404 == pages[1].status_code
    assert pages[0].content == pages[1].content
