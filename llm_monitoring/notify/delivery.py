"""Delivers messages and calls the heartbeat in a process that is ended when its time is over."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from llm_monitoring.domain import Secret
from llm_monitoring.settings import plain_environment

SENDER: Final = Path(__file__).with_name("sender.py")

Severity = Literal["info", "success", "warning", "failure"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "success", "warning", "failure")

FailureCode = Literal[
    "unknown_address", "status", "timeout", "name_not_found", "refused", "certificate", "not_delivered", "process_ended"
]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not arrive: a code, and what was seen (an HTTP status, an exit code)."""

    code: FailureCode
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How many lines of a message arrived, and why the others did not."""

    lines: int
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Lines of plain text for one target; without lines the target is only called, as a heartbeat.

    They are split at line ends into a few messages, as its limit wants; `rest` is the line for what is left over.
    """

    target: Secret
    title: str = ""
    lines: tuple[str, ...] = ()
    attached: tuple[Path, ...] = ()
    severity: Severity = "info"
    rest: str = "… {n}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "url": self.target.reveal(),
            "title": self.title,
            "lines": self.lines,
            "rest": self.rest,
            "severity": self.severity,
            "attach": list(map(str, self.attached)),
        }


def send(messages: Sequence[Message], timeout_seconds: float) -> list[Result]:
    """Send all at the same time and return each result.

    The whole ends after `timeout_seconds`, whatever a target does: name look-ups, slow trickles and retries of a
    library end with the process that runs them, and cannot hold up the run or its exit.
    """
    if not messages:
        return []
    request = json.dumps({"timeout": timeout_seconds, "messages": [message.as_dict() for message in messages]})
    printed, failure = run(request, timeout_seconds)
    results = [Result(0, failure)] * len(messages)
    for line in printed.splitlines(keepends=True):
        if line.endswith(b"\n"):  # the last line may be cut
            number, code, seen, lines = json.loads(line)
            results[number] = Result(lines, None if code is None else Failure(code, seen))
    return results


def run(request: str, timeout_seconds: float) -> tuple[bytes, Failure]:
    """What the sender printed until its end, and the failure of the messages that it printed nothing of."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", SENDER],
            input=request.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_seconds,
            check=False,
            cwd="/",
            env=plain_environment(),
        )
    except subprocess.TimeoutExpired as exc:
        return exc.stdout or b"", Failure("timeout")
    return done.stdout, Failure("process_ended", str(done.returncode))
