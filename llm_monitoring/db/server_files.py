"""The files next to an embedded server's data: its mutex, its users, its log; private to the account that owns them."""

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

MUTEX_SECONDS: Final = 150.0  # longer than the process that holds the mutex needs to start the server


@dataclass(frozen=True, slots=True)
class Account:
    """The user that PostgreSQL's processes run as: root's stand-in, as PostgreSQL refuses root."""

    uid: int
    gid: int


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the mutex of a data directory: a kernel lock, which ends with a killed process.

    Raises ConfigurationError if another process keeps it for longer than a start takes.
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
    """Return the directory of the locks and the server's log, which holds texts of users: no other account enters."""
    return data.with_name(data.name + ".run")


def make_private(data: Path) -> None:
    """Make the private directory of `data`; it belongs to us, or to the user whose data root works on."""
    directory = private_directory(data)
    owner = data.stat() if os.geteuid() == 0 and data.exists() and data.stat().st_uid != stand_in_uid() else None
    own_directory(directory, Account(owner.st_uid, owner.st_gid) if owner else None)


def stand_in_uid() -> int | None:
    """Return the uid of the account that stands in for root, None if the system has none."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return None


def private_file(data: Path, name: str) -> TextIO:
    """Open a file of the private directory for writing, readable by the directory's owner alone."""
    directory = private_directory(data)

    def opener(path: str, flags: int) -> int:
        descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
        if os.geteuid() == 0:
            os.fchown(descriptor, directory.stat().st_uid, directory.stat().st_gid)
        return descriptor

    return open(directory / name, "w", opener=opener)


def own_directory(path: Path, account: Account | None) -> None:
    """Make a private directory of the server's account, or take the one that is; never another user's."""
    uid = account.uid if account else os.geteuid()
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
            raise ConfigurationError(f"{path} belongs to another user") from None
        return
    if account:
        os.chown(path, account.uid, account.gid)
