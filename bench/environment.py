"""The environment of a benchmark: its own PostgreSQL server, and the loopback server as a process."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_monitoring.db.database import Database
from llm_monitoring.db.embedded import serve
from llm_monitoring.db.migrations import migrate

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def database() -> Iterator[str]:
    """Yield the URL of a migrated database on a temporary server with the durability of production."""
    folder = Path(tempfile.mkdtemp(prefix="llm_bench-", dir="/var/tmp" if os.geteuid() == 0 else None))
    folder.chmod(0o755)
    server = serve(folder / "data")
    try:
        with Database(server.url) as db:
            migrate(db)
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextmanager
def provider(latency_ms: float, bill: Path | None = None) -> Iterator[str]:
    """Yield the root URL of a loopback server that answers after `latency_ms`."""
    command = [sys.executable, "-m", "llm_monitoring.demo.server", "--latency-ms", str(latency_ms), "--watch-stdin"]
    command += ["--bill", str(bill)] if bill else []
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def peak_rss_mb() -> float:
    """Return this program's peak memory; Linux's ru_maxrss would include its parent's memory at the fork."""
    status = Path("/proc/self/status")
    if not status.exists():
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return round(int(line.split()[1]) / 1024, 1)
