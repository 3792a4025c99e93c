"""The weekly job run in this process, for its tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.jobs import weekly
from tests.environment import Environment

TEXT_MODELS = (Path(__file__).parent / "text_models.txt").read_text("utf-8").split("\n")[:-1]
STEADY = "gpt-6-luna"  # approved from the start, and not the current one
CURRENT = "gpt-6.1-terra"


@dataclass
class Check:
    """Runs the weekly job in this process."""

    environment: Environment
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        """The exit code and the events that went to standard output."""
        self.capsys.readouterr()
        code = weekly.main(arguments)
        output = self.capsys.readouterr().out
        self.environment.output.append(output)
        return code, [json.loads(line) for line in output.splitlines()]

    def good(self, *arguments: str) -> list[dict[str, Any]]:
        code, events = self.run(*arguments)
        assert 0 == code, events
        assert "🎉 MODEL CHECK COMPLETED SUCCESSFULLY" == events[-1]["message"], events
        return events

    def change(self, provider: str, **changes: Any) -> None:
        """Change a provider's list of models."""
        self.environment.server.models.change(provider, **changes)

    def fail(self, provider: str, **action: Any) -> None:
        rule = {"match": {"provider": provider, "route": "models"}, "action": action}
        self.environment.server.faults.set([rule])

    def registry(self) -> dict[str, dict[str, Any]]:
        rows = self.environment.rows("SELECT * FROM llm_model_registry")
        return {f"{row['llm_provider']} {row['model_id']}": row for row in rows}


def messages(events: list[dict[str, Any]], level: str | None = None, event: str | None = None) -> list[str]:
    return [each["message"] for each in events if level in (None, each["level"]) and event in (None, each["event"])]


def untouched(before: Mapping[str, Any], after: Mapping[str, Any], provider: str) -> bool:
    return [row for name, row in before.items() if name.startswith(provider)] == [
        row for name, row in after.items() if name.startswith(provider)
    ]
