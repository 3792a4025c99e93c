"""The pages of answers: what they show, what they keep as text, and what they keep from whom."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

import pytest

from llm_monitoring import projects
from llm_monitoring.access import roles, shares
from llm_monitoring.access.audit import Actor
from llm_monitoring.analysis import Entity
from llm_monitoring.analysis.mentions.vocabulary import Vocabulary, compile_vocabulary
from llm_monitoring.web.cookies import SHARE
from tests.integration.stored import Book
from tests.integration.web.test_drill_down import listed
from tests.integration.web.world import World, sign_in

DAY: Final = date(2026, 11, 1)
SCRIPT: Final = "<script>alert(1)</script> <img src=x onerror=alert(2)> [pulsa](javascript:alert(3)) \u202egirado\u202c"


@pytest.fixture
def book(world: World) -> Book:
    """A brand with a rival, and two prompts."""
    new = projects.NewProject(
        world.ana, "P", Entity("Quipu", domains=("getquipu.com",)), "x", (Entity("Holded"), Entity("Sage"))
    )
    world.project = projects.add(world.db, new)
    projects.add_prompts(world.db, world.project, ["¿Qué programa recomiendas?", "¿Quipu o Sage?"])
    return Book(world.db, world.project)


def shown(world: World, path: str, user: int | None = None, **options: Any) -> str:
    """A page of the project in Spanish, as its owner sees it unless another user is given."""
    headers = {"Accept-Language": "es"}
    found = world.open(
        f"/projects/{world.project}/{path}", sign_in(world, user or world.ana), headers=headers, **options
    )
    assert 200 == found.status_code, found.text
    text: str = found.text
    return text


def test_the_list_takes_the_filters_of_the_api(world: World, book: Book) -> None:
    """Those that a form leaves empty are none, and a wrong one is named."""
    book.store(0, DAY, "1. Quipu\n2. Holded")
    book.store(0, DAY, "Usa Sage.", sample=2)
    named = shown(world, "answers?mentioned=true&competitor=&sentiment=&cited=&from=&to=")
    assert 1 == named.count("/answers/1")
    assert 0 == named.count("/answers/2")
    assert "/answers/2" in shown(world, "answers?competitor=sage")
    page = world.open(f"/projects/{world.project}/answers?mentioned=perhaps", sign_in(world, world.ana))
    assert 422 == page.status_code
    assert "mentioned" in page.text


def test_the_list_of_a_figure_says_which(world: World, book: Book) -> None:
    """And how many answers it counts, as many as the API lists; the pages of it hold each once."""
    for number in range(60):
        book.store(0, DAY + timedelta(number % 30), "Usa Quipu.", sample=1 + number // 30)
    book.store(1, DAY, "Quipu es mejor.")
    query = "counted_in=mention_rate&from=2026-11-01&to=2026-11-30"
    first = shown(world, f"answers?{query}")
    assert "tasa de aparición" in first
    assert "60 respuestas" in first
    assert 60 == len(listed(world, counted_in="mention_rate", **{"from": "2026-11-01", "to": "2026-11-30"}))
    start = first.index('rel="next" href="') + len('rel="next" href="')
    address = first[start : first.index('"', start)].replace("&amp;", "&")
    second = shown(world, address.partition("/answers")[2].join(["answers", ""]))
    ids = [int(part.split("?")[0]) for page in (first, second) for part in page.split("/answers/")[1:]]
    assert sorted(ids) == sorted(set(ids))
    assert 60 == len(ids)


def test_an_answer_is_shown_with_its_names_marked(world: World, book: Book) -> None:
    """And with its place, sources, models, and the answers around it."""
    book.store(0, DAY, "1. **Holded**\n2. **Quipu**", citations=["https://getquipu.com/a", "https://example.org/b"])
    book.store(0, DAY + timedelta(1), "1. **Quipu**\n2. **Holded**")
    book.store(0, DAY + timedelta(1), "Sage.", provider="google")
    first, second = shown(world, "answers/1"), shown(world, "answers/2")
    assert '<mark class="b">Quipu</mark>' in first
    assert '<mark class="c">Holded</mark>' in first
    assert "puesto 2 de 2" in first
    assert 'href="https://getquipu.com/a" rel="noopener noreferrer nofollow"' in first
    assert "/answers/2" in first
    assert "/answers/1" in second
    assert "/answers/3" in second
    assert "<ins>" in second
    assert "<del>" in second
    assert "Es la primera respuesta" in first


def test_an_answers_page_compiles_the_names_once(world: World, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers and their sources are read with one matcher, and a list of read answers needs none."""
    compiled: list[tuple[Entity, ...]] = []

    def noted(entities: tuple[Entity, ...]) -> Vocabulary:
        compiled.append(entities)
        return compile_vocabulary(entities)

    book.store(0, DAY, "1. Holded", citations=["https://getquipu.com/a"])
    book.store(0, DAY + timedelta(1), "1. Quipu", citations=["https://getquipu.com/a"])
    monkeypatch.setattr("llm_monitoring.analysis.answer.compile_vocabulary", noted)
    assert "getquipu.com/a" in shown(world, "answers/2")
    assert 1 == len(compiled)
    assert "/answers/2" in shown(world, "answers")
    assert 1 == len(compiled)


def test_what_others_wrote_stays_text(world: World, book: Book) -> None:
    """Markup, addresses of scripts, marks of direction, a title and a name of 255 letters, on every page."""
    long = "Ñ" * 255
    projects.add_competitor(world.db, world.project, Entity(long))
    book.store(0, DAY, f"Quipu {SCRIPT} {long}", citations=["javascript:alert(4)", "https://a.example/<script>"])
    book.db.execute(
        "UPDATE llm_monitoring_results SET model_used = '<b>m</b>', sources = jsonb_set(sources, '{0,title}', %(t)s)",
        {"t": '"<script>alert(5)</script>"'},
    )
    book.db.execute("UPDATE llm_monitoring_queries SET query_text = '<script>alert(6)</script>' WHERE id = 5")
    book.db.execute("UPDATE llm_monitoring_results SET query_text = '<script>alert(6)</script>'")
    for path in ("answers", "answers/1"):
        page = shown(world, path)
        for hostile in ("<script>alert", "<img src=x", "<b>m</b>", 'href="javascript', "\u202e"):
            assert hostile not in page, (path, hostile)
    assert "&lt;script&gt;alert(6)" in shown(world, "answers/1")


@pytest.mark.ci
def test_a_megabyte_in_one_line_is_cut(world: World, book: Book) -> None:
    """The page stays small, says so, and compares what it can."""
    book.store(0, DAY, "Quipu " + "a b " * 250_000)
    book.store(0, DAY + timedelta(1), "Quipu " + "b a " * 250_000)
    page = shown(world, "answers/2")
    assert "recortada" in page
    assert len(page) < 400_000
    assert "solo se compara su comienzo" in page


def test_an_answer_that_cannot_be_read_says_why(world: World, book: Book) -> None:
    """One without a text, one that is not analysed, one with columns that no analysis stores."""
    for sample in (1, 2, 3):
        book.store(0, DAY, "Quipu <i>x</i>", sample=sample)
    changes = ("full_response = NULL", "unread_reason = 'IndexError'", "competitors_mentioned = '[1]'")
    for number, change in enumerate(changes, 1):
        book.db.execute(f"UPDATE llm_monitoring_results SET {change} WHERE id = %(id)s", {"id": number})
    assert "ya no se guarda" in shown(world, "answers/1")
    assert "todavía no se ha podido analizar" in shown(world, "answers/2")
    assert "datos que no se pueden usar" in shown(world, "answers/3")
    assert "sin analizar" in shown(world, "answers")


def test_cost_is_for_the_owner(world: World, book: Book) -> None:
    """A viewer sees the same page without it, and another user none."""
    book.store(0, DAY, "Quipu.")
    roles.add_viewer(world.db, world.project, world.bea)
    assert "USD" in shown(world, "answers/1")
    assert "USD" not in shown(world, "answers/1", world.bea)
    foreign = world.open(f"/projects/{world.foreign}/answers", sign_in(world, world.ana))
    missing = world.open("/projects/99999/answers", sign_in(world, world.ana))
    assert 404 == foreign.status_code
    assert 404 == missing.status_code
    other = world.open(f"/projects/{world.project}/answers/999", sign_in(world, world.ana))
    assert 404 == other.status_code


@pytest.mark.short(every=3)
@pytest.mark.parametrize("role", ["owner", "viewer", "share"])
def test_the_whole_text_of_a_long_answer_is_a_file(world: World, book: Book, role: str) -> None:
    """Of which the page shows the beginning: plain text, never opened in the browser, under a name of our own."""
    named = {"name": 'a"/../\r\nX: y', "id": world.project}
    world.db.execute("UPDATE llm_monitoring_projects SET name = %(name)s WHERE id = %(id)s", named)
    book.store(0, DAY, "Usa Quipu. <b>" + "palabra " * 9_000 + "final")
    roles.add_viewer(world.db, world.project, world.bea)
    link = shares.create(world.db, Actor("command", world.ana), world.project, "Acme")[1].reveal()
    cookies = {
        "owner": sign_in(world, world.ana),
        "viewer": sign_in(world, world.bea),
        "share": {f"__Host-{SHARE}{world.project}": link},
    }[role]
    path = f"/projects/{world.project}/answers/1"
    assert f'href="{path}/text"' in world.open(path, cookies).text
    found = world.open(f"{path}/text", cookies)
    assert 200 == found.status_code
    assert "text/plain; charset=utf-8" == found.headers["content-type"]
    assert "nosniff" == found.headers["x-content-type-options"]
    assert f'attachment; filename="{world.project}-a-x-y-answer-1.txt"' == found.headers["content-disposition"]
    assert "final" in found.text
    assert len(found.text) > 70_000


def test_a_short_answer_has_no_file_to_offer(world: World, book: Book) -> None:
    """And one without a text, or of another project, has none at all."""
    book.store(0, DAY, "Usa Quipu.")
    path = f"/projects/{world.project}/answers/1"
    assert "/answers/1/text" not in shown(world, "answers/1")
    assert 404 == world.open(f"/projects/{world.foreign}/answers/1/text", sign_in(world, world.bea)).status_code
    world.db.execute("UPDATE llm_monitoring_results SET full_response = NULL")
    assert 404 == world.open(f"{path}/text", sign_in(world, world.ana)).status_code
