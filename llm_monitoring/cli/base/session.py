"""The session of a command: the settings and the app of the operator's installation, or of the demo."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llm_monitoring.app import App
    from llm_monitoring.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """Opens settings and app when a command needs them: `--help` reads no setting and touches no database."""

    demo: bool = False

    @contextmanager
    def settings(self) -> Iterator[Settings]:
        """The checked settings; warnings of the package go to standard error from here on."""
        from llm_monitoring.logs import configure
        from llm_monitoring.settings import load_settings, unknown_variables

        found = load_settings()
        level = "ERROR" if found.log_level == "ERROR" else "WARNING"
        configure(dataclasses.replace(found, log_level=level), stream=sys.stderr)
        for name, nearest in unknown_variables().items():
            meant = f": did you mean {nearest}?" if nearest else ""
            click.echo(f"warning: {name} is no setting and changes nothing{meant}", err=True)
        with ExitStack() as stack:
            if self.demo:
                from llm_monitoring.demo.session import demo_settings

                found = stack.enter_context(demo_settings(found))
            yield found

    @contextmanager
    def app(self) -> Iterator[App]:
        """The app on a migrated database; closed at the end."""
        from llm_monitoring.app import open_app

        with self.settings() as settings, open_app(settings, waits=False) as app:
            yield app


pass_session = click.make_pass_decorator(Session, ensure=True)
