"""The embedded server in processes of its own, for its tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from llm_monitoring.db import embedded

USER = Path(__file__).with_name("embedded_user.py")
ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand its server to another user")


@contextmanager
def user_of(data: Path, uid: int | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    arguments = [sys.executable, str(USER), str(data), *([str(uid)] if uid else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        arguments, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


def query(url: str, sql: str) -> list[Any]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []
    finally:
        connection.close()


def listens(data: Path) -> bool:
    return embedded.Cluster(data, Path(), None).listens()


def server_pid(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


def kill_server(data: Path) -> None:
    """Kill the server and its children at once, as the end of a container does."""
    pid = server_pid(data)
    os.kill(pid, signal.SIGSTOP)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for victim in [*map(int, children), pid]:
        os.kill(victim, signal.SIGKILL)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


@contextmanager
def killed_at_last(process: subprocess.Popen[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
