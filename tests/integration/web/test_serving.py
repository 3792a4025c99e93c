"""A port that is taken, the address that is shown, and a clean end."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from threading import Event

import pytest
import uvicorn

from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings import load_settings
from llm_monitoring.web import serving
from llm_monitoring.web.context import open_service
from llm_monitoring.web.serving import address_of, listen, serve
from tests.integration.web.demo_process import served_demo


def test_a_port_that_is_taken_is_named() -> None:
    """The error says which port, and how to give another."""
    with listen("127.0.0.1", 0) as first, pytest.raises(ConfigurationError, match=r"--port or PORT"):
        listen("127.0.0.1", first.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]")]
)
def test_the_address_can_be_called_from_here(host: str, shown: str) -> None:
    """Whatever it is bound to, a connection to the shown address is taken."""
    try:
        listener = listen(host, 0)
    except ConfigurationError:
        pytest.skip(f"this machine has no {host}")
    with listener:
        port = listener.getsockname()[1]
        assert f"http://{shown}:{port}" == address_of(listener)
        socket.create_connection((shown.strip("[]"), port), timeout=5).close()


@pytest.mark.ci
def test_ctrl_c_ends_the_demo_cleanly(server_folder: Path) -> None:
    """With exit code 0, and its database ends with it."""
    with served_demo(server_folder) as (process, printed):
        assert {"API", "TOKEN"} == set(printed)
    assert 0 == process.returncode
    assert [] == [path.name for path in server_folder.rglob("postmaster.pid")]


def test_a_stop_before_the_start_ends_it(database_url: str) -> None:
    """A signal that comes while the service opens is not lost: it answers to no one and returns."""
    stop = Event()
    ready: list[str] = []
    stop.set()
    serve(load_settings({"DATABASE_URL": database_url}, dotenv=False), 0, stop, ready.append)
    assert 1 == len(ready)


def test_an_idle_connection_outlives_that_of_a_proxy(database_url: str) -> None:
    """A proxy closes it first, Railway's after 60 seconds and Caddy after 120: its next request meets no reset."""
    with open_service(load_settings({"DATABASE_URL": database_url}, dotenv=False), 0) as service:
        assert 120 < serving.config_of(service).timeout_keep_alive


def test_one_ctrl_c_that_comes_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the terminal and from make: the requests that are open are still answered; a later one ends at once."""
    now = [100.0]
    monkeypatch.setattr("llm_monitoring.web.serving.time.monotonic", lambda: now[0])
    server = serving.Server(uvicorn.Config(lambda: None), Event(), lambda: None)
    server.handle_exit(signal.SIGINT, None)
    server.handle_exit(signal.SIGINT, None)
    assert server.should_exit is True
    assert server.force_exit is False
    now[0] += 2
    server.handle_exit(signal.SIGINT, None)
    assert server.force_exit
