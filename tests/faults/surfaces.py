"""What goes on next to a poisoned row besides the daily run: commands, the weekly check, the other tenant's pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event
from typing import Final

from click.testing import CliRunner
from starlette.testclient import TestClient

from llm_monitoring.access import sessions
from llm_monitoring.cli.root import root
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.jobs import weekly
from llm_monitoring.keys import listing
from llm_monitoring.registry import adopt_due_prices
from llm_monitoring.runs.daily import collect_batches
from llm_monitoring.settings.fields import load_settings
from llm_monitoring.web import cookies
from llm_monitoring.web.boundary import Boundary
from llm_monitoring.web.context import open_service
from tests.faults.poison import HEALTHY, MASTER_KEY, House
from tests.integration.web.page_table import PAGES
from tests.integration.web.world import app_of

Surface = Callable[[House], Iterator[str]]

SUBJECTS: Final = ("master key", "API key", "models", "prices", "budget", "runs", "ledger")
COMMANDS: Final = (
    "projects list", "projects list --json", "projects show 2", "projects check 2", "users list", "keys list --json",
    "budget show", "budget show --json", "budget history", "budget audit", "models list", "runs list",
    "runs list --json", "tokens list", "notes list 2", "sources list 2", "queries list 2", "competitors list 2",
    "metrics 2 --from 2026-11-01 --to 2026-11-30", "export results --project 2", "export snapshots --project 2",
    "export citations --project 2", "answers list 2", "agency show 2",
)  # fmt: skip
HEALTHY_ANSWER: Final = """
SELECT min(id) AS answer, min(query_id) AS prompt FROM llm_monitoring_results WHERE project_id = 2
"""


def variables(house: House) -> dict[str, str]:
    return {
        **house.server.environment(),
        "DATABASE_URL": house.url,
        "LLM_KEYS_ENCRYPTION_KEY": MASTER_KEY,
        "LLM_WEB_HOST": "testserver",
    }


def broken_commands(house: House) -> Iterator[str]:
    """The commands that end otherwise than well; a check may find what is poisoned."""
    for line in COMMANDS:
        result = CliRunner().invoke(root, line.split(), env=variables(house))
        finds = line == "budget audit" and result.exit_code == 1 and "Traceback" not in result.output
        if not finds and (result.exit_code != 0 or result.exception is not None):
            yield f"{line}: {result.exit_code} {result.exception!r} {result.output[-300:]}"


def broken_doctor(house: House) -> Iterator[str]:
    """The subjects that `doctor` does not reach."""
    result = CliRunner().invoke(root, ["doctor", "--offline"], env=variables(house))
    missing = [subject for subject in SUBJECTS if subject not in result.output]
    if missing or not isinstance(result.exception, SystemExit | None):
        yield f"doctor: {missing} {result.exception!r} {result.output[-300:]}"


def broken_check(house: House) -> Iterator[str]:
    """The weekly check, if it does not review the models of the provider that is not poisoned."""
    app = house.app
    adopt_due_prices(house.db, app.budget.today())
    keys = listing.listing_keys(app.keys, PROVIDERS, app.errors)
    reviews = weekly.review_models(app, weekly.list_models(keys, app.settings, app.errors), write=True)
    missing = {"openai"} - {review.provider for review in reviews}
    if missing:
        yield f"weekly check: {missing}"


def broken_collection(house: House) -> Iterator[str]:
    collected = collect_batches(house.app, Event())
    if collected.troubles:
        yield f"collect: {collected.troubles}"


def broken_pages(house: House) -> Iterator[str]:
    """The pages of the healthy tenant that do not open."""
    settings = load_settings(variables(house), dotenv=False)
    with open_service(settings) as service, app_of(service) as app:
        served = Boundary(app, frozenset(settings.web_hosts or ()))
        with TestClient(served, "https://testserver", raise_server_exceptions=False, follow_redirects=False) as http:
            cookie = f"__Host-{cookies.SESSION}={sessions.begin(house.db, HEALTHY, 'link').reveal()}"
            row = house.db.one(HEALTHY_ANSWER) or {}
            numbers = {"project": HEALTHY, "first": "2026-11-20", "last": "2026-11-21", **row}
            for page in PAGES:
                found = http.get(page.address(**numbers), headers={"Cookie": cookie})
                if found.status_code not in ((404,) if page.name == "missing" else (200, 303)):
                    yield f"page {page.name}: {found.status_code} {found.text[-300:]}"


def broken_surfaces(house: House) -> Iterator[str]:
    """Everything that does not go on; an error of a surface is a finding as well."""
    for each in (broken_commands, broken_doctor, broken_check, broken_collection, broken_pages):
        try:
            yield from each(house)
        except Exception as exc:  # noqa: BLE001 - the test's finding
            yield f"{each.__name__}: {exc!r}"
