"""The way out: hands messages and the heartbeat to a process that is ended when its time is over."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from llm_monitoring.domain import Secret

SENDER: Final = Path(__file__).with_name("sender.py")


@dataclass(frozen=True, slots=True)
class Letter:
    """Plain text for one target; without text the target is only called, as a heartbeat."""

    target: Secret
    title: str = ""
    body: str = ""
    attached: tuple[Path, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        text = {"title": self.title, "body": self.body, "attach": list(map(str, self.attached))} if self.body else {}
        return {"url": self.target.reveal(), **text}


def send(letters: Sequence[Letter], timeout_seconds: float) -> list[str | None]:
    """Send all at once and return what went wrong with each, None where it arrived.

    The whole ends after `timeout_seconds`, whatever a target does: name look-ups, slow trickles and retries of a
    library end with the process that runs them, and cannot hold up the run or its exit.
    """
    if not letters:
        return []
    order = json.dumps({"timeout": timeout_seconds, "parcels": [letter.as_dict() for letter in letters]})
    printed, otherwise = run(order, timeout_seconds)
    problems: list[str | None] = [otherwise] * len(letters)
    for line in printed.splitlines(keepends=True):
        if line.endswith(b"\n"):  # the last line may be cut
            number, problem = json.loads(line)
            problems[number] = problem
    return problems


def run(order: str, timeout_seconds: float) -> tuple[bytes, str]:
    """What the sender printed until it ended or was ended, and what is wrong with whatever it printed nothing of."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", SENDER],
            input=order.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_seconds,
            check=False,
            cwd="/",
        )
    except subprocess.TimeoutExpired as exc:
        return exc.stdout or b"", "no respondió a tiempo"
    return done.stdout, f"el proceso que envía terminó con {done.returncode}"
