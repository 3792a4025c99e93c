"""The daily job under signals: what one says, and what a second one does."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from llm_monitoring.jobs.terminal import SAME_WISH_SECONDS
from tests.environment import ONE_SDK, Environment, open_environment
from tests.fork_server import Child

SAID = "Una segunda señal (otro Ctrl-C) termina al instante"
SLOW = {"match": {"route": "answer"}, "action": {"kind": "delay", "delay_ms": 30_000}}
PLAIN = {"LLM_SENTIMENT": "false"}


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    """A project whose eight calls take half a minute."""
    with open_environment(database_url) as made:
        made.server.faults.set([SLOW])
        prompts = [f"¿Qué programa va mejor, caso {n}?" for n in range(4)]
        made.add_project(made.add_user("a@example.com", ONE_SDK), prompts, ONE_SDK)
        yield made


@contextmanager
def calling(environment: Environment) -> Iterator[Child]:
    """The job while all its calls are out; killed at the end where it still runs."""
    process = environment.start(extra=PLAIN)
    try:
        wait_for_calls(environment)
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_calls(environment: Environment, least: int = 8) -> None:
    deadline = time.monotonic() + 20
    while environment.count("llm_call_attempts WHERE state = 'sent'") < least:
        assert time.monotonic() < deadline, "the calls did not go out"
        time.sleep(0.02)


def wait_until_said(process: Child, words: str) -> None:
    deadline = time.monotonic() + 20
    while words not in process.said():
        assert time.monotonic() < deadline, f"{words!r} was never said"
        time.sleep(0.01)


@pytest.mark.ci
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_at_once(environment: Environment, number: signal.Signals, code: int) -> None:
    """The first signal says so, the second ends the process with 128 + its number, and the next start settles."""
    with calling(environment) as process:
        process.send_signal(number)
        wait_until_said(process, SAID)
        time.sleep(SAME_WISH_SECONDS + 0.1)
        assert not process.ended.is_set()
        process.send_signal(number)
        assert code == process.wait(5)
    assert 8 == environment.count("llm_call_attempts WHERE state = 'sent'")
    environment.server.faults.set([])
    ended, output = environment.run(extra=PLAIN)
    assert 0 == ended, output
    assert 0 == environment.count("llm_call_attempts WHERE state IN ('reserved', 'sent')"), output
    assert 8 == environment.count("llm_call_attempts WHERE state = 'unknown' AND charged_usd > 0")
    assert 8 == environment.count("llm_monitoring_results")
    assert [] == list(environment.audit().differences)


@pytest.mark.ci
def test_one_wish_that_comes_twice_is_one(environment: Environment) -> None:
    """A Ctrl-C that the terminal sends and a wrapping program passes on is waited out, not taken for a second."""
    with calling(environment) as process:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
        wait_until_said(process, SAID)
        with pytest.raises(TimeoutError):
            process.wait(SAME_WISH_SECONDS + 0.5)


@contextmanager
def on_a_terminal(environment: Environment, level: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The job on a terminal while its calls are out, and the end of it at which a person reads."""
    controller, terminal = pty.openpty()
    variables = environment.variables({**PLAIN, "LLM_LOG_LEVEL": level})
    process = subprocess.Popen(
        environment.command(), env=variables, cwd="/", stdout=terminal, stderr=terminal, stdin=terminal
    )
    os.close(terminal)
    try:
        yield process, controller
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def interrupt_twice(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    time.sleep(SAME_WISH_SECONDS + 0.2)
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=5)


@pytest.mark.ci
def test_the_terminal_gets_its_cursor_back(environment: Environment) -> None:
    """The progress bar hides the cursor; a process that ends at once shows it again, on a line of its own."""
    with on_a_terminal(environment, "INFO") as (process, controller), ThreadPoolExecutor() as pool:
        shown = pool.submit(lambda: b"".join(chunks(controller)))
        wait_for_calls(environment)
        assert 130 == interrupt_twice(process)
        assert b"\x1b[?25l" in shown.result()
        assert shown.result().endswith(b"\x1b[?25h\r\r\n")


@pytest.mark.ci
def test_a_blocked_output_holds_nothing_up(environment: Environment) -> None:
    """The second signal ends the process also while its output waits for somebody to read it."""
    with on_a_terminal(environment, "DEBUG") as (process, _):
        wait_for_calls(environment, least=1)
        assert 130 == interrupt_twice(process)


def chunks(controller: int) -> Iterator[bytes]:
    """What the terminal received, to its end, which Linux reports as an error."""
    with suppress(OSError):
        while found := os.read(controller, 65536):
            yield found
