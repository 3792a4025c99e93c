"""Commands run in this process, for the tests of the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from llm_monitoring.cli.root import root
from llm_monitoring.process.wording import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
MASTER = Fernet.generate_key().decode()
NEWER = Fernet.generate_key().decode()
KEY = "zq-own-key-that-no-pattern-knows-4321"
EMAIL = "ana@agency.example"


@dataclass(frozen=True)
class Cli:
    """Runs commands in this process."""

    def run(self, *arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(root, arguments, input=stdin, prog_name=PROGRAM)

    def done(self, *arguments: str, stdin: str | bytes | None = None) -> str:
        """Run what must succeed in silence on standard error, and return what it printed."""
        result = self.run(*arguments, stdin=stdin)
        assert 0 == result.exit_code, result.output
        assert "" == result.stderr, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments: str, stdin: str | bytes | None = None, code: int = 2) -> str:
        """Run what must fail with one line, and return it."""
        result = self.run(*arguments, stdin=stdin)
        assert code == result.exit_code, result.output
        assert "" == result.stdout, result.output
        assert result.stderr.startswith("error: ")
        assert result.stderr.index("\n") == len(result.stderr) - 1, result.stderr
        return result.stderr.removeprefix("error: ").rstrip("\n")
