"""Every tool, resource and prompt of the MCP server with the protocol's own inspector, over HTTP and stdio."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from llm_monitoring.reporting.markdown import method
from llm_monitoring.web.mcp_tools import TOOLS
from tests.integration.web.conftest import database_url, world
from tests.integration.web.mcp_client import arguments, serving, stdio_command, store_two_days
from tests.integration.web.world import World

__all__ = ["database_url", "world"]

HERE: Final = Path(__file__).parent
PROGRAM: Final = HERE / "node_modules" / ".bin" / "mcp-inspector"

pytestmark = [pytest.mark.inspector, pytest.mark.timeout(600)]


@dataclass(frozen=True, slots=True)
class Inspector:
    """The inspector on one server; `home` is where it keeps files of its own."""

    home: Path
    target: Sequence[str]

    def ask(self, name: str, *options: str) -> Any:
        """What a method gives."""
        done = subprocess.run(
            [PROGRAM, "--cli", *self.target, "--method", name, *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "MCP_INSPECTOR_SECRET_STORE": "memory"},
        )
        assert 0 == done.returncode, done.stdout + done.stderr
        return json.loads(done.stdout)

    def call(self, tool: str, given: Mapping[str, Any]) -> Any:
        pairs = [word for name, value in given.items() for word in ("--tool-arg", f"{name}={value}")]
        return self.ask("tools/call", "--tool-name", tool, *pairs)


@pytest.fixture
def inspect(request: pytest.FixtureRequest, world: World, database_url: str, tmp_path: Path) -> Iterator[Inspector]:
    """The inspector on the transport that the test names."""
    store_two_days(world)
    if request.param == "stdio":
        command = stdio_command(database_url)
        entry = {"command": command.command, "args": command.args, "env": command.env, "cwd": str(command.cwd)}
        file = tmp_path / "servers.json"
        file.write_text(json.dumps({"mcpServers": {"brands": entry}}))
        yield Inspector(tmp_path, ["--config", str(file), "--server", "brands"])
        return
    with serving(world, frozenset({"127.0.0.1"})) as served:
        token = f"Authorization: Bearer {world.texts['ana']}"
        yield Inspector(tmp_path, [f"http://127.0.0.1:{served.port}/mcp", "--transport", "http", "--header", token])


transports: Callable[..., Any] = pytest.mark.parametrize("inspect", ["http", "stdio"], indirect=True)


@transports
def test_every_tool_is_listed_and_called(inspect: Inspector, world: World) -> None:
    """In their order; each gives a result that is its text as well."""
    assert list(TOOLS) == [tool["name"] for tool in inspect.ask("tools/list")["tools"]]
    for name in TOOLS:
        found = inspect.call(name, arguments(name, world))
        assert not found.get("isError"), found
        assert found["structuredContent"] == json.loads(found["content"][0]["text"])


@transports
def test_resources_and_prompts_are_listed_and_read(inspect: Inspector, world: World) -> None:
    """The method, the project's report, and a prompt in Spanish."""
    listed = [each["uri"] for each in inspect.ask("resources/list")["resources"]]
    assert f"llm-monitoring://projects/{world.project}/report" in listed
    (content,) = inspect.ask("resources/read", "--uri", "llm-monitoring://method/en")["contents"]
    assert method("en") == content["text"]
    (report,) = inspect.ask("resources/read", "--uri", listed[-1])["contents"]
    assert report["text"].startswith("# Quipu")
    assert 4 == len(inspect.ask("prompts/list")["prompts"])
    given = ("--prompt-name", "weekly_review_es", "--prompt-args", f"project_id={world.project}")
    assert "Revisa el proyecto" in inspect.ask("prompts/get", *given)["messages"][0]["content"]["text"]
