"""Where the embedded server keeps its data: in a checkout, in the home of its user, and neither."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_monitoring.db import data_directory, embedded
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.process import location
from tests.integration.embedded_server import as_root, query


@pytest.fixture
def clone(server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes the module believe that it lies in a fresh checkout of this name."""
    monkeypatch.setenv("HOME", str(server_folder / "home"))
    monkeypatch.setattr(data_directory, "ROOT_DATA", server_folder / "var")

    def move(name: str) -> Path:
        checkout = server_folder / name
        checkout.mkdir()
        monkeypatch.setattr(location, "PACKAGE", checkout / "llm_monitoring")
        return checkout

    return move


def test_data_in_checkout(clone: Callable[[str], Path]) -> None:
    """Data lives in the checkout, where the server's user can reach it."""
    checkout = clone("one")
    assert checkout / ".data" / "demo" == data_directory.demo_data_directory()


def test_data_in_base(server_folder: Path) -> None:
    """A directory that the operator names is used as it is."""
    assert server_folder / "here" / "demo" == data_directory.demo_data_directory(server_folder / "here")


def test_data_of_read_only_checkout(clone: Callable[[str], Path], server_folder: Path) -> None:
    """Where nothing can be written beside the code, the user's cache stands in, apart for each checkout."""
    (clone("one") / ".data").touch()
    first = data_directory.demo_data_directory()
    (clone("two") / ".data").touch()
    second = data_directory.demo_data_directory()
    assert first.is_relative_to(server_folder / "home" / ".cache") is True
    assert second.is_relative_to(server_folder / "home" / ".cache") is True
    assert first != second


def test_an_account_without_a_home(clone: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user may have none: data goes into the checkout, or the error says what to set."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(data_directory, "ROOT_DATA", Path("/proc/none"))
    checkout = clone("one")
    assert checkout / ".data" / "postgres" == data_directory.own_data_directory()
    monkeypatch.setattr(location, "PACKAGE", checkout / "site-packages" / "llm_monitoring")
    with pytest.raises(ConfigurationError, match="a home directory, which this account lacks; set LLM_DATA_DIR"):
        data_directory.own_data_directory()


@pytest.fixture
def installed(clone: Callable[[str], Path], server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the module believe that pip installed it; returns the directory of the packages."""
    packages = server_folder / "venv" / "site-packages"
    monkeypatch.setattr(location, "PACKAGE", packages / "llm_monitoring")
    return packages


def test_demo_data_of_an_installed_package(installed: Path, server_folder: Path) -> None:
    """The demo's data of an installed package is in the user's cache, not between the packages."""
    assert server_folder / "home" / ".cache" / "llm_monitoring-installed" == data_directory.writable_home("demo")


def test_own_data_of_an_installed_package(installed: Path, server_folder: Path) -> None:
    """The operator's data does not depend on the environment that the package was installed into."""
    assert kept_home(server_folder) / "installed" / "postgres" == data_directory.own_data_directory()


def kept_home(server_folder: Path) -> Path:
    """Where the operator's data goes: the user's data directory, or root's."""
    own = server_folder / "home" / data_directory.USER_DATA
    return server_folder / "var" if os.geteuid() == 0 else own


def test_own_data_is_kept_away_from_the_checkout(clone: Callable[[str], Path], server_folder: Path) -> None:
    """The operator's data lies with the user's data, where neither `git clean` nor a cache cleaner removes it."""
    clone("one")
    first = data_directory.own_data_directory()
    clone("two")
    second = data_directory.own_data_directory()
    assert kept_home(server_folder) == first.parents[1]
    assert kept_home(server_folder) == second.parents[1]
    assert first != second


def test_own_data_in_the_checkout_is_still_found(clone: Callable[[str], Path]) -> None:
    """Data that an earlier version kept in the checkout is used where it is."""
    old = clone("one") / ".data" / "postgres"
    old.mkdir(parents=True)
    assert old == data_directory.own_data_directory()


def test_own_data_in_the_cache_is_still_found(clone: Callable[[str], Path], server_folder: Path) -> None:
    """Data that an earlier version kept in the user's cache is used where it is."""
    clone("one")
    old = server_folder / "home" / ".cache" / f"llm_monitoring-{data_directory.checkout_mark()}" / "postgres"
    old.mkdir(parents=True)
    assert old == data_directory.own_data_directory()


@as_root
def test_own_data_that_root_remembers_is_still_found(clone: Callable[[str], Path], server_folder: Path) -> None:
    """Data of a directory that the checkout remembers is used where it is."""
    home = clone("one") / ".data"
    home.mkdir()
    old = server_folder / "elsewhere"
    (old / "postgres").mkdir(parents=True)
    (home / "postgres.location").write_text(f"{old}\n")
    assert old / "postgres" == data_directory.own_data_directory()


def test_own_data_without_a_home(clone: Callable[[str], Path], server_folder: Path) -> None:
    """If the user's data directory cannot be made, the data lies in the checkout."""
    checkout = clone("one")
    kept = kept_home(server_folder)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch()
    assert checkout / ".data" / "postgres" == data_directory.own_data_directory()


@pytest.mark.ci
@as_root
def test_data_of_closed_checkout(clone: Callable[[str], Path]) -> None:
    """Below a closed directory root's data lies in /var/tmp; the checkout remembers it, and stays closed."""
    first = clone("one")
    first.chmod(0o700)
    found = data_directory.demo_data_directory()
    again = data_directory.demo_data_directory()
    second = clone("two")
    second.chmod(0o700)
    other = data_directory.demo_data_directory()
    server = embedded.serve(found)
    works = query(server.url, "SELECT 1")
    server.stop()
    for place in (found.parent, other.parent):
        subprocess.run(["rm", "-r", place], check=True)
    moved = data_directory.demo_data_directory()
    moved.parent.rmdir()
    assert found == again
    assert found != other
    assert [1] == works
    assert 0o700 == stat.S_IMODE(first.stat().st_mode)
    assert moved not in (found, other)


@as_root
def test_strict_umask(clone: Callable[[str], Path]) -> None:
    """Directories that root makes for the data can be walked through whatever the umask is."""
    checkout = clone("one")
    before = os.umask(0o077)
    try:
        found = data_directory.demo_data_directory()
    finally:
        os.umask(before)
    assert checkout / ".data" / "demo" == found
    assert data_directory.reachable(found.parent) is True


@pytest.mark.parametrize(("free", "said"), [(3 * 2**20, "; the disk of {} has 3 MB free"), (2**30, "")])
def test_a_server_that_does_not_start_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, said: str
) -> None:
    """Its own log is on that disk too and holds nothing."""
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free))
    assert said.format(tmp_path) == embedded.full_disk(tmp_path)
