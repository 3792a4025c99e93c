"""`mcp`: serves one user's data to a model's client over standard input and output."""

from __future__ import annotations

import click

from llm_monitoring.cli.base.command import Failed, example
from llm_monitoring.cli.base.session import Session, pass_session


@click.command(epilog=example("mcp --user ana@agency.example"))
@click.option("--user", required=True, help="The user, by number or e-mail address.")
@pass_session
def mcp(session: Session, *, user: str) -> None:
    """Serve the read-only tools of the MCP server over standard input and output, for one user.

    A client such as a desktop assistant starts this command and ends it. Over the network the web service offers the
    same tools at /mcp for a token. It never migrates. The packages of requirements-web.txt must be installed.
    """
    try:
        from llm_monitoring.web.mcp_server import serve_stdio
    except ModuleNotFoundError as exc:
        raise Failed(f"the MCP server needs the packages of requirements-web.txt: {exc.name} is not installed") from exc

    with session.settings() as settings:
        serve_stdio(settings, user)
