"""A clean stop: SIGTERM and Ctrl-C set an event for the work, and a timer ends a process that does not react.

The timer is that of faulthandler, a thread in C, which also ends a process with a main thread that hangs in an import.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType
from typing import Final

STANDARD_ERROR: Final = 2
GRACE_SECONDS: Final = 600.0
STOPS: Final = (signal.SIGTERM, signal.SIGINT)


def end_on_stop_as_process_one() -> None:
    """Let SIGTERM end this process also if it is process 1 of a container, until `stoppable` has a handler for it.

    Of process 1 the kernel drops a signal without a handler: a stop during the imports was lost, and the run went on.
    """
    if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(128 + number))


@contextmanager
def stoppable(grace_seconds: float = GRACE_SECONDS) -> Iterator[Event]:
    """Yield an event that SIGTERM and SIGINT set; the work then starts nothing new, finishes calls, saves and ends.

    If it has not ended `grace_seconds` after the signal, the process ends with exit code 1 and prints its stacks.
    """
    stop = Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in STOPS}
    try:
        with clock_after_signal(grace_seconds):
            yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending_within(seconds: float) -> Iterator[None]:
    """End the process with exit code 1 if the block takes longer."""
    start_clock(seconds)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def clock_after_signal(seconds: float) -> Iterator[None]:
    """Start the timer when a signal arrives, read from a pipe because a handler would wait for the main thread."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    thread = Thread(target=wait_for_signal, args=(reading, seconds), name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        thread.join()


def wait_for_signal(reading: int, seconds: float) -> None:
    """Start the timer at the first stop signal, and stop it when the pipe is closed at the end of the work."""
    started = False
    while received := os.read(reading, 64):
        if not started and set(received) & set(STOPS):
            start_clock(seconds)
            started = True
    os.close(reading)
    if started:
        faulthandler.cancel_dump_traceback_later()


def start_clock(seconds: float) -> None:
    faulthandler.dump_traceback_later(seconds, exit=True, file=STANDARD_ERROR)
