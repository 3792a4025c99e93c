"""`keys`: the users' API keys, read from standard input or a prompt and never shown again."""

from __future__ import annotations

import sys
from typing import Final

import click

from llm_monitoring import edits, projects
from llm_monitoring.cli.base.command import PROVIDER, Failed, LateGroup, example, json_option
from llm_monitoring.cli.base.output import Columns, say, show_rows
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Row
from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.keys import NAMED_AT_MOST, ListedKey, last_four, require_cipher
from llm_monitoring.logs import register_secret, visible
from llm_monitoring.process.progress import command_bar
from llm_monitoring.process.wording import PROGRAM

LONGEST_INPUT_BYTES = 64_000


LATE: Final = {"verify": ("keys.verify", "Ask the providers whether the keys work, which costs nothing.")}


@click.group(cls=LateGroup, late=LATE, epilog=example("keys set ana@agency.example openai", "keys list"))
def keys() -> None:
    """Manage the users' API keys, encrypted under LLM_KEYS_ENCRYPTION_KEY."""


@keys.command(
    "set",
    epilog=example("keys set ana@agency.example openai", "keys set 1 anthropic < key.txt"),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("user")
@click.argument("provider", type=PROVIDER)
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="")
@pass_session
def set_key(session: Session, user: str, provider: ProviderName, rest: tuple[str, ...]) -> None:
    """Store USER's key for PROVIDER: openai, anthropic, google or perplexity.

    The key is read from standard input if that is a file or a pipe, else from a prompt that does not show it. It is
    never an argument, which every process of the machine can read.
    """
    if rest:
        raise Invalid(
            "key",
            "a key is never an argument: other processes and the shell's history see it, so make a new key at the "
            f"provider, then run `{PROGRAM} keys set USER {provider}`, which asks for it",
        )
    with session.app() as app:
        owner = projects.find_user(app.db, user)
        require_cipher(app.keys.cipher)
        secret = read_key(f"{provider} API key of {visible(owner['email'])} (not shown)")
        edits.store_key(app, edits.COMMAND, owner["id"], provider, secret)
    say(f"Stored the {provider} key of user {owner['id']} ({owner['email']}){ending(last_four(secret))}.")


def read_key(prompt: str) -> Secret:
    """The key from a pipe or a hidden prompt; it is masked in logs as soon as it is read."""
    if sys.stdin.isatty():
        typed = click.prompt(prompt, hide_input=True, err=True)
    else:
        # decoded here, as the error of a failed decoding would carry the text
        typed = sys.stdin.buffer.read(LONGEST_INPUT_BYTES).decode("utf-8-sig", errors="replace")
    secret = Secret(typed.strip())
    register_secret(secret)
    if not secret.reveal():
        raise Invalid(
            "key", "no key arrived on standard input: pipe it in, or run the command in a terminal to be asked"
        )
    return secret


def ending(characters: str) -> str:
    return f", which ends in {characters}" if characters else ""


@keys.command("list", epilog=example("keys list", "keys list ana@agency.example"))
@click.argument("user", required=False)
@json_option
@pass_session
def list_keys(session: Session, user: str | None, *, as_json: bool) -> None:
    """List keys by their last four characters.

    The operator's and every user's, or USER's alone. “Encrypted” shows whether a key is bound to its user;
    `keys rotate` binds those of older releases.
    """
    with session.app() as app:
        owner = projects.find_user(app.db, user)["id"] if user is not None else None
        listed = [key for key in app.keys.listing() if owner in (None, key.user_id)]
    columns: Columns = {
        "User": "user_id",
        "E-mail": "email",
        "Provider": "provider",
        "Owner": "source",
        "Ends in": "last_four",
        "Encrypted": form,
        "Problem": lambda row: row["problem"] and row["problem"]["message"],
    }
    empty = "There are no keys yet: `keys set USER PROVIDER`, or OPENAI_API_KEY and the like in the environment."
    show_rows(map(key_row, listed), columns, as_json=as_json, empty=empty)


def key_row(key: ListedKey) -> Row:
    problem = key.problem and {"reason": key.problem.reason, "message": str(key.problem)}
    return {
        "user_id": key.user_id,
        "email": key.email,
        "provider": key.provider,
        "source": key.source,
        "last_four": key.last_four or None,
        "bound": key.bound,
        "problem": problem,
    }


def form(row: Row) -> str:
    return {True: "bound", False: "older: `keys rotate`", None: ""}[row["bound"]]


@keys.command(epilog=example("keys remove ana@agency.example openai", "keys remove 1 openai --yes"))
@click.argument("user")
@click.argument("provider", type=PROVIDER)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def remove(session: Session, user: str, provider: ProviderName, *, yes: bool) -> None:
    """Remove USER's key for PROVIDER. It cannot be shown or brought back afterwards."""
    with session.app() as app:
        owner = projects.find_user(app.db, user)
        if not app.keys.has(owner["id"], provider):
            raise NotFound("key", provider, f"user {owner['id']} has no {provider} key")
        if not yes and not click.confirm(f"Remove the {provider} key of user {owner['id']} ({owner['email']})?"):
            say("Nothing was removed.")
            return
        edits.remove_key(app, edits.COMMAND, owner["id"], provider)
        stand_in = app.keys.operator_key(provider, owner["id"]) is not None
    left = "the operator's key stands in" if stand_in else "no call to that provider is made for this user any more"
    say(f"Removed the {provider} key of user {owner['id']} ({owner['email']}): {left}.")


@keys.command(epilog=example("keys rotate"))
@pass_session
def rotate(session: Session) -> None:
    """Encrypt every key again under the newest master key.

    Keys that an older release stored are bound to their users. To change the master key: put the new one first in
    LLM_KEYS_ENCRYPTION_KEY, before a comma and the old one, run this, then drop the old one. It may be stopped and
    run again. Nothing is changed if a key needs another master key; values that none decrypts are left as they are.
    """
    with session.app() as app, command_bar("Users", None) as shown:
        done = edits.rotate_keys(app, edits.COMMAND, shown.update)
    changed = f", set or removed meanwhile: {done.changed}" if done.changed else ""
    say(f"Keys encrypted again: {done.rotated}, up to date already: {done.current}{changed}.")
    if done.unusable:
        named = "; ".join(str(each) for each in done.unusable[:NAMED_AT_MOST])
        raise Failed(f"{len(done.unusable)} stored values were left as they are, every other key is encrypted: {named}")
