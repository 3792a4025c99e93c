"""What `doctor` says to a login that lacks rights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from llm_monitoring.errors import ConfigurationError
from llm_monitoring.health import database, web
from llm_monitoring.health.check_result import CheckResult, green
from llm_monitoring.health.examination import one_by_one


def database_that_raises(error: ConfigurationError) -> Any:
    def one(*arguments: object) -> NoReturn:
        raise error

    return SimpleNamespace(one=one)


def test_a_login_without_the_right_to_read_tokens() -> None:
    """The least-privilege role of the daily run is as it should be, and no row has to be corrected."""
    db = database_that_raises(ConfigurationError("permission denied for table llm_api_tokens", code="rights_missing"))
    (found,) = web.rows(db)
    assert "green" == found.colour
    assert "web access" == found.subject
    assert "may not read the tokens (permission denied" in found.message


def test_any_other_error_is_one() -> None:
    """An examination that fails for another reason is not passed over."""
    with pytest.raises(ConfigurationError, match="tables differ"):
        list(web.rows(database_that_raises(ConfigurationError("tables differ"))))


def test_a_check_without_its_right_names_what_grants_it() -> None:
    """The examination shows the command that prints the rights, blames no row, and goes on with the next check."""

    refused = database_that_raises(ConfigurationError("permission denied for table news", code="rights_missing"))
    fine = iter([green("runs", "fine")])
    found = list(one_by_one(("news", lambda: database.outbox(refused)), ("runs", lambda: fine)))
    fix = "`python -m llm_monitoring migrate --print-grants` prints what to grant, as the owner of the tables"
    lacking = CheckResult("news", "red", "cannot be examined: permission denied for table news", fix)
    assert [lacking, green("runs", "fine")] == found
