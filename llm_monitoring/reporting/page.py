"""Turns a report's view into one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import unescape
from importlib.resources import files
from typing import Final

from jinja2 import Environment
from markupsafe import Markup

from llm_monitoring.access.agencies import Agency
from llm_monitoring.reporting import charts
from llm_monitoring.reporting.templating import environment_of
from llm_monitoring.reporting.view import Report
from llm_monitoring.reporting.words import load_words

POLICY: Final = "default-src 'none'; style-src '{style}'; img-src data:; base-uri 'none'; form-action 'none'"
# printed by us, before anything of others: what it says is what `render` wrote
OWN_POLICY: Final = re.compile(rb"<meta http-equiv=\"Content-Security-Policy\" content=\"([^\"]*)\">")


def render(report: Report, agency: Agency | None = None) -> str:
    """Return the page, in the project's language, with the name and logo of who shows it."""
    words = load_words(report.language)
    style = style_sheet()
    return (
        environment()
        .get_template("report.html")
        .render(
            r=report,
            agency=agency,
            w=words,
            style=Markup(style),  # noqa: S704 - the package's own file
            policy=POLICY.format(style=style_hash(style)),
            best=best_of(report),
        )
    )


def served_policy(page: bytes) -> str:
    """The policy of a stored page that is served: that of the page itself, and no other page may frame it."""
    found = OWN_POLICY.search(page)
    own = unescape(found[1].decode()) if found else "default-src 'none'; base-uri 'none'; form-action 'none'"
    return f"{own}; frame-ancestors 'none'"


@cache
def environment() -> Environment:
    return environment_of("llm_monitoring.reporting", entity_bar=charts.entity_bar)


@cache
def style_sheet() -> str:
    return files("llm_monitoring.reporting").joinpath("templates", "report.css").read_text(encoding="utf-8")


def style_hash(style: str) -> str:
    """What the policy allows: this one style sheet, by its digest."""
    return f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}"


def best_of(report: Report) -> str | None:
    """The competitor that is mentioned most; None if the brand is, or if none is mentioned."""
    first = report.overview.entities[0] if report.overview.entities else None
    return None if first is None or first.is_brand or not first.mention_rate else first.name
