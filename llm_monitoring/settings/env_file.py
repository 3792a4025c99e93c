"""Reads `.env`, and refuses a file that others can write or a line that cannot be read."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

from llm_monitoring.errors import ConfigurationError
from llm_monitoring.process import location

USER_FILE: Final = Path(".config", "llm_monitoring", ".env")  # below the home directory
ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,63})\s*[=:]")
NAME_ALONE: Final = re.compile(r"\s*(?:export\s+)?((?:[A-Z0-9]+_)+[A-Z0-9]+)\s*(?:#.*)?")
NO_TEXT: Final = "\0"
OTHER_KEY_NAMES: Final = {
    "OPENAI_KEY": "OPENAI_API_KEY",
    "CLAUDE_API_KEY": "ANTHROPIC_API_KEY",
    "ANTHROPIC_KEY": "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY": "GOOGLE_API_KEY",
    "PPLX_API_KEY": "PERPLEXITY_API_KEY",
}


def find_env_file() -> Path:
    """Return the `.env` of the working directory, or else the package's own; one of them if neither exists."""
    here, own = working_directory() / ".env", own_env_file()
    return next((path for path in (here, own) if path.is_file()), here if location.checkout() else own)


def working_directory() -> Path:
    """Return the working directory; "." if it was deleted meanwhile, as by a new deployment."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


def own_env_file() -> Path:
    """Return the checkout's `.env`; for an installed package the user's, which is the same from any directory."""
    checkout = location.checkout()
    if checkout is not None:
        return checkout / ".env"
    try:
        return Path.home() / USER_FILE
    except RuntimeError:  # an account without a home directory
        return working_directory() / ".env"


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a `.env`; raises ConfigurationError with file, line and variable, never a value."""
    if not path.is_file():
        return {}
    require_trusted(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be read: {type(exc).__name__}") from exc
    except UnicodeDecodeError:
        text = NO_TEXT
    if NO_TEXT in text:
        raise ConfigurationError(f"{path} is not text in UTF-8: save it in that encoding")
    variables: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if problem := problem_of(binding):
            raise ConfigurationError(f"{path}, line {line_of(binding)}{problem}")
        if binding.key is not None:
            variables[binding.key] = binding.value or ""
    return variables


def line_of(binding: Binding) -> int:
    """Return the line of a binding's first text, after blank lines."""
    text: str = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def problem_of(binding: Binding) -> str:
    """Return why a line cannot be used, with the name of its variable; empty if it can."""
    lines = binding.original.string.strip().splitlines()
    if not lines:
        return ""
    assigned, alone = ASSIGNMENT.match(lines[0]), NAME_ALONE.fullmatch(lines[0])
    match = assigned or alone
    name = f", {match[1]}" if match else ""
    if binding.error:
        return f"{name}: cannot be read: write NAME=value, and close a quote at the end of its value"
    if binding.key is not None and binding.value is None:
        return f"{name}: has no “=”: write NAME=value"
    if any(ASSIGNMENT.match(line) for line in lines[1:]):
        return f"{name}: its quote is not closed on this line, so the lines below would be part of the value"
    return ""


def require_trusted(path: Path) -> None:
    """Raise ConfigurationError if others can write the file, which decides where keys and answers are sent.

    Trusted are this process's user, root, and the owner of this package.
    """
    if os.name != "posix":
        return
    trusted = {os.geteuid(), 0, location.PACKAGE.stat().st_uid}
    entries = (path.lstat(), path.stat())
    others = sorted({entry.st_uid for entry in entries} - trusted)
    if others:
        raise ConfigurationError(
            f"{path} belongs to another user (uid {others[0]}) and is not read: `chown` it to yourself, or remove it"
        )
    target = entries[1]
    group_is_ours = target.st_gid in (os.getegid(), 0)
    if target.st_mode & stat.S_IWOTH or (target.st_mode & stat.S_IWGRP and not group_is_ours):
        raise ConfigurationError(f"{path} can be written by other users and is not read: `chmod 600 {path}`")


def unknown_names(names: Iterable[str], known: Iterable[str]) -> Mapping[str, str]:
    """Return the names that begin with LLM_ and are unknown, each with the most similar known one or an empty text.

    So are other programs' names of a provider's key and other spellings of our names, if ours is not set.
    """
    from difflib import get_close_matches

    names, known = set(names), list(known)
    ours = {name: OTHER_KEY_NAMES.get(spelled(name), spelled(name)) for name in sorted(names.difference(known))}
    wrong = {name: like for name, like in ours.items() if like.startswith("LLM_")}
    nearest = {name: next(iter(get_close_matches(like, known, n=1)), "") for name, like in wrong.items()}
    missed = {name: like for name, like in ours.items() if like in known and like not in names}
    return {ascii(name)[1:-1]: meant for name, meant in (nearest | missed).items()}


def spelled(name: str) -> str:
    """Return a name as a variable's: `$env:OPENAI-API-KEY`, which a shell or a copied text left, is OPENAI_API_KEY."""
    return re.sub(r"[^A-Z0-9]+", "_", name.upper().removeprefix("$ENV:")).strip("_")
