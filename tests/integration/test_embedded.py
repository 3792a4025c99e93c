"""The private PostgreSQL server: where its data lives, who shares it, what survives."""

from __future__ import annotations

import dataclasses
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from llm_monitoring.db import embedded, server_files
from llm_monitoring.errors import ConfigurationError
from tests.conftest import reachable_folder
from tests.integration.embedded_server import (
    ROOT,
    USER,
    as_root,
    kill,
    kill_server,
    killed_at_last,
    listens,
    query,
    server_pid,
    user_of,
)


@pytest.fixture
def fresh(server_folder: Path) -> Iterator[Path]:
    """A data directory that does not exist yet."""
    path = server_folder / "data"
    yield path
    with suppress(FileNotFoundError, ProcessLookupError):  # where a test failed halfway
        os.kill(server_pid(path), signal.SIGINT)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    with reachable_folder() as folder:
        embedded.serve(folder / "data").stop()
        yield folder / "data"


@pytest.fixture
def data(fresh: Path, made: Path) -> Path:
    """A data directory that was used before."""
    subprocess.run(["cp", "-a", made, fresh], check=True)
    return fresh


def test_rows_persist(data: Path) -> None:
    """What one run wrote the next one finds, on a server that was stopped between them."""
    server = embedded.serve(data)
    query(server.url, "CREATE TABLE t AS SELECT 7 AS n")
    server.stop()
    stopped = not listens(data)
    server = embedded.serve(data)
    found = query(server.url, "SELECT n FROM t")
    server.stop()
    assert stopped is True
    assert [7] == found


@pytest.mark.ci
def test_everything_killed(data: Path) -> None:
    """A committed row survives kill -9 of the user and of all of the server's processes."""
    with user_of(data) as (process, url):
        query(url, "CREATE TABLE t AS SELECT 7 AS n")
        kill_server(data)
        kill(process)
    server = embedded.serve(data)
    found = query(server.url, "SELECT n FROM t")
    server.stop()
    assert [7] == found


@pytest.mark.ci
def test_killed_user(data: Path) -> None:
    """A server whose user was killed is joined by the next user, who stops it."""
    with user_of(data) as (process, _):
        before = server_pid(data)
        kill(process)
    server = embedded.serve(data)
    after = server_pid(data)
    server.stop()
    assert before == after
    assert listens(data) is False


@pytest.mark.ci
def test_reused_pid(data: Path) -> None:
    """A dead server's lock files do not stop the next one, even when another process has its pid by now."""
    with user_of(data) as (process, _):
        kill_server(data)
        kill(process)
    account = embedded.as_account(embedded.server_account(data))
    with subprocess.Popen(["sleep", "60"], **account) as stranger, killed_at_last(stranger):
        for lock in (data / "postmaster.pid", data / ".s.PGSQL.5432.lock"):
            lock.write_text("\n".join([str(stranger.pid), *lock.read_text().split("\n")[1:]]))
        server = embedded.serve(data)
        found = query(server.url, "SELECT 1")
        server.stop()
    assert [1] == found


@pytest.mark.ci
def test_two_processes(data: Path) -> None:
    """Two processes share one server; the first to leave lets it run, the last one stops it."""
    with user_of(data) as (_, first_url):
        with user_of(data) as (_, second_url):
            shared = first_url == second_url and query(first_url, "SELECT 1") == [1]
        left = listens(data)
    assert shared is True
    assert left is True
    assert listens(data) is False


@pytest.mark.ci
def test_two_at_once(fresh: Path) -> None:
    """Two processes that start at the same moment on an empty directory make one cluster."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(USER), str(fresh)]
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [0, 0, 0] == [process.wait(30) for process in processes]
    assert listens(fresh) is False


@pytest.mark.ci
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # as it should be
def test_same_process_twice(data: Path) -> None:
    """Two uses in one process count as two; a second stop of one use does nothing."""
    first, second = embedded.serve(data), embedded.serve(data)
    first.stop()
    first.stop()
    still = listens(data)
    second.stop()
    assert still is True
    assert listens(data) is False


@pytest.mark.ci
def test_forked_child(data: Path) -> None:
    """A forked child that runs its parent's exit handlers does not stop the parent's server."""
    server = embedded.serve(data)
    dataclasses.replace(server, owner=os.getpid() + 1).stop()
    still = listens(data)
    server.stop()
    assert still


@pytest.mark.ci
@pytest.mark.parametrize("name", ["with a space", "ñandú", "x" * 120])
def test_any_path(server_folder: Path, name: str) -> None:
    """A path with a space, with letters beyond ASCII, or too long for a socket works."""
    server = embedded.serve(server_folder / name / "data")
    found = query(server.url, "SELECT 1")
    server.stop()
    assert [1] == found


@pytest.mark.ci
def test_killed_initdb(fresh: Path) -> None:
    """What a killed initdb left is cleared away."""
    account = embedded.server_account(fresh)
    draft = fresh.with_name("data.new")
    server_files.own_directory(draft, account)
    (draft / "PG_VERSION").write_text("16")
    server = embedded.serve(fresh)
    found = query(server.url, "SELECT 1")
    server.stop()
    assert [1] == found


def test_letters(databases: Any) -> None:
    """Case folding works beyond ASCII, as on the production server."""
    assert [True] == query(databases.url, "SELECT upper('ñandú') = 'ÑANDÚ' AND 'Ñ' ILIKE 'ñ' AND 'É' ~* 'é'")


def test_loopback_closed(databases: Any) -> None:
    """The server listens on no network address."""
    assert [""] == query(databases.url, "SHOW listen_addresses")


@pytest.mark.ci
def test_ordinary_user(fresh: Path) -> None:
    """An ordinary user runs the server under the own account."""
    uid = pwd.getpwnam("daemon").pw_uid if os.geteuid() == 0 else os.geteuid()
    if os.geteuid() == 0:
        os.chown(fresh.parent, uid, uid)
    with user_of(fresh, uid if os.geteuid() == 0 else None) as (_, url):
        found = query(url, "SELECT 1")
        owner = fresh.stat().st_uid
    assert [1] == found
    assert uid == owner
    assert listens(fresh) is False


@pytest.mark.ci
@as_root
def test_ordinary_users_data(fresh: Path) -> None:
    """Root serves an ordinary user's data as that user, and leaves it to that user."""
    uid = pwd.getpwnam("daemon").pw_uid
    os.chown(fresh.parent, uid, uid)
    with user_of(fresh, uid) as (_, url):
        query(url, "CREATE TABLE t AS SELECT 7 AS n")
    server = embedded.serve(fresh)
    found = query(server.url, "SELECT n FROM t")
    server.stop()
    with user_of(fresh, uid) as (_, url):
        again = query(url, "SELECT n FROM t")
    assert [7] == found
    assert [7] == again


def test_foreign_data(server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that belongs to another user, or a link to one, is refused."""
    elsewhere = server_folder / "elsewhere"
    elsewhere.mkdir()
    link = server_folder / "link"
    link.symlink_to(elsewhere)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        server_files.own_directory(link, None)
    monkeypatch.setattr(os, "geteuid", lambda: elsewhere.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        server_files.own_directory(elsewhere, None)


@pytest.mark.ci
def test_private_files(data: Path) -> None:
    """No other account can read the log, which may hold users' texts, or take the locks."""
    server = embedded.serve(data)
    server.stop()
    directory = server_files.private_directory(data)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.iterdir())}
    assert {"data.run": 0o700, "mutex": 0o600, "users": 0o600, "server.log": 0o600} == modes


@pytest.mark.ci
def test_a_statement_that_fails_is_not_logged(data: Path) -> None:
    """The server's log names the error and not the statement, which may hold a prompt or a sealed key."""
    server = embedded.serve(data)
    with pytest.raises(psycopg2.errors.UndefinedTable):
        query(server.url, "SELECT 'gAAAA-sealed-key' FROM missing_table")
    server.stop()
    assert "gAAAA" not in (server_files.private_directory(data) / "server.log").read_text()


def test_a_mutex_that_is_never_released_is_an_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that keeps the mutex stops a start after a while, with the file's name, and not for ever."""
    monkeypatch.setattr(server_files, "MUTEX_SECONDS", 0.1)
    with (
        server_files.locked(data),
        pytest.raises(ConfigurationError, match=r"keeps .*data\.run/mutex locked"),
        server_files.locked(data),
    ):
        pass


@pytest.mark.ci
def test_a_long_path_gets_an_unguessable_socket_directory(server_folder: Path) -> None:
    """No account can take the place of the short socket directory beforehand, and the next start finds it again."""
    data = server_folder / ("x" * 120) / "data"
    embedded.serve(data).stop()
    first = embedded.Cluster(data, Path(), None).socket_directory
    embedded.serve(data).stop()
    assert first == embedded.Cluster(data, Path(), None).socket_directory
    assert stat.S_IMODE(first.stat().st_mode) == 0o700


def test_no_programs(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PostgreSQL on the machine the error says what to install or set."""
    monkeypatch.setattr(embedded, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(embedded, "DEBIAN", fresh / "nowhere")
    with pytest.raises(ConfigurationError, match=r"set DATABASE_URL, or install PostgreSQL"):
        embedded.serve(fresh)


def test_debian_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel, the newest of the system's PostgreSQL versions serves."""
    places = [tmp_path / "postgresql" / version / "bin" for version in ("9", "16", "15")]
    for place in places:
        place.mkdir(parents=True)
        (place / "initdb").touch()
        (place / "postgres").touch()
    monkeypatch.setattr(embedded, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(embedded, "DEBIAN", tmp_path / "postgresql")
    assert places[1].resolve() == embedded.installed_programs()


def test_broken_configuration(data: Path) -> None:
    """A server that does not start says why, in its own words."""
    with open(data / "postgresql.conf", "a", encoding="utf-8") as configuration:
        configuration.write("\nport = 'nonsense'\n")
    with pytest.raises(ConfigurationError, match=r"did not start: .*nonsense"):
        embedded.serve(data)


def test_unusable_place(server_folder: Path) -> None:
    """A data directory below a plain file is a configuration error."""
    (server_folder / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot use"):
        embedded.serve(server_folder / "file" / "data")


@pytest.mark.ci
@as_root
def test_copied_programs(server_folder: Path) -> None:
    """Programs that the server's user cannot reach are copied once, for every user to run."""
    nobody = pwd.getpwnam("nobody")
    account = server_files.Account(nobody.pw_uid, nobody.pw_gid)
    copy = embedded.copied_programs(embedded.installed_programs(), server_folder)
    cluster = embedded.Cluster(server_folder / "data", copy, account)
    again = embedded.copied_programs(embedded.installed_programs(), server_folder)
    assert 0 == cluster.run("initdb", "--version").returncode
    assert copy == again
    assert copy.is_relative_to(server_folder) is True
