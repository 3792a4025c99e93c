"""Starts jobs and commands as processes in milliseconds: forked from a server that has imported everything."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import llm_monitoring
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.providers import Question, open_provider

ROOT: Final = Path(__file__).resolve().parents[1]
PROGRAMS: Final = {
    "daily": ("llm_monitoring.jobs.daily", "main"),
    "weekly": ("llm_monitoring.jobs.weekly", "main"),
    "command": ("llm_monitoring.cli.root", "root"),
}
NOT_OF_A_RUN: Final = ("llm_monitoring.web", "llm_monitoring.demo", "llm_monitoring.providers.google_legacy")
SDKS: Final = (
    *("openai", "openai.resources.responses", "openai.lib.streaming.responses", "anthropic", "google.genai"),
    *("google.auth.aio", "encodings.idna"),
)
"""With what they import at the first request."""
MODELS: Final[dict[ProviderName, str]] = {
    "openai": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "perplexity": "perplexity/sonar",
}
"""A model of each provider that the loopback server knows."""
SECONDS_TO_START: Final = 300
"""The first start waits for all imports, which take a minute on a machine with much else to do."""
DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Halt:
    """Kill the process the `nth` time that it reaches `point`."""

    point: str
    nth: int = 1


@dataclass
class Child:
    """One process of a program; `code` is its exit code once it ended, negative if a signal ended it."""

    pid: int
    output: Path
    code: int | None = None
    ended: Event = field(default_factory=Event)

    def kill(self) -> None:
        """End it as `kill -9` does; does nothing if it ended by itself."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; does nothing if it ended by itself."""
        with suppress(ProcessLookupError):  # it may end between the question and the signal
            if not self.ended.is_set():
                os.kill(self.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and return its exit code."""
        self.send_signal(number)
        return self.wait()

    def wait(self, seconds: float = 60.0) -> int:
        """Its exit code; raises TimeoutError."""
        if not self.ended.wait(seconds) or self.code is None:
            raise TimeoutError(f"the run did not end within {seconds:.0f} s:\n{self.said()[-2000:]}")
        return self.code

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")


class ForkServer:
    """The parent of all processes of a test session. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = Lock()
        self.started = 0
        self.children: dict[int, Child] = {}
        self.latest: list[Child] = []
        self.process: subprocess.Popen[str]
        self.listener = Thread(target=self.listen, name="fork server", daemon=True)
        self.answer = Event()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(SECONDS_TO_START)
        self.listener.join(20)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def start(
        self,
        variables: Mapping[str, str],
        *arguments: str,
        halt: Halt | None = None,
        program: str = "daily",
        stdout: str | None = None,
    ) -> Child:
        """Fork a process that runs a program with these arguments and nothing but this environment.

        Its output and its errors go to the child's file; with `stdout` the output goes there.
        """
        with self.lock:
            self.started += 1
            output = self.folder / f"run-{self.started}.log"
            output.touch()
            order = {
                "program": program,
                "environment": dict(variables),
                "arguments": arguments,
                "output": str(output),
                "stdout": stdout or str(output),
                "halt": halt and [halt.point, halt.nth],
            }
            self.answer.clear()
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            if not self.answer.wait(SECONDS_TO_START):
                raise TimeoutError("the fork server does not answer")
            return self.latest[-1]

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if "output" in message:
                child = Child(message["pid"], Path(message["output"]))
                self.children[child.pid] = child
                self.latest[:] = [child]
                self.answer.set()
            else:
                ended = self.children.pop(message["pid"])
                ended.code = message["code"]
                ended.ended.set()


SHARED: Final[list[ForkServer]] = []


def fork_server() -> ForkServer:
    """Return the fork server of this session, started at its first use."""
    if not SHARED:
        SHARED.append(ForkServer(Path(tempfile.mkdtemp(prefix="llm_runs-"))).__enter__())
    return SHARED[0]


def stop_fork_server() -> None:
    """End the fork server with all its processes and remove their output."""
    while SHARED:
        server = SHARED.pop()
        server.__exit__(None, None, None)
        shutil.rmtree(server.folder)


def report(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def serve() -> None:
    """Fork a run for each line on standard input, report how each ended, and end all of them with the input."""
    warm_up()
    gc.freeze()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    os.set_blocking(read_end, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    alive: set[int] = set()
    while True:
        ready, _, _ = select.select([sys.stdin, read_end], [], [])
        if read_end in ready:
            os.read(read_end, 4096)
            reap(alive)
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                break
            alive.add(fork_child(json.loads(line)))
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    while alive:
        reap(alive, wait=True)


def warm_up() -> None:
    """Import, read and compile what a run needs, so that no run does it again."""
    from llm_monitoring.analysis import Entity, Matcher
    from llm_monitoring.analysis.mentions.denials import SIGNS, denials
    from llm_monitoring.reporting import stored_figures

    for found in walk_packages(llm_monitoring.__path__, "llm_monitoring."):
        if not found.name.startswith(NOT_OF_A_RUN) and not found.name.endswith("__main__"):
            import_module(found.name)
    for name in SDKS:
        import_module(name)
    stored_figures.code_version()
    Matcher(Entity("Quipu"), [Entity("Holded")]).analyse("1. **Quipu**\n2. Holded", [], "es")
    for language in SIGNS:
        denials(language)
    ask_each_provider()


def ask_each_provider() -> None:
    """An SDK builds its models at its first request, which costs more than all others of a small run."""
    from llm_monitoring.demo.server.loopback import DemoServer

    with DemoServer() as server:
        for name in PROVIDERS:
            key, url = Secret("a-key-of-no-one"), server.url(name)
            with closing(open_provider(name, key, base_url=url, timeout_seconds=30)) as provider:
                provider.send(Question("¿Qué es Quipu?", MODELS[name], 100, web_search=True, max_searches=1))


def reap(alive: set[int], *, wait: bool = False) -> None:
    while alive:
        pid, status = os.waitpid(-1, 0 if wait else os.WNOHANG)
        if pid == 0:
            return
        alive.discard(pid)
        report(pid=pid, code=os.waitstatus_to_exitcode(status))


def fork_child(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        become(order)
    report(pid=pid, output=order["output"])
    return pid


def become(order: dict[str, Any]) -> None:
    """Become the run: called in the child, never returns."""
    code = 70
    try:
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
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


if __name__ == "__main__":
    serve()
