"""The command `models` run in this process, on an environment."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from click.testing import CliRunner, Result

from llm_monitoring.cli.root import root
from llm_monitoring.domain import ProviderName
from llm_monitoring.model_review import check
from llm_monitoring.providers import ModelInfo
from llm_monitoring.registry import admin as model_admin
from llm_monitoring.registry.admin import Author
from tests.environment import Environment

PROMPTS = [
    "¿Qué programa de facturación recomiendas para autónomos?",
    "Mejores programas de facturación online",
    "¿Qué software usan las asesorías?",
    "Compara programas de facturación y precios",
    "¿Qué programa cumple con Verifactu?",
    "¿Qué herramienta uso para el IVA trimestral?",
    "¿Qué app de facturas es más fácil de usar?",
]
BRANDED = "¿Qué opinas de Quipu?"
ME = Author("test", "a test")
RATES = ("input", "output", "cached", "cache_write")
TODAY = datetime.now(UTC).date()


@dataclass
class Admin:
    """Runs the command line in this process, on an environment."""

    environment: Environment

    def run(self, *arguments: str) -> Result:
        result = CliRunner().invoke(root, ["models", *arguments])
        self.environment.output.append(result.output)
        return result

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert 0 == result.exit_code, result.output
        assert "" == result.stderr, result.output
        return result.stdout

    def refused(self, *arguments: str, code: int = 2) -> str:
        """Run what must fail with one line, nothing on standard output, and return the line."""
        result = self.run(*arguments)
        assert code == result.exit_code, result.output
        assert 1 == result.stderr.count("\n"), result.output
        assert result.stderr.startswith("error: ")
        return result.stderr.removeprefix("error: ").rstrip("\n")

    def row(self, provider: ProviderName, model_id: str) -> dict[str, Any]:
        return model_admin.find_row(self.environment.db, provider, model_id)

    def state(self) -> tuple[list[dict[str, Any]], int, Decimal, int]:
        """All that a refused command must leave alone: registry, changelog, bill and ledger."""
        return (
            self.environment.rows("SELECT * FROM llm_model_registry ORDER BY id"),
            self.environment.count("llm_model_changelog"),
            self.environment.billed(),
            self.environment.count("llm_call_attempts"),
        )

    def current(self, provider: str = "openai") -> list[str]:
        rows = self.environment.rows(
            f"SELECT model_id FROM llm_model_registry WHERE is_current AND llm_provider = '{provider}'"
        )
        return [row["model_id"] for row in rows]


def register(admin: Admin, provider: ProviderName, model_id: str) -> None:
    """Bring a model in as the weekly check does."""
    listed = [info for info in admin.environment.server.models.listed(provider) if info.get("id") == model_id]
    assert listed
    now = admin.environment.rows("SELECT now()")[0]["now"]
    check.insert_new_model(admin.environment.db, provider, ModelInfo(model_id, model_id), now)


def in_a_terminal(admin: Admin, *arguments: str, typed: str) -> tuple[int, str]:
    """Run a command in a process with a terminal of its own, and type."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_monitoring", "models", *arguments],
        env={**admin.environment.variables({"LLM_LOG_LEVEL": "INFO"}), "TERM": "dumb", "COLUMNS": "200"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd="/",
    )
    os.close(terminal)
    os.write(main, typed.encode())
    seen = b""
    try:
        while chunk := os.read(main, 4096):
            seen += chunk
    except OSError:  # the terminal's other side is closed
        pass
    os.close(main)
    return process.wait(timeout=30), seen.decode()
