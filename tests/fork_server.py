"""Starts jobs and commands as processes in milliseconds: forked from a server that has imported everything."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SECONDS_TO_START: Final = 300
"""The first start waits for all imports, which take a minute on a machine with much else to do."""


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
    """One worker's connection to the server of the test session. Safe to share between threads."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="llm_runs-"))
        self.connection = connect()
        self.lock = Lock()
        self.started = 0
        self.children: dict[int, Child] = {}
        self.latest: list[Child] = []
        self.answer = Event()
        self.listener = Thread(target=self.listen, name="fork server", daemon=True)
        self.listener.start()

    def close(self) -> None:
        """End the processes that this worker started, and remove their output."""
        self.connection.shutdown(socket.SHUT_RDWR)
        self.listener.join(20)
        self.connection.close()
        shutil.rmtree(self.folder)

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
            self.connection.sendall(json.dumps(order).encode() + b"\n")
            if not self.answer.wait(SECONDS_TO_START):
                raise TimeoutError("the fork server does not answer")
            return self.latest[-1]

    def listen(self) -> None:
        with self.connection.makefile(encoding="utf-8") as messages:
            for line in messages:
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


def connect() -> socket.socket:
    """Return a connection to the server of this test session; the first worker that asks starts it."""
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"llm_forks-{session}"
    folder.mkdir(mode=0o700, exist_ok=True)
    address = folder / "socket"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(address))
        except OSError:
            start_server(address)
            connection.connect(str(address))
    return connection


def start_server(address: Path) -> None:
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        number = listener.fileno()
        subprocess.run([sys.executable, "-m", "tests.forking", str(number)], cwd=ROOT, pass_fds=[number], check=True)


SHARED: Final[list[ForkServer]] = []


def fork_server() -> ForkServer:
    """Return this worker's connection to the fork server, opened at its first use."""
    if not SHARED:
        SHARED.append(ForkServer())
    return SHARED[0]


def stop_fork_server() -> None:
    """End all processes that this worker started; the server ends with its last worker."""
    while SHARED:
        SHARED.pop().close()
