"""How a job begins: its log first, so that a setting that cannot be used is told of there, then its settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from llm_monitoring.logs import configure
from llm_monitoring.settings import Settings, fallback_settings, load_settings


@contextmanager
def job_settings(*, demo: bool, day: date | None = None) -> Iterator[Settings]:
    """The environment's settings, or the demo's with the answers of `day`.

    Raises ConfigurationError, which can be logged by then.
    """
    configure(fallback_settings())
    settings = load_settings()
    configure(settings)
    if not demo:
        yield settings
        return
    from llm_monitoring.demo.session import demo_settings

    with demo_settings(settings, day) as simulated:
        yield simulated
