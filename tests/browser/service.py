"""The service on the database of thirty days, and what a browser sees of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, Final

from llm_monitoring import projects
from llm_monitoring.access import sessions
from llm_monitoring.db.database import Database
from llm_monitoring.demo.sample import SAMPLE_EMAIL
from llm_monitoring.settings.fields import load_settings
from llm_monitoring.web import cookies, serving
from llm_monitoring.web.context import open_service
from tests.integration.web.page_table import Page

HERE: Final = Path(__file__).parent
CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HEIGHTS: Final = {1280: 900, 390: 844}


@dataclass(frozen=True)
class Served:
    """The running service, the cookies of a person who is signed in, and the numbers of what the pages show."""

    base: str
    url: str
    user: int
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
        found: list[dict[str, Any]] = run("visit.mjs", order)
        return found

    def go(self, *steps: dict[str, str], **options: Any) -> list[dict[str, Any]]:
        """Go a way through the pages; what was read on it, with the address of each page."""
        order = {
            "chromium": CHROMIUM,
            "base": self.base,
            "cookies": self.cookies,
            "language": "es",
            "steps": steps,
            **options,
        }
        found = run("journey.mjs", order)
        assert [] == found["messages"]
        read: list[dict[str, Any]] = found["read"]
        return read


def run(program: str, order: dict[str, Any]) -> Any:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", tempfile.gettempdir())}
    done = subprocess.run(
        ["node", program],
        cwd=HERE,
        env=environment,
        input=json.dumps(order),
        text=True,
        capture_output=True,
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def serve(url: str) -> Iterator[Served]:
    """The service on the demo's database, with its user signed in."""
    ready = Event()
    settings = load_settings({"DATABASE_URL": url, "LLM_LOG_LEVEL": "ERROR"}, dotenv=False)
    with serving.listen("127.0.0.1", 0) as listener:
        base = serving.address_of(listener)
        with open_service(settings, listener.getsockname()[1]) as service, Database(url) as db:
            server = serving.Server(serving.config_of(service), Event(), ready.set)
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            assert ready.wait(30)
            numbers = numbers_of(db)
            prompts = [each["id"] for each in projects.list_prompts(db, numbers["project"])]
            projects.tag_prompts(db, numbers["project"], prompts[:8], ["precio"], [])
            user = int(projects.find_user(db, SAMPLE_EMAIL)["id"])
            session = sessions.begin(db, user, "link").reveal()
            yield Served(base, url, user, {cookies.SESSION: session}, numbers)
            server.should_exit = True
            thread.join(30)


def numbers_of(db: Database) -> dict[str, Any]:
    """What addresses of the table name: the Spanish project, its last week, and a prompt and an answer of it."""
    project = next(row["id"] for row in projects.overview(db) if row["language"] == "es")
    row = db.one(
        "SELECT max(id) AS answer, max(query_id) AS prompt FROM llm_monitoring_results WHERE project_id = %(project)s",
        {"project": project},
    )
    today = datetime.now(UTC).date()
    return {"project": project, **(row or {}), "first": today - timedelta(days=6), "last": today}
