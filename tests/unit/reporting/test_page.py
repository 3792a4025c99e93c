"""The page: nothing in it runs, everything in it is text, and it stays small."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from llm_monitoring.analysis import Entity, Matcher
from llm_monitoring.figures.answer_set import answer_set
from llm_monitoring.reporting.answers import answer_view, lines, page_size, pieces, prompt_views
from llm_monitoring.reporting.charts import label, trend_chart
from llm_monitoring.reporting.citations import CitationTally, safe_href
from llm_monitoring.reporting.page import render
from llm_monitoring.reporting.report_data import Access, Failures
from llm_monitoring.reporting.showing import UNSHOWABLE
from llm_monitoring.reporting.trends import trend
from llm_monitoring.reporting.view import view
from llm_monitoring.reporting.words import load_words
from tests.unit.reporting.scene import BRAND, LAST, RIVALS, TEXT, material, project

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> [here](javascript:alert(3)) "
    '[there](https://evil.example/?a=1&b="><script>) </style></main></div>{{ 7*7 }} {% raw %} &lt;b&gt; \x00\x1b[31m '
    "\u202eQuipu\u202c and Holded\n"
)


class Reader(HTMLParser):
    """What a parser finds in a page: every element with its attributes, and the text outside of the style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] and self.elements[-1][0] != "style":
            self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(**changes: Any) -> str:
    return render(view(material(**changes)))


def test_policy() -> None:
    """The page's policy allows its one style sheet by digest and nothing else, and the page needs nothing else."""
    page = page_of()
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    policy = next(each["content"] for each in Reader(page).named("meta") if "http-equiv" in each)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    attributes = [set(each) for _, each in Reader(page).elements]
    assert [] == [each for each in attributes if each & {"style", "src", "srcset", "data", "ping", "background"}]
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_hostile_answers_stay_text() -> None:
    """Markup, script links and template marks in an answer, a name or a prompt are text, in every place."""
    evil = Entity("Quipu", ("Qui<b>pu",), ("getquipu.com",))
    rivals = (*RIVALS, Entity('"><svg onload=alert(4)>'))
    scene = material(
        of=replace(project(rivals=rivals, brand=evil), name="<script>alert(5)</script>"), text=lambda number: HOSTILE
    )
    scene = replace(scene, prompts=[{"id": 1, "query_text": HOSTILE, "is_active": True, "language": "es"}])
    found = Reader(render(view(scene)))
    assert set() == {tag for tag, _ in found.elements} & {"script", "img", "iframe", "object", "form", "base", "input"}
    assert [] == [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert "alert(3)" not in "".join(each.get("href") or "" for each in found.named("a"))
    text = "".join(found.text)
    assert "{{ 7*7 }}" in text
    assert "<script>alert(5)</script>" in text
    assert '"><svg onload=alert(4)>' in text
    assert UNSHOWABLE.search(text) is None


def test_links() -> None:
    """A link leads to http or https only, tells the other side nothing, and passes it no weight."""
    addresses = [
        "javascript:alert(1)", "https://a.example/x", "http://b.example", "data:text/html,x", "//c.example",
        "https://d.example/" + "x" * 600, "https:///nowhere", "https://e.example/a b", "https://[", "HTTPS://f.example",
    ]  # fmt: skip
    assert [addresses[1], addresses[2], addresses[9]] == [each for each in addresses if safe_href(each)]
    sources = [{"url": each, "domain": "a.example", "title": "T", "kind": "inline"} for each in addresses]
    links = [each for each in Reader(page_of(sources=sources)).named("a") if not (each["href"] or "").startswith("#")]
    assert {"nofollow noopener noreferrer"} == {each["rel"] for each in links}
    assert {"https", "http", "HTTPS"} == {(each["href"] or "").partition(":")[0] for each in links}


def test_long_line() -> None:
    """A line of a megabyte is cut with notice, and the page stays small."""
    page = page_of(text=lambda number: "ñ" * 1_000_000 if number == 0 else TEXT)
    assert "Respuesta recortada: tiene 1.000.000 caracteres" in page
    assert len(page.encode()) < 300_000


@pytest.mark.short(every=4)
@pytest.mark.parametrize(("prompts", "days"), [(15, 2), pytest.param(60, 30, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "text",
    [
        "**Quipu** y Holded cuestan lo mismo en cada caso; conviene probar los dos. " * 110,
        "Quipu\n\nHolded\n\n" * 500,
        "<&>\"'" * 1600,
        "記帳軟體推薦，" * 1200,
    ],
    ids=["prose", "lines of names", "escapes", "three bytes a letter"],
)
def test_size(prompts: int, days: int, text: str) -> None:
    """15 prompts at 4 providers over 2 days, 60 over 30 days, with answers as long as they may be, stay below 2 MB."""
    sources = [
        {
            "url": f"https://redirect.example/{'A' * 260}{n}",
            "domain": "redirect.example",
            "title": "T" * 90,
            "kind": "provider",
        }
        for n in range(12)
    ]
    page = page_of(prompts=prompts, days=days, text=lambda number: text, sources=sources)
    assert 200_000 < len(page.encode()) < 2_000_000


def test_many_answers() -> None:
    """With more answers than a page can show the others are counted, and never called unanswered."""
    found = view(material(prompts=150, days=2))
    assert 480 == sum(len(each.answers) for each in found.prompts)
    assert 120 == sum(each.hidden for each in found.prompts)
    assert [] == [each for each in found.prompts if each.missing]
    assert len(render(found).encode()) < 2_000_000


def test_marks() -> None:
    """The pieces of an answer join to its visible text, with brand and rivals marked where the matcher finds them."""
    matcher = Matcher(BRAND, RIVALS)
    text = "**Hol**ded supera a Quipu App; no tengo datos sobre Sage.\n\nToolQuipu no."
    visible = matcher.analyse(text).visible_text
    found = list(pieces(matcher.mentions(text), matcher.entities[0].name, visible))
    assert visible == "".join(piece.text for piece in found)
    assert [("Holded", "rival"), ("Quipu App", "brand")] == [(each.text, each.mark) for each in found if each.mark]
    assert ["Holded supera a Quipu App; no tengo datos sobre Sage.", "ToolQuipu no."] == [
        "".join(piece.text for piece in line) for line in lines(found)
    ]


def test_most_marks() -> None:
    """Marks take a quarter of an answer's bytes at most: names after that are plain text, and none is lost."""
    row = {**material(prompts=1, days=1).texts[0], "text": "Quipu y Holded. " * 60}
    found = answer_view(Matcher(BRAND, RIVALS), row, 1040)
    shown = [piece for line in found.lines for piece in line]
    assert 10 == sum(piece.mark != "" for piece in shown)
    assert "".join(piece.text for piece in shown).startswith("Quipu y Holded. " * 20)


def test_missing_answers() -> None:
    """A prompt tells which provider gave no answer and why."""
    page = page_of(missing=[(1, "google")], prompts=2)
    assert "Gemini: sin respuesta (el asistente se negó a responder)" in page
    found = prompt_views(
        project(), [{"id": 9, "query_text": "¿Nueva?", "is_active": True, "language": "es"}], [], [], {}
    )
    assert ["pending"] * 4 == [each.reason for each in found[0].missing]


def test_texts_that_are_not_kept() -> None:
    """Where retention has taken an answer's text, the page says so in its place."""
    scene = material(prompts=2, days=2)
    gone = [{**row, "text": None, "length": None} for row in scene.texts]
    assert 8 == render(view(replace(scene, texts=gone))).count("El texto de esta respuesta ya no se guarda.")


def test_what_is_wrong_is_said_at_the_top() -> None:
    """Old data, a spent budget and answers read with other names are said before any figure."""
    page = page_of(
        today=LAST + timedelta(days=5),
        access=Access(frozenset({"google"}), blocked=True),
        left_out=3,
        failures=[Failures("openai", "budget", LAST, 4)],
    )
    top = page[: page.index("<main>")]
    assert "La última medición es del 23 nov 2026, hace 5 días." in top
    assert "El presupuesto del mes está agotado" in top
    assert "3 respuestas de este periodo no entran en ninguna cifra" in top
    assert "No hay una clave de API utilizable" in page
    assert "4 respuestas: presupuesto del mes agotado (1 día, la última vez el 23 nov 2026)" in page


@pytest.mark.parametrize("language", ["es", "en", "nl"])
def test_nothing_measured(language: str) -> None:
    """A project without one answer still gets a page that says so, without a figure."""
    page = render(view(material(prompts=0, days=3, of=project(language))))
    assert ('lang="es"' if language == "es" else 'lang="en"') in page
    assert "0.0%" not in page
    assert "0,0" not in page


def test_without_rivals() -> None:
    """Without competitors there is no share of voice, and the page says why."""
    page = page_of(of=project(rivals=()))
    assert "El proyecto no sigue a ningún competidor." in page
    assert "Cuota de voz por asistente" not in page


def test_uncertainty_is_shown() -> None:
    """Every headline has its interval and what it rests on, and a chart its band."""
    found = view(material())
    page = render(found)
    assert len(found.overview.headlines) - 1 == page.count(
        "(intervalo del 95\N{NO-BREAK SPACE}%)</p>"
    )  # all tones agree
    assert 4 == page.count('class="band"')


def test_charts_leave_gaps_and_mark_changes() -> None:
    """A day without answers parts a trend's line, and a change of model is a numbered mark at its day."""
    gone, changed = LAST - timedelta(days=10), LAST - timedelta(days=4)
    answers = [
        replace(each, model_id="gpt-7" if each.day >= changed else "gpt-6")
        for each in material().observations
        if each.provider == "openai" and each.day != gone
    ]
    drawn = trend_chart(trend("openai", answer_set(answers, ()), LAST - timedelta(days=29), LAST), load_words("es"))
    assert (2, 2, 29, 1) == tuple(drawn.count(f'class="{name}"') for name in ("band", "line", "dot", "change"))
    assert ">1</text>" in drawn
    alone = [each for each in answers if each.day == LAST]
    assert 1 == trend_chart(trend("openai", answer_set(alone, ()), LAST, LAST), load_words("es")).count('class="point"')


def test_labels_are_escaped() -> None:
    """The drawing library escapes nothing: what is written in a drawing is escaped before it gets there."""
    assert "&lt;b&gt;" in str(label("<b>", 0, 0))


def test_citations() -> None:
    """Pages are counted once an answer, whatever their scheme; those where rivals stand alone are the gaps."""
    tally = CitationTally(BRAND, RIVALS)
    row = {"query_id": 1, "llm_provider": "openai", "branded": False, "brand_mentioned": False, "brand_cited": False,
           "competitors_mentioned": {"Holded": 1}, "competitors_cited": {"Holded": 1}}  # fmt: skip
    blog = {"domain": "blog.example", "title": None, "kind": "inline"}
    own = {"url": "https://app.getquipu.com/x", "domain": "app.getquipu.com", "title": "Q", "kind": "provider"}
    rival = {"url": "https://holded.com/", "domain": "holded.com", "title": "H", "kind": "provider"}
    tally.add({**row, "sources": [{**blog, "url": "https://www.blog.example/a/"}, rival]})
    tally.add({**row, "query_id": 2, "sources": [{**blog, "url": "http://blog.example/a"}]})
    tally.add({**row, "brand_mentioned": True, "brand_cited": True, "sources": [own, rival]})
    tally.add({**row, "branded": True, "sources": [own]})
    tally.add({**row, "sources": []})
    nobody = {"url": "https://nobody.example/", "domain": "nobody.example", "title": None, "kind": "inline"}
    tally.add({**row, "competitors_mentioned": {}, "competitors_cited": {}, "sources": [nobody]})
    found = tally.view()
    assert 4 == found.with_sources
    assert 5 == found.answers
    assert 4 == found.distinct_pages
    assert 3 == found.rivals_only
    assert [("blog.example", 2, 2)] == [(page.domain, page.answers, page.prompts) for page in found.gaps]
    assert [("Holded", 1)] == [(page.rival, page.answers) for page in found.rival_pages]
    assert {"other", "rival", "brand"} == {page.owner for page in found.pages}


def test_bytes_of_a_page() -> None:
    """What an answer takes is counted as it is written, escapes and all."""
    assert len(b"&lt;b&gt; \xc3\xb1") == page_size("<b> ñ")
