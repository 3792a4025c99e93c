"""Every page of the service on thirty simulated days, opened in headless Chromium in every way of looking."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest

from llm_monitoring import projects
from llm_monitoring.access import sessions
from llm_monitoring.db.database import Database
from llm_monitoring.demo.sample import SAMPLE_EMAIL
from llm_monitoring.settings.fields import load_settings
from llm_monitoring.web import cookies, serving
from llm_monitoring.web.context import open_service
from tests.browser.conftest import CHROMIUM, HERE
from tests.integration.web.page_table import PAGES, Page

MOST_BYTES: Final = 150_000
WAYS: Final = [
    (width, scheme, language) for width in (1280, 390) for scheme in ("light", "dark") for language in ("es", "en")
]
HEIGHTS: Final = {1280: 900, 390: 844}


@dataclass(frozen=True)
class Served:
    """The running service, the cookies of a person who is signed in, and the numbers of what the pages show."""

    base: str
    cookies: dict[str, str]
    numbers: dict[str, Any]

    def visit(self, pages: Sequence[Page], ways: Sequence[Any], pictures: Path | None = None) -> list[dict[str, Any]]:
        """What a visitor would see and a browser would do, for each page in each way of looking."""
        order = {
            "chromium": CHROMIUM, "base": self.base, "cookies": self.cookies,
            "pictures": str(pictures) if pictures else None,
            "visits": [
                {"name": f"{page.name}-{width}-{scheme}-{language}", "path": page.address(**self.numbers),
                 "width": width, "height": HEIGHTS[width], "scheme": scheme, "language": language,
                 "keyboard": scheme == "light" and language == "es"}
                for page in pages for width, scheme, language in ways
            ],
        }  # fmt: skip
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", tempfile.gettempdir())}
        done = subprocess.run(
            ["node", "visit.mjs"], cwd=HERE, env=environment, input=json.dumps(order), text=True, capture_output=True,
            check=False, timeout=800,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def served(thirty_days: str) -> Iterator[Served]:
    """The service on the demo's database, with its user signed in."""
    ready, stop = Event(), Event()
    address: list[str] = []

    def announce(found: str) -> None:
        address.append(found)
        ready.set()

    settings = load_settings({"DATABASE_URL": thirty_days, "LLM_LOG_LEVEL": "ERROR"}, dotenv=False)
    with serving.listen("127.0.0.1", 0) as listener:
        base = serving.address_of(listener)
        with open_service(settings, listener.getsockname()[1]) as service, Database(thirty_days) as db:
            server = serving.Server(serving.config_of(service), stop, lambda: announce(base))
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            assert ready.wait(30)
            numbers = numbers_of(db)
            prompts = [each["id"] for each in projects.list_prompts(db, numbers["project"])]
            projects.tag_prompts(db, numbers["project"], prompts[:8], ["precio"], [])
            yield Served(base, session_of(db), numbers)
            server.should_exit = True
            thread.join(30)


def session_of(db: Database) -> dict[str, str]:
    user_id = int(projects.find_user(db, SAMPLE_EMAIL)["id"])
    return {cookies.SESSION: sessions.begin(db, user_id, "link").reveal()}


def numbers_of(db: Database) -> dict[str, Any]:
    """What addresses of the table name: the Spanish project, its last week, and a prompt and an answer of it."""
    project = next(row["id"] for row in projects.overview(db) if row["language"] == "es")
    row = db.one(
        "SELECT max(id) AS answer, max(query_id) AS prompt FROM llm_monitoring_results WHERE project_id = %(project)s",
        {"project": project},
    )
    today = datetime.now(UTC).date()
    return {"project": project, **(row or {}), "first": today - timedelta(days=6), "last": today}


@pytest.fixture(scope="module")
def looks(served: Served) -> list[dict[str, Any]]:
    """Every page in every way; the folder PICTURES gets a picture of each, for people to look at."""
    folder = os.environ.get("PICTURES")
    return served.visit(PAGES, WAYS, Path(folder) if folder else None)


def test_pages_are_calm(looks: list[dict[str, Any]]) -> None:
    """No page fails, speaks in the console, loads anything from elsewhere, or has an inline script or style."""
    for seen in looks:
        status = 404 if seen["name"].startswith("missing") else 200
        messages = [each for each in seen["messages"] if status == 200 or "404" not in each]
        assert (status, [], [], 0) == (seen["status"], messages, seen["outside"], seen["styled"]), seen["name"]


def test_pages_are_accessible(looks: list[dict[str, Any]]) -> None:
    """axe-core finds nothing of any impact, with everything opened."""
    assert {} == {seen["name"]: seen["violations"] for seen in looks if seen["violations"]}


def test_pages_fit(looks: list[dict[str, Any]]) -> None:
    """Nothing is wider than the window, opened or closed."""
    wide = {seen["name"] for seen in looks for width, window in (seen["closed"], seen["opened"]) if width > window}
    assert set() == wide


def test_pages_are_light(looks: list[dict[str, Any]]) -> None:
    """A first visit takes less than 150 kB with all its files."""
    assert {} == {seen["name"]: seen["bytes"] for seen in looks if not 0 < seen["bytes"] < MOST_BYTES}


def test_pages_speak_the_language(looks: list[dict[str, Any]]) -> None:
    """The page is in the visitor's language, and the same in no other."""
    assert [] == [seen["name"] for seen in looks if seen["language"] != seen["name"].rpartition("-")[2]]
    texts = {seen["name"]: seen["text"] for seen in looks}
    assert [] == [
        name
        for name, text in texts.items()
        if text == texts.get(name.removesuffix("es") + "en") and name.endswith("es")
    ]


def test_pages_are_dark_at_night(looks: list[dict[str, Any]]) -> None:
    """The background follows the system, and paper is always white."""
    grounds = {("dark" in seen["name"], seen["background"]) for seen in looks}
    assert 2 == len(grounds)
    assert {"rgb(255, 255, 255)"} == {seen["printed"]["background"] for seen in looks}
    assert [] == [seen["name"] for seen in looks if seen["printed"]["controls"]]


def test_everything_is_reached_by_keyboard(looks: list[dict[str, Any]]) -> None:
    """Tab comes to every control, each shows that it has the focus, and the first one skips to the content."""
    for seen in looks:
        if seen["keyboard"]:
            assert {"first": "skip", "unmarked": [], "unreached": [], "skipped": "main"} == seen["keyboard"], seen[
                "name"
            ]


def test_pages_work_without_script(looks: list[dict[str, Any]]) -> None:
    """With script off a page says the same, and the console stays silent."""
    for seen in looks:
        if seen["plain"] and seen["status"] == 200:
            assert seen["text"].split() == seen["plain"]["text"].split(), seen["name"]
