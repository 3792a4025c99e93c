"""The private files next to an embedded server's data: its mutex, its users and its log."""

from __future__ import annotations

import fcntl
import os
import pwd
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from llm_monitoring.errors import ConfigurationError

MUTEX_SECONDS: Final = 150.0  # longer than the start of a server takes
UNPRIVILEGED: Final = "nobody"  # the account that runs root's server, because PostgreSQL refuses root


@dataclass(frozen=True, slots=True)
class Account:
    """The account that PostgreSQL's processes run as if this process runs as root."""

    uid: int
    gid: int


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the mutex of a data directory: a kernel lock, which a killed process releases.

    Raises ConfigurationError if another process holds it for longer than a start takes.
    """
    make_private(data)
    deadline = time.monotonic() + MUTEX_SECONDS
    with private_file(data, "mutex") as mutex:
        while not taken(mutex):
            if time.monotonic() > deadline:
                raise ConfigurationError(f"another process keeps {mutex.name} locked: find it with `fuser` and stop it")
            time.sleep(0.02)
        yield


def taken(mutex: TextIO) -> bool:
    try:
        fcntl.flock(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def private_directory(data: Path) -> Path:
    """Return the directory of the locks and of the server's log, which holds users' texts: it is private."""
    return data.with_name(data.name + ".run")


def make_private(data: Path) -> None:
    """Make the private directory of `data`; it belongs to this user, or, for root, to the owner of the data."""
    directory = private_directory(data)
    owner = data.stat() if os.geteuid() == 0 and data.exists() and data.stat().st_uid != stand_in_uid() else None
    own_directory(directory, Account(owner.st_uid, owner.st_gid) if owner else None)


def stand_in_uid() -> int | None:
    """Return the uid of the account that runs root's server, None if the system has none."""
    try:
        return pwd.getpwnam(UNPRIVILEGED).pw_uid
    except KeyError:
        return None


def private_file(data: Path, name: str) -> TextIO:
    """Open a file of the private directory for writing, readable only by the directory's owner."""
    directory = private_directory(data)

    def opener(path: str, flags: int) -> int:
        descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
        if os.geteuid() == 0:
            os.fchown(descriptor, directory.stat().st_uid, directory.stat().st_gid)
        return descriptor

    return open(directory / name, "w", opener=opener)


def own_directory(path: Path, account: Account | None) -> None:
    """Make a private directory of the server's account, or accept an existing one of that account only."""
    uid = account.uid if account else os.geteuid()
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        entry = path.lstat()
        if not stat.S_ISDIR(entry.st_mode) or entry.st_uid != uid:
            raise ConfigurationError(f"{path} belongs to another user") from None
        return
    if account:
        os.chown(path, account.uid, account.gid)
