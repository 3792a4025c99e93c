"""Turns a report's view into Markdown, in which no text of others is more than text."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from llm_monitoring.access.agencies import Agency
from llm_monitoring.reporting.answers import AnswerView
from llm_monitoring.reporting.citations import address_shown
from llm_monitoring.reporting.held_steps import steps_text
from llm_monitoring.reporting.page import best_of
from llm_monitoring.reporting.showing import visible_to_all
from llm_monitoring.reporting.view import Report
from llm_monitoring.reporting.words import load_words

MARKS: Final = re.compile(r"[\\`*_\[\]<>|~$#^]|&(?=#|\w)|=(?==)|(?<==)=|:(?=//)|@(?=\w)|(?<=\bwww)\.", re.IGNORECASE)
"""What starts emphasis, code, links, images, HTML, tables, headings, entities or formulas, or links an address."""

OPENING: Final = re.compile(r"^(\d{0,9})([-+=.)])(?=[-+=\s]|$)")
"""What at the beginning of a line starts a list, a rule or the line below a heading."""


def render_markdown(report: Report, agency: Agency | None = None, *, longest_answer: int | None = None) -> str:
    """Return the report in the project's language; answers are cut after `longest_answer` characters."""
    values = {"r": report, "agency": agency, "w": load_words(report.language), "best": best_of(report)}
    return tidy(environment().get_template("report.md").render({**values, "longest": longest_answer}))


def method(language: str) -> str:
    """Return how the figures are made, as every report says it."""
    return tidy(environment().get_template("method.md").render(w=load_words(language)))


@cache
def environment() -> Environment:
    found = Environment(
        loader=PackageLoader("llm_monitoring.reporting"),
        autoescape=True,  # of what `finalize` leaves, which is nothing: macros return what needs no escape
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printed,
    )
    found.globals.update(address_shown=address_shown, is_cut=is_cut, shown_lines=shown_lines, steps_text=steps_text)
    return found


def printed(value: object) -> Markup:
    """What a template prints: every text is escaped, whoever wrote it, and stays on one line."""
    return value if isinstance(value, Markup) else Markup(escaped(str(value)))  # noqa: S704 - escaped right here


def escaped(text: str) -> str:
    """`text` as Markdown that reads as it and is nothing else."""
    marked = MARKS.sub(lambda mark: f"\\{mark[0]}", one_line(visible_to_all(text)))
    return OPENING.sub(r"\1\\\2", marked)


def one_line(text: str) -> str:
    """`text` with a space for every stretch of white space; the space within a number stays unbreakable."""
    return re.sub(r"[^\S\xa0\u202f]+", " ", text).strip()


def shown_lines(answer: AnswerView, longest: int | None) -> list[str]:
    """The lines of an answer, up to `longest` characters."""
    found, left = [], longest
    for line in answer.lines:
        text = "".join(piece.text for piece in line)
        if left is not None:
            text, left = text[:left], left - len(text)
        found.append(text)
        if left is not None and left <= 0:
            break
    return found


def is_cut(answer: AnswerView, longest: int | None) -> bool:
    whole = sum(len(piece.text) for line in answer.lines for piece in line)
    return answer.shortened or (longest is not None and whole > longest)


def tidy(text: str) -> str:
    """`text` without more than one empty line in a row, and with one line's end at its end."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
