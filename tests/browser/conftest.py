"""What browser tests share: Chromium, and a database with thirty simulated days of the demo's projects, made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.service import CHROMIUM, HERE, Served, serve
from tests.conftest import Databases


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder, and skips them if something is missing that they need."""
    lacking = [
        reason
        for is_lacking, reason in (
            (CHROMIUM is None, "no Chromium here: apt-get install chromium"),
            (shutil.which("node") is None, "no node here"),
            (not (HERE / "node_modules").is_dir(), "run `npm ci` in tests/browser first"),
        )
        if is_lacking
    ]
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(900))
            if lacking:
                item.add_marker(pytest.mark.skip(reason=lacking[0]))


@pytest.fixture(scope="session")
def thirty_days(databases: Databases) -> Iterator[str]:
    """The address of a database with the demo's two projects after thirty days of the daily run, up to today."""
    from bench.thirty_days import live, simulated
    from tests.conftest import fill_migrated

    today = datetime.now(UTC).date()
    days = [today - timedelta(days=back) for back in range(29, -1, -1)]
    with databases.clone(databases.template("migrated", fill_migrated)) as url:
        with simulated(url, today) as (app, server):
            live(app, server, days)
        yield url


@pytest.fixture(scope="session")
def served(thirty_days: str) -> Iterator[Served]:
    """The running service on that database, with its user signed in; its pages wait for their figures."""
    from llm_monitoring.web.pages import measuring

    with pytest.MonkeyPatch.context() as patch, serve(thirty_days) as found:
        patch.setattr(measuring, "PATIENCE_SECONDS", 60.0)
        yield found
