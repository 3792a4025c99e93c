"""Configures logging before it loads settings, so that configuration errors are logged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from logging import getLogger

from llm_monitoring.logs import configure
from llm_monitoring.settings import Settings, fallback_settings, load_settings, unknown_variables

log = getLogger(__name__)


@contextmanager
def job_settings(*, demo: bool, day: date | None = None) -> Iterator[Settings]:
    """The environment's settings, or the demo's with the answers of `day`.

    Raises ConfigurationError, which can be logged by then.
    """
    configure(fallback_settings())
    settings = load_settings()
    configure(settings)
    warn_of_unknown_variables()
    if not demo:
        yield settings
        return
    from llm_monitoring.demo.session import demo_settings

    with demo_settings(settings, day) as simulated:
        yield simulated


def warn_of_unknown_variables() -> None:
    for name, nearest in unknown_variables().items():
        meant = f": ¿{nearest}?" if nearest else ""
        fields = {"event": "settings.unknown", "variable": name, "nearest": nearest or None}
        log.warning("⚠️ %s no es una variable de este programa y no cambia nada%s", name, meant, extra=fields)
