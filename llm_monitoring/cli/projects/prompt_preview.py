"""Shows what a file of prompts would store, before anything is stored."""

from __future__ import annotations

from typing import Final

from llm_monitoring.cli.base.output import print_table, say
from llm_monitoring.process.wording import counted
from llm_monitoring.projects import NewPrompt, SamePrompt, clean_tags
from llm_monitoring.projects.files.prompt_files import PromptFile

SHOWN: Final = 5
COLUMNS: Final = {
    "Line": "line",
    "Prompt": "text",
    "Language": "language",
    "Type": "type",
    "Tags": "tags",
    "Active": "active",
}


def show_preview(read: PromptFile, known: list[tuple[NewPrompt, SamePrompt | None]]) -> None:
    """Print how a file was read, its first new prompts, and the skipped ones with the reason."""
    numbered = list(zip(read.prompts, known, strict=True))
    fresh = [(line, each) for (line, each), (_, same) in numbered if same is None]
    say(read.description())
    say(f"{counted(len(read.prompts), 'prompt')}: {len(fresh)} new, {len(read.prompts) - len(fresh)} skipped.")
    if fresh:
        rows = [
            {"line": line + read.sheet.skipped, "text": each.text, "language": each.language, "type": each.query_type}
            | {"tags": clean_tags(each.tags), "active": each.is_active}
            for line, each in fresh[:SHOWN]
        ]
        print_table(rows, COLUMNS)
    if len(fresh) > SHOWN:
        say(f"… and {len(fresh) - SHOWN} more")
    skipped = [(line, same) for (line, _), (_, same) in numbered if same is not None]
    for line, same in skipped[:SHOWN]:
        say(f"Skipped: line {line + read.sheet.skipped} says the same as {place_of(read, same)}")
    if len(skipped) > SHOWN:
        say(f"… and {len(skipped) - SHOWN} more that are there already")


def place_of(read: PromptFile, same: SamePrompt) -> str:
    if same.entry is None:
        return f"prompt {same.query_id}"
    return f"line {read.prompts[same.entry - 1][0] + read.sheet.skipped}"
