"""The jobs run where nothing of the web service is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = ("fastapi", "starlette", "uvicorn", "mcp")


@pytest.mark.parametrize(
    "module", ["llm_monitoring.jobs.daily", "llm_monitoring.jobs.weekly", "llm_monitoring.cli.root"]
)
def test_the_jobs_import_nothing_of_the_web_service(module: str) -> None:
    """Neither its packages nor its own modules, though they are installed here."""
    code = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED})); import {module}; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "llm_monitoring.web" not in done.stdout
