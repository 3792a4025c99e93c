"""What `doctor` says of the web service for the login of the daily run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from llm_monitoring.errors import ConfigurationError
from llm_monitoring.health import web


def database_that_raises(error: ConfigurationError) -> Any:
    def one(*arguments: object) -> NoReturn:
        raise error

    return SimpleNamespace(one=one)


def test_a_login_without_the_right_to_read_tokens() -> None:
    """The least-privilege role of the daily run is as it should be, and no row has to be corrected."""
    db = database_that_raises(ConfigurationError("permission denied for table llm_api_tokens", code="rights_missing"))
    (found,) = web.rows(db)
    assert ("green", "web access") == (found.colour, found.subject)
    assert "may not read the tokens (permission denied" in found.message


def test_any_other_error_is_one() -> None:
    """An examination that fails for another reason is not passed over."""
    with pytest.raises(ConfigurationError, match="tables differ"):
        list(web.rows(database_that_raises(ConfigurationError("tables differ"))))
