"""Chooses the data directory of an embedded server: of the demo, or of the operator."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from llm_monitoring.db.server_files import locked
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.process import location

OWN: Final = "postgres"
DEMO: Final = "demo"
USER_DATA: Final = Path(".local", "share", "llm_monitoring")  # below the home directory
ROOT_DATA: Final = Path("/var/lib/llm_monitoring")  # root's server runs as an account that cannot read a home


def own_data_directory(base: Path | None = None) -> Path:
    """Return the operator's data directory: below `base`, or in the user's data with one directory a checkout.

    All installed packages of a user share one directory, so that a new environment finds the data of the old one.

    Data of earlier versions stays in the checkout or in the user's cache. New data goes to neither, because
    `git clean` empties the checkout and cleaners empty the cache.
    """
    if base is not None:
        return base.expanduser().resolve() / OWN
    earlier = next(earlier_places(OWN), None)
    if earlier is not None:
        return earlier
    kept = ROOT_DATA if os.geteuid() == 0 else below_home(USER_DATA)
    place = kept / checkout_mark() if kept else None
    if place and can_hold(place, OWN) and (os.geteuid() != 0 or reachable(place)):
        return place / OWN
    return temporary_place(OWN)


def below_home(part: Path) -> Path | None:
    """Return a path below the home directory; None for an account without one, as in a container."""
    try:
        return Path.home() / part
    except RuntimeError:
        return None


def demo_data_directory(base: Path | None = None) -> Path:
    """Return the demo's data directory: below `base`, in the checkout, or in the cache. It may be deleted."""
    return temporary_place(DEMO) if base is None else base.expanduser().resolve() / DEMO


def temporary_place(name: str) -> Path:
    """Return the directory below the checkout's `.data`, so that each checkout has its own data.

    If the checkout is read-only, or there is none, it is in the user's cache directory. If root's server, which does
    not run as root, can reach neither, it is a directory in /var/tmp that a file records.
    """
    home = writable_home(name)
    if os.geteuid() != 0 or reachable(home):
        return home / name
    return remembered_directory(home / f"{name}.location") / name


def checkout_mark() -> str:
    """Return a name for this checkout that differs from those of other checkouts on the machine."""
    checkout = location.checkout()
    return "installed" if checkout is None else hashlib.sha256(str(checkout).encode()).hexdigest()[:12]


def homes() -> tuple[Path, ...]:
    """Return the checkout's `.data` and its replacement in the user's cache, as far as there are any."""
    checkout = location.checkout()
    places = (checkout and checkout / ".data", below_home(Path(".cache", f"llm_monitoring-{checkout_mark()}")))
    return tuple(place for place in places if place)


def earlier_places(name: str) -> Iterator[Path]:
    """Yield the directories of earlier versions that hold data."""
    for home in homes():
        with suppress(OSError):
            if (home / name).is_dir() and usable(home / name):
                yield home / name
        with suppress(OSError):
            remembered = Path((home / f"{name}.location").read_text().strip())
            if (remembered / name).is_dir() and remembered.stat().st_uid == os.geteuid():
                yield remembered / name


def writable_home(name: str) -> Path:
    """Return the checkout's `.data`, or its replacement in the cache; makes it if it is missing."""
    for home in homes():
        if can_hold(home, name):
            return home
    tried = " or ".join(map(str, homes())) or "a home directory, which this account lacks"
    raise ConfigurationError(f"no place to keep data: cannot write to {tried}; set LLM_DATA_DIR or DATABASE_URL")


def can_hold(home: Path, name: str) -> bool:
    """Make a directory and return whether `name` in it can belong to this process's user."""
    try:
        make_parents(home / name)
        return os.access(home, os.W_OK | os.X_OK) and usable(home / name)
    except OSError:
        return False


def usable(data: Path) -> bool:
    return os.geteuid() == 0 or not data.exists() or data.stat().st_uid == os.geteuid()


def reachable(path: Path) -> bool:
    """Return whether every account can reach `path` and enter or execute it."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def make_parents(path: Path) -> None:
    """Make the directories above `path`; those that root makes are executable by all, with any umask."""
    missing = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        for parent in missing:
            parent.chmod(0o755)


def remembered_directory(record: Path) -> Path:
    """Return root's directory that the file `record` names, or make one in /var/tmp and record it."""
    with locked(record):
        if record.exists():
            place = Path(record.read_text().strip())
            if place.is_dir() and place.stat().st_uid == os.geteuid():
                return place
        place = Path(tempfile.mkdtemp(prefix="llm_monitoring-", dir="/var/tmp"))
        place.chmod(0o711)
        record.write_text(f"{place}\n")
        return place
