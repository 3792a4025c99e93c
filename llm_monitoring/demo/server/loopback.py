"""A local server that simulates the four providers, for tests and the demo. No request leaves this machine.

It prints {"port": N} as its first line. The base URLs are http://127.0.0.1:N/openai/v1, /anthropic, /google and
/perplexity/v1. GET /bill has the total, GET /bill/lines every charge; GET and POST /faults, POST /batches, POST /models
and POST /day change the behaviour while it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Final, Self

from llm_monitoring.demo.bill import Bill
from llm_monitoring.demo.exchange import PROVIDERS
from llm_monitoring.demo.model_lists import ModelLists
from llm_monitoring.demo.server.batches import Batches
from llm_monitoring.demo.server.fault_rules import FaultRules
from llm_monitoring.demo.server.http1 import Connection
from llm_monitoring.demo.server.service import Behaviour, Service

HOST: Final = "127.0.0.1"
BASE_PATHS: Final = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "google": "/google",
    "perplexity": "/perplexity/v1",
}
BACKLOG: Final = 4096


@asynccontextmanager
async def listen(service: Service, port: int) -> AsyncIterator[int]:
    """Listen and yield the port; at the end every open connection is closed."""
    open_ones: set[asyncio.Transport] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(service.on_head, service.handle, open_ones), HOST, port, backlog=BACKLOG
    )
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for transport in list(open_ones):
            transport.abort()
        await asyncio.sleep(0)


class DemoServer:
    """The server in a thread of this process: a context manager; any thread may call its methods."""

    def __init__(
        self,
        *,
        port: int = 0,
        latency_ms: float = 0.0,
        latency_spread: float = 0.0,
        seed: int = 1,
        epoch: date | None = None,
        bill: Path | None = None,
        faults: Iterable[Mapping[str, Any]] = (),
        keys: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        accepted = {name: frozenset(some) for name, some in keys.items()} if keys is not None else None
        behaviour = Behaviour(latency_ms, latency_spread, seed, epoch, accepted)
        self.service = Service(behaviour, Bill(bill))
        self.service.faults.set(faults)
        self.wanted_port, self.port = port, 0
        self.ready, self.failure = Event(), list[OSError]()
        self.thread = Thread(target=lambda: asyncio.run(self.serve()), name="demo-server", daemon=True)
        self.loop: asyncio.AbstractEventLoop
        self.done: asyncio.Event

    @property
    def bill(self) -> Bill:
        return self.service.bill

    @property
    def faults(self) -> FaultRules:
        return self.service.faults

    @property
    def batches(self) -> Batches:
        return self.service.batches

    @property
    def models(self) -> ModelLists:
        return self.service.catalogue

    def set_day(self, day: date) -> None:
        """Answer as on another day."""
        self.service.day = day

    def url(self, provider: str) -> str:
        """Return the base URL for the provider's SDK."""
        return f"http://{HOST}:{self.port}{BASE_PATHS[provider]}"

    def environment(self) -> dict[str, str]:
        """Return the four base URL variables of this server."""
        return {f"{provider.upper()}_BASE_URL": self.url(provider) for provider in PROVIDERS}

    async def serve(self) -> None:
        self.loop, self.done = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with listen(self.service, self.wanted_port) as self.port:
                self.ready.set()
                await self.done.wait()
        except OSError as error:
            self.failure.append(error)
            self.ready.set()

    def start(self) -> Self:
        """Start the thread and listen; raises OSError if the port is in use."""
        self.thread.start()
        self.ready.wait()
        if self.failure:
            raise self.failure[0]
        return self

    def stop(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.done.set)
            self.thread.join()
        self.bill.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m llm_monitoring.demo.server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, day = parser.add_argument, date.fromisoformat
    add("--port", type=int, default=0, help="port to listen on; 0 chooses a free one (default: 0)")
    add("--latency-ms", type=float, default=0.0, metavar="MS", help="latency of every answer (default: 0)")
    add("--latency-spread", type=float, default=0.0, metavar="SHARE", help="variation of the latency, 0 to 1")
    add("--seed", type=int, default=1, help="seed of the answers (default: 1)")
    add("--epoch", type=day, metavar="DATE", help="last day of the markets' trends (default: today)")
    add("--day", type=day, metavar="DATE", help="day of the answers (default: today)")
    add("--bill", type=Path, metavar="FILE", help="file for the bill: one JSON line for each billed request")
    add("--faults", type=Path, metavar="FILE", help="JSON file with a list of fault rules")
    add("--keys", type=Path, metavar="FILE", help="JSON file with the accepted keys of each provider (default: all)")
    add("--watch-stdin", action="store_true", help="stop at the end of standard input")
    return parser.parse_args(argv)


def read_json(path: Path | None, default: Any) -> Any:
    return json.loads(path.read_text("utf-8")) if path else default


async def run(service: Service, port: int, watch_stdin: bool) -> None:
    """Serve until SIGTERM, SIGINT or, with `watch_stdin`, the end of standard input."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    if watch_stdin:
        Thread(target=wait_for_end, args=(loop, done), daemon=True).start()
    async with listen(service, port) as taken:
        print(json.dumps({"port": taken}), flush=True)
        await done.wait()


def wait_for_end(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
    sys.stdin.read()
    with suppress(RuntimeError):  # the server has ended before its input
        loop.call_soon_threadsafe(done.set)


def allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(argv: Sequence[str] | None = None) -> int:
    arguments = read_arguments(argv)
    allow_many_connections()
    accepted = read_json(arguments.keys, None)
    keys = {name: frozenset(some) for name, some in accepted.items()} if accepted is not None else None
    behaviour = Behaviour(arguments.latency_ms, arguments.latency_spread, arguments.seed, arguments.epoch, keys)
    service = Service(behaviour, Bill(arguments.bill))
    service.day = arguments.day or service.day
    service.faults.set(read_json(arguments.faults, ()))
    asyncio.run(run(service, arguments.port, arguments.watch_stdin))
    service.bill.close()
    return 0
