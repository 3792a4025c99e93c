"""Makes the table of settings and `.env.example` from the fields of Settings."""

from __future__ import annotations

from dataclasses import Field
from typing import Any

from llm_monitoring.domain import PROVIDERS
from llm_monitoring.settings.fields import documented_fields


def documentation(each: Field[Any], provider: str, title: str) -> tuple[str, str, str]:
    """Return (variable, help, default) of a field; a field with a variable for each provider gives this provider's."""
    env, explanation, default = (str(each.metadata[part]) for part in ("env", "help", "default"))
    return env.format(provider.upper()), explanation.format(title), default


def environment_table() -> str:
    """Return the table of variables in Markdown, one row a setting."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for each in documented_fields():
        names = dict.fromkeys(f"`{documentation(each, provider, '')[0]}`" for provider in PROVIDERS)
        _, explanation, default = documentation(each, "", "the provider")
        rows.append(f"| {', '.join(names)} | {default and f'`{default}`'} | {explanation} |")
    return "\n".join(rows) + "\n"


def environment_example() -> str:
    """Return the text of `.env.example`: every variable with its default."""
    blocks = ["# Copy to .env. An empty value means the default; a real environment variable wins.\n"]
    for each in documented_fields():
        lines = {documentation(each, name, name)[0]: documentation(each, name, name) for name in PROVIDERS}
        blocks += [f"# {explanation}\n{name}={default}\n" for name, explanation, default in lines.values()]
    return "\n".join(blocks)
