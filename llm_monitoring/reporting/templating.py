"""How templates are filled: texts are escaped, characters that cannot be shown dropped, a missing name an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from llm_monitoring.reporting import charts
from llm_monitoring.reporting.citations import safe_href
from llm_monitoring.reporting.held_steps import step_text, steps_text
from llm_monitoring.reporting.showing import isolated, printed


def environment_of(package: str, **functions: Callable[..., Any]) -> Environment:
    """The templates of a package, which may call the charts and `functions`."""
    found = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printed,
    )
    found.filters["bdi"] = isolated
    found.globals.update(
        safe_href=safe_href,
        trend_chart=charts.trend_chart,
        tone_bar=charts.tone_bar,
        position_chart=charts.position_chart,
        step_text=step_text,
        steps_text=steps_text,
        **functions,
    )
    return found
