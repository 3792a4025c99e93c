"""The prompts of the MCP server, which a person chooses in a client: in English and in Spanish."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

from mcp import types
from pydantic import Field

from llm_monitoring.access.tokens import Scope
from llm_monitoring.web.guard import Caller, enter, require
from llm_monitoring.web.mcp_tools import ComparePeriods, InProject, read
from llm_monitoring.web.problems import Problem

LANGUAGES: Final = ("en", "es")


class Compared(ComparePeriods):
    """A project and two periods, of which every day is given."""

    first: date = Field(alias="from", description="First day of the later period, as 2026-11-16.")
    last: date = Field(alias="to", description="Its last day.")
    compare_from: date = Field(description="First day of the earlier period.")
    compare_to: date = Field(description="Its last day.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A prompt in all languages: the scopes of the tools that it names, and what it takes."""

    scopes: tuple[Scope, ...]
    arguments: type[InProject]


KINDS: Final[Mapping[str, Kind]] = {
    "weekly_review": Kind(("figures:read", "answers:read"), InProject),
    "explain_change": Kind(("figures:read", "answers:read"), Compared),
}
"""Each kind is offered under its name and a language, as `weekly_review_es`."""


def listed(caller: Caller) -> list[types.Prompt]:
    """The prompts of which the caller's token may use every tool."""
    return [
        described(kind, language)
        for kind in KINDS
        for language in LANGUAGES
        if caller.token.scopes.issuperset(KINDS[kind].scopes)
    ]


def described(kind: str, language: str) -> types.Prompt:
    text = texts()[kind][language]
    schema = KINDS[kind].arguments.model_json_schema()
    return types.Prompt(
        name=f"{kind}_{language}",
        title=text["title"],
        description=text["description"],
        arguments=[
            types.PromptArgument(name=name, description=schema["properties"][name].get("description"), required=True)
            for name in schema["required"]
        ],
    )


def filled(caller: Caller, name: str, given: Mapping[str, str]) -> types.GetPromptResult:
    """A prompt with its values; raises Problem for one that is none, or a project that the caller does not reach."""
    kind, _, language = name.rpartition("_")
    if kind not in KINDS or language not in LANGUAGES:
        raise Problem("not_found", "there is no such prompt")
    scopes = KINDS[kind].scopes
    require(caller.token, scopes)
    wanted = read(KINDS[kind].arguments, given)
    enter(caller, wanted.project_id, scopes)
    text = texts()[kind][language]
    values = wanted.model_dump(mode="json", by_alias=True)
    message = types.PromptMessage(role="user", content=types.TextContent(text=text["text"].strip().format(**values)))
    return types.GetPromptResult(description=text["description"], messages=[message])


@cache
def texts() -> Mapping[str, Any]:
    found = files("llm_monitoring.web").joinpath("data", "mcp_prompts.toml").read_text(encoding="utf-8")
    return tomllib.loads(found)
