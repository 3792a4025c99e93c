"""What every test stands on: a closed network, a clean environment, a PostgreSQL of its own."""

from __future__ import annotations

import gc
import ipaddress
import itertools
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from llm_monitoring.db.database import Database

FOREIGN_PREFIXES = (
    "OPENAI_",
    "ANTHROPIC_",
    "GOOGLE_",
    "GEMINI_",
    "PERPLEXITY_",
    "LLM_",
    "RAILWAY_",
    "DATABASE_",
    "PG",
)
# what changes how every Python of the tests buffers, encodes or caches, and is set on some machines only
MACHINES_PYTHON = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONWARNINGS")
ONE_BY_ONE = ("faults", "integration")
MANY = 100
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4_000_000_000
LEGACY_SCHEMA = Path(__file__).parent / "integration" / "legacy_schema.sql"
# child processes are beyond the guard on sockets: what they send anywhere else ends at a closed port
CLOSED_PROXY = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost,::1",
}


def pytest_configure() -> None:
    unwanted = {*CLOSED_PROXY, *MACHINES_PYTHON}
    for name in [name for name in os.environ if name.startswith(FOREIGN_PREFIXES) or name.upper() in unwanted]:
        del os.environ[name]
    os.environ.update(CLOSED_PROXY)
    # a shell that puts the tests in the background has Ctrl-C ignored, and every child process would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    from tests.fork_server import stop_fork_server

    stop_fork_server()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets parallel workers share fault and integration tests one by one, other files and module fixtures as a whole.

    Those two folders hold every long test, and whole files of them left one worker idle at the end. The tests of the
    analysis are one group: each worker with one of them would compile the denials of all languages, for two seconds.
    """
    leave_to_slow(items)
    shared = {item.path for item in items if uses_module_fixture(item)}
    for item in items:
        if item.path in shared or item.path.parent.name not in ONE_BY_ONE:
            folder = item.path.parent.name
            item.add_marker(pytest.mark.xdist_group(folder if folder == "analysis" else item.path.stem))


def leave_to_slow(items: list[pytest.Item]) -> None:
    """Of a test that is marked `short`, the cases that it does not keep are part of `make test-slow` alone."""
    tests: dict[str, list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("short") and not is_long(item):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for name, cases in tests.items():
        mark = cases[0].get_closest_marker("short")
        ids = [case.callspec.id for case in cases]
        every = mark.kwargs.get("every") if mark else None
        kept = set(ids[::every]) if every else set(mark.args if mark else ())
        if len(cases) > 1 and not kept <= set(ids):
            raise pytest.UsageError(f"{name} keeps cases that it does not have: {sorted(kept - set(ids))}")
        for case in cases:
            if case.callspec.id not in kept and (len(cases) > 1 or not every):
                case.add_marker(pytest.mark.ci)


def is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Tests and imported modules live to the end: no collection of garbage has to walk over them, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """A session with many of the tests that fork runs begins with the fork server: it imports while others run."""
    forking = [item for item in session.items if item.path.parent.name in ONE_BY_ONE]
    if len(forking) >= MANY and not session.config.option.collectonly:
        from tests.fork_server import fork_server

        fork_server()


def uses_module_fixture(item: pytest.Item) -> bool:
    fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    return any(each.scope == "module" for definitions in fixtures for each in definitions)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test logged may hold lone surrogates, which no worker of pytest-xdist could send to its parent."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, database address or setting of the machine, or of an earlier test, reaches a test."""
    for name in [name for name in os.environ if name.startswith(FOREIGN_PREFIXES)]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_secret_of_another_test() -> Iterator[None]:
    """What one test registered to be hidden does not change what the next one stores."""
    from llm_monitoring.logs.redaction import SECRETS

    yield
    SECRETS.tails, SECRETS.sizes = {}, ()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Puts back what a job's or a command's log configuration changes in its process, for every test after it."""
    log = logging.getLogger()
    before = (list(log.handlers), log.level, sys.excepthook, threading.excepthook, warnings.showwarning)
    yield
    log.handlers, level, sys.excepthook, threading.excepthook, warnings.showwarning = before
    log.setLevel(level)


def memory() -> Path | None:
    """A folder in memory with room for the session's databases: a copy there takes a tenth of its time on a disk."""
    if not (os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES):
        return None
    return MEMORY


class NetworkClosed(RuntimeError):
    """A test tried to leave this machine."""


def is_loopback(host: object) -> bool:
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def closed_network() -> Iterator[None]:
    """Sockets of the test process reach nothing but loopback and Unix sockets; names are not looked up."""

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
                raise NetworkClosed(f"connection to {address[0]}")
            return call(self, address)

        return connect

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if not is_loopback(host):
            raise NetworkClosed(f"look-up of {host}")
        return look_up(host, *arguments, **options)

    look_up = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


@contextmanager
def reachable_folder(base: Path | None = None) -> Iterator[Path]:
    base = base or (Path("/var/tmp") if os.geteuid() == 0 else None)
    folder = Path(tempfile.mkdtemp(prefix="llm_tests-", dir=base))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """An empty folder that PostgreSQL's user can reach, also when the tests run as root."""
    with reachable_folder() as folder:
        yield folder


class Databases:
    """Makes databases on the session's server, as copies of templates that are filled once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.numbers = itertools.count(1)
        self.templates: dict[str, str] = {}
        self.left: list[str] = []

    def run(self, sql: str) -> None:
        with self.administrator.cursor() as cursor:
            cursor.execute(sql)

    @cached_property
    def administrator(self) -> connection:
        """A connection of its own for the whole session."""
        import psycopg2

        opened = psycopg2.connect(self.url)
        opened.autocommit = True
        return opened

    def address(self, name: str) -> str:
        return self.url.replace("@/postgres?", f"@/{name}?")

    def template(self, name: str, fill: Callable[[str], object], base: str | None = None) -> str:
        """Return the name of a template, which begins as a copy of `base` and is filled once."""
        if name not in self.templates:
            self.run(f"CREATE DATABASE {name}" + (f" TEMPLATE {base} STRATEGY FILE_COPY" if base else ""))
            fill(self.address(name))
            self.templates[name] = name
        return name

    def migrated(self) -> str:
        """Return the name of the template that has all tables and no row of a user."""
        return self.template("migrated", fill_migrated)

    @contextmanager
    def clone(self, template: str) -> Iterator[str]:
        """Give the address of a copy of a template.

        It is dropped with the next one, as its sessions take a moment to end and the server would wait for them.
        """
        while self.left:
            self.run(f"DROP DATABASE {self.left.pop()} WITH (FORCE)")
        name = f"test_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield self.address(name)
        self.left.append(name)


def fill_migrated(url: str) -> None:
    from llm_monitoring.db.database import Database
    from llm_monitoring.db.migrations import migrate

    with Database(url) as db:
        migrate(db)


def fill_legacy(url: str) -> None:
    from llm_monitoring.db.database import Database

    with Database(url) as db:
        db.execute(LEGACY_SCHEMA.read_text(encoding="utf-8").replace("%", "%%"))


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The session's PostgreSQL server; its data need not survive a power cut."""
    from llm_monitoring.db.embedded import serve

    with reachable_folder(memory()) as folder:
        server = serve(folder / "data")
        made = Databases(server.url)
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            made.run(f"ALTER SYSTEM SET {setting} = off")
        made.run("ALTER SYSTEM SET deadlock_timeout = '100ms'")
        made.run("SELECT pg_reload_conf()")
        yield made
        made.administrator.close()
        server.stop()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    with databases.clone(databases.migrated()) as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """The address of a fresh database without a table."""
    with databases.clone("template0") as url:
        yield url


@pytest.fixture
def legacy_database_url(databases: Databases) -> Iterator[str]:
    """The address of a database in the older form, not migrated."""
    with databases.clone(databases.template("legacy", fill_legacy)) as url:
        yield url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """An open Database on a fresh, migrated database."""
    from llm_monitoring.db.database import Database

    with Database(database_url, retry_seconds=10.0) as database:
        yield database
