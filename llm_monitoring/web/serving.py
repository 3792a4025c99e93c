"""Serves the application with uvicorn: one process, as many threads as connections."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from threading import Event
from types import FrameType
from typing import Final

import uvicorn

from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings import Settings
from llm_monitoring.web.connections import Protocol
from llm_monitoring.web.context import Service, open_service
from llm_monitoring.web.service import bounded

log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 20
# A proxy sends its next request on a connection that it believes to be open, so that we must be the later to close it:
# Railway's keeps one for 60 seconds, Caddy for 120.
IDLE_CONNECTION_SECONDS: Final = 125
SAME_STOP_SECONDS: Final = 1.0
EVERY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


class Server(uvicorn.Server):
    """A server that reports when it takes connections, and ends if a stop came before it looked at signals."""

    def __init__(self, config: uvicorn.Config, stop: Event, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.stop = stop
        self.on_ready = on_ready
        self.asked: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a stop that comes twice, from the terminal and from the program that started us, as one."""
        now = time.monotonic()
        if self.asked is None or now - self.asked > SAME_STOP_SECONDS:
            self.asked = self.asked or now
            super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()
        self.should_exit = self.should_exit or self.stop.is_set()


def serve(settings: Settings, port: int, stop: Event, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, which set `stop` too, then answer the requests that are open and end.

    `on_ready` is called with the address once connections are taken. Raises ConfigurationError if the port is taken.
    """

    def announce() -> None:
        address = address_of(listener)
        port = listener.getsockname()[1]
        log.info("🌐 %s/api/openapi.json", address, extra={"event": "web.started", "port": port})
        if on_ready is not None:
            on_ready(address)

    with (
        listen(settings.web_bind, port) as listener,
        open_service(settings, listener.getsockname()[1]) as service,
        service.reanalysis.working(),
    ):
        Server(config_of(service), stop, announce).run([listener])


def config_of(service: Service) -> uvicorn.Config:
    on_railway = service.settings.on_railway
    return uvicorn.Config(
        bounded(service),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=on_railway,
        forwarded_allow_ips="*" if on_railway else None,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        limit_concurrency=200,
        http=Protocol,
        ws="none",  # there is nothing to upgrade to
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; `::` takes those of IPv4 too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as exc:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {exc.strerror}; give another port with --port or PORT, "
            "or another address with LLM_WEB_BIND"
        ) from exc


def address_of(listener: socket.socket) -> str:
    """The address to call from this machine."""
    host, port = listener.getsockname()[:2]
    if host in EVERY_ADDRESS:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
