"""Checks of the web service: whether row-level security limits its login."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llm_monitoring.access.roles import row_security
from llm_monitoring.db import Database
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.health.check_result import CheckResult, green, yellow
from llm_monitoring.process.wording import PROGRAM

LOGIN: Final = "CREATE ROLE web LOGIN PASSWORD '…' IN ROLE llm_monitoring_web"


def rows(db: Database) -> Iterator[CheckResult]:
    """Whether a failure of the service's guard would show rows of other users; nothing while no token is valid."""
    try:
        found = row_security(db)
    except ConfigurationError as exc:
        if exc.code != "rights_missing":
            raise
        # the role of the daily run may not read tokens, and need not
        yield green("web access", f"not looked at, as this login may not read the tokens ({exc})")
        return
    if not found.has_tokens:
        return
    if not found.is_on:
        yield yellow(
            "web access",
            "row-level security is off: the web service's guard alone keeps users apart",
            f"run the output of `{PROGRAM} migrate --print-grants` as the tables' owner, then {LOGIN}, and give "
            "the web service that login as DATABASE_URL",
        )
    elif found.stands:
        yield green("web access", f"row-level security limits {found.login}, the login that is used here")
    elif found.web_logins:
        named = ", ".join(found.web_logins)
        yield green(
            "web access",
            f"row-level security limits {named}: give the web service this login; {found.login}, which is used here, "
            "bypasses it",
        )
    else:
        yield yellow(
            "web access",
            f"row-level security is on, but no login is limited by it, and {found.login} bypasses it",
            f"as the owner: {LOGIN}, and give the web service that login as DATABASE_URL",
        )
