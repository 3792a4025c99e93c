"""The face of the providers: imports without SDKs, and reading without key, network or SDK."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llm_monitoring.domain import PROVIDERS
from tests.providers.server import REPLIES

ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_imports_no_sdk() -> None:
    """Importing the package imports no SDK."""
    code = (
        "import sys, llm_monitoring.providers\n"
        "print([s for s in ('openai', 'anthropic', 'google') if s in sys.modules])"
    )
    assert run(code) == "[]"


def test_reading_imports_no_sdk() -> None:
    """Stored replies are read again with no SDK imported."""
    code = (
        "import sys; from pathlib import Path; from llm_monitoring.providers import read_reply, Reply\n"
        f"bodies = {{n: Path({str(REPLIES)!r}, n + '_plain.json').read_bytes() for n in {PROVIDERS!r}}}\n"
        "for n, body in bodies.items(): print(read_reply(n, Reply(200, body, 1)).model)\n"
        "print([s for s in ('openai', 'anthropic', 'google.genai') if s in sys.modules])"
    )
    assert run(code).splitlines()[-1] == "[]"


@pytest.mark.ci
def test_opening_from_many_threads() -> None:
    """Threads that open providers at once, each importing an SDK for the first time, all succeed."""
    code = (
        "import threading; from llm_monitoring.domain import Secret\n"
        "from llm_monitoring.providers import open_provider\n"
        "done = []\n"
        f"names = {PROVIDERS!r} * 4\n"
        "def work(n): done.append(open_provider(n, Secret('sk-x' * 9), base_url=None, timeout_seconds=1))\n"
        "threads = [threading.Thread(target=work, args=(n,)) for n in names]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]; print(len(done))"
    )
    assert run(code) == "16"
