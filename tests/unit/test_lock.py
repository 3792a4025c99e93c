"""The locks that production installs from, with versions and hashes, and other places that name versions."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKED = re.compile(r"^([a-z0-9][a-z0-9.-]*)==([^ ;\\]+)", re.MULTILINE)
PAIRS = [
    ("requirements.txt", "requirements.lock"),
    ("requirements-workers.txt", "requirements-workers.lock"),
    ("requirements-demo.txt", "requirements-demo.lock"),
    ("requirements-web.txt", "requirements-web.lock"),
]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    """Return the pins of a requirements file and of the files that it includes."""
    found: dict[str, str] = {}
    for line in read(name).splitlines():
        if line.startswith("-r "):
            found |= pins(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            package, version = line.split("==")
            found[canonicalize_name(package)] = version
    return found


def locked(name: str) -> dict[str, str]:
    return {canonicalize_name(package): version for package, version in LOCKED.findall(read(name))}


def needed(package: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """Return a package and all that it requires on this machine, as the installed distributions say."""
    if (package, extras) in seen:
        return set()
    seen.add((package, extras))
    names = {package}
    for text in requires(package) or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            names |= needed(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)
    return names


@pytest.mark.parametrize(("requirements", "lock"), PAIRS)
def test_the_lock_has_every_pin(requirements: str, lock: str) -> None:
    """A pin that changed without its lock is seen: run `make lock`."""
    versions = locked(lock)
    assert {} == {name: version for name, version in pins(requirements).items() if versions.get(name) != version}


@pytest.mark.parametrize(("requirements", "lock"), PAIRS)
def test_the_lock_is_complete(requirements: str, lock: str) -> None:
    """Every package that a pinned one requires is locked too: nothing floats."""
    seen: set[tuple[str, frozenset[str]]] = set()
    try:
        wanted = {name for pin in pins(requirements) for name in needed(pin, frozenset(), seen)}
    except PackageNotFoundError as exc:
        pytest.fail(f"{exc}: install requirements-dev.txt")
    assert set() == wanted - set(locked(lock))


@pytest.mark.parametrize("lock", [lock for _, lock in PAIRS])
def test_every_locked_package_has_hashes(lock: str) -> None:
    """pip compares every file with a hash: one without any could be replaced."""
    entries = re.split(r"\n(?=[a-z0-9])", read(lock))
    assert [] == [entry.splitlines()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry]


@pytest.mark.parametrize("lock", [lock for _, lock in PAIRS])
def test_the_lock_names_no_index(lock: str) -> None:
    """The lock says what is installed, not where from."""
    assert re.search(r"://|--(extra-)?index|--find-links", read(lock)) is None


def test_hooks_have_the_pinned_versions() -> None:
    """What runs before a commit is what `make lint` runs, in the same version."""
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    named = {dependency for hook in hooks for dependency in hook.get("additional_dependencies", [])}
    versions = pins("requirements-dev.txt")
    assert {f"{name}=={versions[name]}" for name in ("ruff", "bandit")} == named


@pytest.mark.parametrize(
    ("extra", "file"),
    [("embedded", "requirements-demo.txt"), ("workers", "requirements-workers.txt"), ("web", "requirements-web.txt")],
)
def test_extras_are_what_the_requirements_add(extra: str, file: str) -> None:
    """`pip install .[embedded]`, `.[workers]` and `.[web]` install the versions of the requirements files."""
    listed = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"][extra]
    added = pins(file).items() - pins("requirements.txt").items()
    assert {f"{name}=={version}" for name, version in added} == set(listed)
