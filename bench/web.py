"""The web service: figures and pages of 6,000 answers, the portfolio of 200 projects, fifty clients next to a run."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import IO, Any, Final

import psycopg2

from bench import daily, web_pages
from bench.environment import ROOT, database, provider
from bench.reanalysis import BEFORE, LATEST, add_project, fill
from bench.web_clients import Place, answered, load
from llm_monitoring import projects
from llm_monitoring.access import sessions, tokens
from llm_monitoring.access.tokens import SCOPES
from llm_monitoring.db import Database
from llm_monitoring.domain import PROVIDERS
from llm_monitoring.web import cookies

PREFIX: Final = "/api/llm-monitoring"
DAYS: Final = 30
PROMPTS: Final = 50
WEB: Final = ("fastapi", "starlette", "uvicorn", "anyio", "mcp")
JOBS: Final = ("llm_monitoring.jobs.daily", "llm_monitoring.jobs.weekly")
IMPORTED: Final = """
import resource, sys
sys.modules.update(dict.fromkeys({blocked}))
import {module}
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, [line.split()[1] for line in open("/proc/self/status") if "VmHWM" in line][0])
"""


def main() -> int:
    """Fill a database, serve it, ask, and print one JSON line."""
    options = read_options()
    report: dict[str, Any] = {"imports": {job: imports(job, options.pairs) for job in JOBS}}
    with database() as url, Database(url) as db:
        project_id, places = prepare(db, options.clients)
        portfolio = web_pages.fill_portfolio(db, options.projects, days())
        db.execute("VACUUM ANALYZE")
        tasks = daily.fill(url, options.tasks) + PROMPTS * len(PROVIDERS)
        with served(url) as service:
            report["answers"] = PROMPTS * DAYS * len(PROVIDERS)
            report |= alone(db, service, places[0], options.repeats)
            person = places[0][1].headers
            report |= web_pages.pages(db, service, person, project_id, options.repeats)
            report |= web_pages.portfolio(db, service, person, portfolio)
            report["rss_mb_alone"] = service.rss_mb()
            report |= with_a_run(url, service, places, options)
            report |= {"rss_mb": service.rss_mb(), "rss_peak_mb": service.peak_mb(), "tasks": tasks}
            report["stored"] = rows(db, f"SELECT 1 FROM llm_stored_figures WHERE project_id = {project_id}")
    report["load_average"] = [round(each, 1) for each in os.getloadavg()]
    print(json.dumps(report))
    return 0 if not report["errors"] and report["run"]["in_balance"] and report["run"]["answers"] == tasks else 1


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench web", description=__doc__)
    parser.add_argument("--clients", type=int, default=50, help="clients at once (default 50)")
    parser.add_argument("--seconds", type=float, default=60, help="for how long they ask (default 60)")
    parser.add_argument("--tasks", type=int, default=1400, help="tasks of the run meanwhile (default 1400)")
    parser.add_argument("--latency-ms", type=float, default=500, help="how long every answer takes (default 500)")
    parser.add_argument("--repeats", type=int, default=15, help="requests, cold and warm, of each page (default 15)")
    parser.add_argument("--projects", type=int, default=200, help="projects of the portfolio (default 200)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of imports (default 5)")
    return parser.parse_args()


def rows(db: Database, sql: str) -> int:
    return len(db.all(sql))


def prepare(db: Database, clients: int) -> tuple[int, list[list[Place]]]:
    """Store 6,000 answers of a project with all its days' figures; return what each client asks for."""
    user = projects.add_user(db, "web@agency.example")
    project = add_project(db, "Web", BEFORE, PROMPTS)
    fill(db, project, days())
    return project.id, [places_of(db, user, project.id) for _ in range(clients)]


def days() -> list[date]:
    return [LATEST - timedelta(days=back) for back in range(1, DAYS + 1)][::-1]


def places_of(db: Database, user: int, project_id: int) -> list[Place]:
    """The overview, then the API's figures: with a comparison, of one provider, day by day, by competitor."""
    program = {"Authorization": f"Bearer {tokens.create(db, user, 'bench', SCOPES, None)[1].reveal()}"}
    session = sessions.begin(db, user, "link").reveal()
    person = {
        "Cookie": "; ".join(f"{cookies.full_name(cookies.SESSION, secure=each)}={session}" for each in (True, False))
    }
    last, first = LATEST - timedelta(days=1), LATEST - timedelta(days=DAYS)
    days = f"from={first}&to={last}"
    halves = f"from={last - timedelta(days=14)}&to={last}&compare_from={first}&compare_to={last - timedelta(days=15)}"
    below = f"{PREFIX}/projects/{project_id}"
    return [
        Place(f"{below}/figures?{days}", program),
        Place(f"/projects/{project_id}", person),
        Place(f"{below}/figures?{halves}", program),
        Place(f"{below}/figures", program),
        Place(f"{below}/trends?{days}", program),
        Place(f"{below}/rivals?{days}&provider=openai", program),
    ]


@dataclass(frozen=True, slots=True)
class Served:
    """The service in a process of its own."""

    address: str
    pid: int

    def rss_mb(self) -> float:
        return self.memory("VmRSS")

    def peak_mb(self) -> float:
        return self.memory("VmHWM")

    def cpu_ms(self) -> float:
        """The processor time of the service since its start; the kernel counts in steps of 10 ms."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return 1000 * sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name: str) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return round(int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024, 1)


@contextmanager
def served(url: str) -> Iterator[Served]:
    """Serve the database under the web service's own role, so that row-level security is in the figures."""
    environment = {
        **os.environ,
        "DATABASE_URL": as_web(url),
        "LLM_KEYS_ENCRYPTION_KEY": "lcKsFMzwbEBSyvg5QyJqM6pDkrSOcb6AjJt6RJQZtVk=",
        "LLM_WEB_HOST": "127.0.0.1",
        "RAILWAY_ENVIRONMENT_NAME": "bench",  # JSON lines, from which the port is read
    }
    command = [sys.executable, "-m", "llm_monitoring", "web", "--port", "0"]
    with (
        tempfile.NamedTemporaryFile("r", encoding="utf-8") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=os.open(log.name, os.O_WRONLY)) as process,
    ):
        try:
            yield Served(f"http://127.0.0.1:{port_in(log, process)}", process.pid)
        finally:
            process.terminate()
            process.wait()


def port_in(log: IO[str], process: subprocess.Popen[bytes]) -> int:
    """The port that the service's log names once it takes connections."""
    while process.poll() is None:
        line = log.readline()
        if line.endswith("\n") and (event := json.loads(line))["event"] == "web.started":
            return int(event["port"])
        time.sleep(0.05)
    raise SystemExit("the service did not start")


def as_web(url: str) -> str:
    """The address of a login of the web service's role."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for name in ("grants.sql", "web_grants.sql"):
            connection.cursor().execute(files("llm_monitoring.db").joinpath(name).read_text("utf-8"))
        connection.cursor().execute("CREATE ROLE bench_web LOGIN PASSWORD 'bench' IN ROLE llm_monitoring_web")
    scheme, _, rest = url.partition("://")
    return f"{scheme}://bench_web:bench@{rest.partition('@')[2]}"


def alone(db: Database, service: Served, places: Sequence[Place], repeats: int) -> dict[str, Any]:
    """The figures and the page of 6,000 answers: as the first request measures them, and as the next ones find them."""
    found: dict[str, Any] = {}
    for name, place in (("figures", places[0]), ("page", places[1])):
        answered(service.address, place)  # imports and templates
        for state, before in (("cold", lambda: web_pages.forget(db)), ("warm", lambda: None)):
            visits = web_pages.visits(service, place, repeats, before)
            found |= {f"{name}_{state}_{each}": value for each, value in visits.items()}
    return found


def with_a_run(url: str, service: Served, places: Sequence[Sequence[Place]], options: argparse.Namespace) -> Any:
    """Let all clients ask while a daily run works on the same database and the same projects."""
    with provider(options.latency_ms) as address:
        environment = {**os.environ, **daily.environment(url, address, 10)}
        command = [sys.executable, "-m", "bench", "daily", "--child"]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as run:
            found = load(service.address, places, options.seconds)
            is_running = run.poll() is None
            output, _ = run.communicate()
    ended = json.loads(output.splitlines()[-1])
    return {
        **found,
        "run": {"outlasted_them": is_running, **{k: ended[k] for k in ("wall_s", "in_balance", "answers")}},
    }


def imports(job: str, pairs: int) -> dict[str, Any]:
    """CPU seconds and peak memory of importing a job, with the web service's packages and without them."""
    with_web, without = zip(*((imported(job, ()), imported(job, WEB)) for _ in range(pairs)), strict=True)
    return {
        "cpu_ratio": round(median(one[0] / other[0] for one, other in zip(with_web, without, strict=True)), 3),
        "cpu_s": round(median(one[0] for one in with_web), 3),
        "mb_with": round(median(one[1] for one in with_web), 1),
        "mb_without": round(median(one[1] for one in without), 1),
    }


def imported(job: str, blocked: Sequence[str]) -> tuple[float, float]:
    code = IMPORTED.format(module=job, blocked=tuple(blocked))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    seconds, kilobytes = done.stdout.split()
    return float(seconds), int(kilobytes) / 1024


if __name__ == "__main__":
    raise SystemExit(main())
