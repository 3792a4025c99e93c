"""The process that forks all runs of a test session: it has imported everything, and serves every pytest worker."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

if TYPE_CHECKING:
    from llm_monitoring.domain import ProviderName

PROGRAMS: Final = {
    "daily": ("llm_monitoring.jobs.daily", "main"),
    "weekly": ("llm_monitoring.jobs.weekly", "main"),
    "command": ("llm_monitoring.cli.root", "root"),
}
NOT_OF_A_RUN: Final = ("llm_monitoring.web", "llm_monitoring.demo", "llm_monitoring.providers.google_legacy")
IMPORTED_LATE: Final = (
    *("openai", "openai.resources.responses", "openai.lib.streaming.responses", "anthropic", "google.genai"),
    *("google.auth.aio", "encodings.idna", "rich.progress", "rich.table"),
)
"""SDKs and the terminal's tables, with what they import at their first use."""
MODELS: Final[dict[ProviderName, str]] = {
    "openai": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "perplexity": "perplexity/sonar",
}
"""A model of each provider that the loopback server knows."""
SECONDS_TO_FIRST: Final = 60.0
DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


class Closable(Protocol):
    def close(self) -> None: ...


class Client:
    """A pytest worker: its orders come as lines of JSON, and it gets a line for each start and each end."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.unread = b""

    def orders(self) -> list[dict[str, Any]] | None:
        """Return the orders that have come; None if the worker has closed its connection."""
        received = self.connection.recv(1 << 20)
        *lines, self.unread = (self.unread + received).split(b"\n")
        return [json.loads(line) for line in lines] if received else None

    def report(self, **what: Any) -> None:
        with suppress(OSError):  # a worker that has ended
            self.connection.sendall(json.dumps(what).encode() + b"\n")


class Server:
    """Forks a run for each order, and ends with its last client; the runs of a client end with it."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.clients: dict[socket.socket, Client] = {}
        self.runs: dict[int, Client] = {}
        self.selector = selectors.DefaultSelector()
        self.read_end, self.write_end = os.pipe()

    def serve(self) -> None:
        os.set_blocking(self.read_end, False)
        os.set_blocking(self.write_end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self.write_end, warn_on_full_buffer=False)
        for each in (self.listener, self.read_end):
            self.selector.register(each, selectors.EVENT_READ)
        patience = SECONDS_TO_FIRST
        while ready := self.selector.select(None if self.clients else patience):
            for key, _ in ready:
                self.answer(key.fileobj)
            patience = 0.0
        while self.runs:
            self.reap(os.waitpid(-1, 0))

    def answer(self, source: Any) -> None:
        if source is self.listener:
            connection, _ = self.listener.accept()
            self.clients[connection] = Client(connection)
            self.selector.register(connection, selectors.EVENT_READ)
        elif source == self.read_end:
            os.read(self.read_end, 4096)
            while self.runs and (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                self.reap(ended)
        else:
            self.obey(self.clients[source])

    def obey(self, client: Client) -> None:
        orders = client.orders()
        for order in orders or ():
            self.runs[self.fork(client, order)] = client
        if orders is None:
            self.selector.unregister(client.connection)
            self.clients.pop(client.connection).connection.close()
            for pid in [pid for pid, owner in self.runs.items() if owner is client]:
                os.kill(pid, signal.SIGKILL)

    def reap(self, ended: tuple[int, int]) -> None:
        pid, status = ended
        self.runs.pop(pid).report(pid=pid, code=os.waitstatus_to_exitcode(status))

    def fork(self, client: Client, order: dict[str, Any]) -> int:
        pid = os.fork()
        if pid == 0:
            become(order, (self.listener, self.selector, *self.clients))
        client.report(pid=pid, output=order["output"])
        return pid


def warm_up() -> None:
    """Import, read and compile what a run needs, so that no run does it again."""
    import llm_monitoring
    from llm_monitoring.analysis import Entity, Matcher
    from llm_monitoring.analysis.mentions.denials import denials
    from llm_monitoring.reporting import stored_figures

    for found in walk_packages(llm_monitoring.__path__, "llm_monitoring."):
        if not found.name.startswith(NOT_OF_A_RUN) and not found.name.endswith("__main__"):
            import_module(found.name)
    for name in IMPORTED_LATE:
        import_module(name)
    stored_figures.code_version()
    Matcher(Entity("Quipu"), [Entity("Holded")]).analyse("1. **Quipu**\n2. Holded", [], "es")
    for language in ("en", "es"):  # those of most answers of the tests
        denials(language)
    ask_each_provider()


def ask_each_provider() -> None:
    """An SDK builds its models at its first request, which costs more than all others of a small run."""
    from llm_monitoring.demo.server.loopback import DemoServer
    from llm_monitoring.domain import PROVIDERS, Secret
    from llm_monitoring.providers import Question, open_provider

    with DemoServer() as server:
        for name in PROVIDERS:
            key, url = Secret("a-key-of-no-one"), server.url(name)
            with closing(open_provider(name, key, base_url=url, timeout_seconds=30)) as provider:
                provider.send(Question("¿Qué es Quipu?", MODELS[name], 100, web_search=True, max_searches=1))


def become(order: dict[str, Any], of_server: Iterable[Closable]) -> None:
    """Become the run: called in the child, never returns."""
    code = 70
    try:
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for each in of_server:
            each.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        stdout = os.open(order["stdout"], os.O_WRONLY | os.O_APPEND)
        for source, target in ((nothing, 0), (stdout, 1), (output, 2)):
            os.dup2(source, target)
        os.chdir("/")
        os.environ.clear()
        os.environ.update(order["environment"])
        run(order)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        os._exit(code)


def run(order: dict[str, Any]) -> NoReturn:
    from llm_monitoring import failpoints
    from llm_monitoring.process.streams import run_program
    from llm_monitoring.process.wording import PROGRAM

    if order["halt"]:
        failpoints.hook = Stopper(*order["halt"])
    module, name = PROGRAMS[order["program"]]
    main = getattr(import_module(module), name)
    if order["program"] == "command":
        run_program(lambda: main.main(order["arguments"], prog_name=PROGRAM), quiet_on_closed_pipe=True)
    run_program(lambda: main(order["arguments"]))


class Stopper:
    """Kills its own process the nth time that it is at a point."""

    def __init__(self, point: str, nth: int) -> None:
        self.point, self.left, self.lock = point, nth, Lock()

    def __call__(self, point: str) -> None:
        if point != self.point:
            return
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Serve on the listening socket of this number, in the background."""
    if os.fork():
        os._exit(0)
    os.setsid()
    listener = socket.socket(fileno=int(sys.argv[1]))
    warm_up()
    gc.freeze()
    Server(listener).serve()
    shutil.rmtree(Path(listener.getsockname()).parent)


if __name__ == "__main__":
    main()
