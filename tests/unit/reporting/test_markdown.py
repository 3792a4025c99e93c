"""The report as Markdown: the figures of the page, and no text of others is more than text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from llm_monitoring.analysis import Entity
from llm_monitoring.reporting.markdown import escaped, method, one_line, render_markdown
from llm_monitoring.reporting.page import render
from llm_monitoring.reporting.report_data import Absences, Access, Failures, without_reasons
from llm_monitoring.reporting.showing import visible_to_all
from llm_monitoring.reporting.view import view
from llm_monitoring.reporting.words import LANGUAGES, load_words
from llm_monitoring.runs.held_steps import LeftOutDays
from tests.unit.reporting.scene import LAST, RIVALS, material, project

READER: Final = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE: Final = [
    "# Forged heading", "Forged\n===", "Forged\n---", "- item", "1. item", "> quote", "```\ncode\n```", "    code",
    "| a | b |\n|---|---|\n| c | d |", "[here](https://evil.example)", "![x](https://evil.example/pixel.png)",
    "<img src=x onerror=alert(1)>", "<https://evil.example>", "https://evil.example", "www.evil.example",
    "a@evil.example", "[x]: https://evil.example", "[x]", "**bold** __bold__ *it* `code` ~~gone~~", "&lt;b&gt; &#60;",
    "\\", "a  \nb\\\nc",
    "<!-- hidden -->", "$x$", "text[^1]", "***", "Holded\u2028# heading", "\u202egnol", "\x1b[31mred",
]  # fmt: skip
ACTIVE: Final = {"link_open", "image", "code_inline", "fence", "code_block", "html_block", "html_inline"}
TEXT_ONLY: Final = {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}


def tokens(markdown: str) -> Iterator[Token]:
    for token in READER.parse(markdown):
        yield token
        yield from token.children or ()


def read(markdown: str) -> str:
    return "".join(token.content for token in tokens(markdown) if token.type == "text")


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_stays_text(text: str) -> None:
    """What forges a heading, list, table, link, image, code or HTML reads as it was written."""
    found = list(tokens(escaped(text)))
    assert {token.type for token in found} <= TEXT_ONLY
    assert one_line(visible_to_all(text)) == read(escaped(text))


@given(st.text(alphabet=st.characters(codec="utf-8")) | st.text(alphabet="#*_[]()!<>`~|-+=.:/@&\\ \n1ax$^"))
@example("1.")
@example("a=\n=")
def test_any_text_stays_text(text: str) -> None:
    """As a line, in a list, in a quotation, in a heading and in a cell of a table."""
    shown = escaped(text)
    wanted = one_line(visible_to_all(text))
    for before, after in (("", ""), ("- ", ""), ("> ", ""), ("### ", ""), ("|a|b|\n|--|--|\n| ", " | x |")):
        found = read(f"{before}{shown}{after}").removeprefix("ab" if after else "").removesuffix("x" if after else "")
        assert wanted == found, before


def test_no_link_is_made_of_an_address() -> None:
    """Renderers that make links of bare addresses find none."""
    shown = escaped("https://evil.example www.evil.example me@evil.example")
    assert re.search(r"[^\\]://|www\.|[^\\]@", shown) is None


def test_hostile_names_and_answers_add_nothing() -> None:
    """A report with markup in every text has the headings of one without, and no link, image, code or HTML."""
    evil = "\n\n".join(HOSTILE)
    named = project("en", brand=Entity("Qui# p`u"), rivals=(Entity("| x | <img src=y>"), *RIVALS))
    scenes = [
        material(prompts=1, days=2, of=replace(project("en"), name="x"), text=lambda _: "Quipu is one."),
        material(
            prompts=1,
            days=2,
            of=replace(named, name="# y\n# z"),
            text=lambda _: f"Quipu is one. {evil}",
            sources=[{"url": "https://a.example/x|y", "domain": "a.example", "title": evil, "kind": "inline"}],
        ),
    ]
    scenes[1] = replace(scenes[1], prompts=[{**row, "query_text": evil} for row in scenes[1].prompts])
    plain, hostile = ([token.type for token in tokens(render_markdown(view(scene)))] for scene in scenes)
    for kind in ("heading_open", "table_open"):
        assert plain.count(kind) == hostile.count(kind), kind
    assert set() == set(hostile) & {
        "link_open",
        "image",
        "code_inline",
        "fence",
        "code_block",
        "html_block",
        "html_inline",
    }


def test_the_figures_are_those_of_the_page() -> None:
    """Every percentage of the page's tables and cards is in the Markdown, written alike."""
    report = view(material(prompts=8, days=10))
    words = load_words(report.language)
    markdown, page = render_markdown(report), render(report)
    for headline in report.overview.headlines:
        shown = words.figure(headline.value, headline.unit)
        assert shown in page
        assert f"| {shown} | {words.between(headline.low, headline.high, headline.unit)} |" in markdown
    for row in report.overview.entities:
        assert f"| {row.name} | {words.percent(row.mention_rate)} |" in markdown


def test_answers_can_be_cut() -> None:
    """At a length, with notice of the whole one."""
    report = view(material(prompts=1, days=1, text=lambda _: "Quipu " * 500))
    whole, cut = render_markdown(report), render_markdown(report, longest_answer=100)
    assert "Respuesta recortada" not in whole
    assert "Respuesta recortada: tiene 3.000 caracteres" in cut or "tiene 3000 caracteres" in cut
    assert max(len(line) for line in cut.splitlines() if line.startswith("> ")) <= 110


def test_reasons_can_be_withheld() -> None:
    """That something is missing stays; keys, budget and the reasons of failures go."""
    scene = replace(
        material(prompts=1, days=2),
        absences=Absences(
            [Failures("google", "budget", LAST, 2)],
            Access(frozenset({"google"}), True),
            {"google": LeftOutDays(3, LAST)},
        ),
        failed_prompts={(1, "google"): "budget"},
    )
    words = load_words(scene.project.language)
    shown, withheld = render_markdown(view(scene)), render_markdown(view(without_reasons(scene)))
    secrets = [words.say("no_key"), words.reason("budget"), words.say("alert_blocked")]
    assert [True, True, True] == [secret in shown for secret in secrets]
    assert [False, False, False] == [secret in withheld for secret in secrets]
    assert words.reason("withheld") in withheld
    assert "3 días sin preguntarle, para que el presupuesto dure el mes (la última vez el 23 nov 2026)" in withheld


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_has_a_report_and_a_method(code: str) -> None:
    """The method is that at the end of the report."""
    report = render_markdown(view(material(prompts=2, days=2, of=project(code))))
    assert report.endswith(method(code))
    assert 9 == method(code).count("\n- **")
