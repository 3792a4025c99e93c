"""`web`: serves the REST API until it is stopped."""

from __future__ import annotations

import click

from llm_monitoring.cli.base.command import Failed, example
from llm_monitoring.cli.base.session import Session, pass_session


@click.command(epilog=example("web", "web --port 8080"))
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: PORT, else 8000]")
@pass_session
def web(session: Session, *, port: int | None) -> None:
    """Serve the REST API of LLM_WEB_BIND and PORT; SIGTERM and Ctrl-C end it once its requests are answered.

    It never migrates: run `migrate` after an update. Callers need a token: see `tokens create --help`. The packages of
    requirements-web.txt must be installed.
    """
    try:
        from llm_monitoring.web.serving import serve
    except ModuleNotFoundError as exc:
        raise Failed(
            f"the web service needs the packages of requirements-web.txt: {exc.name} is not installed"
        ) from exc

    from llm_monitoring.logs import configure

    with session.settings() as settings:
        configure(settings)
        serve(settings, settings.port if port is None else port)
