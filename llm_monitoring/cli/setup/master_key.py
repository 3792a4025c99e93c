"""The master key of a new installation: generated on request, then written to `.env` or shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from cryptography.fernet import Fernet
from dotenv import set_key

from llm_monitoring.cli.base.output import say
from llm_monitoring.cli.base.questions import choose, heading
from llm_monitoring.domain import Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.logs import register_secret
from llm_monitoring.settings import Settings, load_settings
from llm_monitoring.settings.env_file import find_env_file

NAME: Final = "LLM_KEYS_ENCRYPTION_KEY"


def offer_master_key(settings: Settings) -> Settings:
    """The settings, with a new master key if there was none and one is wanted."""
    if settings.keys_encryption_key is not None:
        return settings
    heading("Master key", f"Users' API keys are stored encrypted under {NAME}, which is not set.")
    say("Without it they cannot be read again, so keep a copy outside this machine, where you keep passwords.")
    place = find_env_file()
    options = [
        f"make one and write it to {place}",
        "make one and show it here, to put it where you like",
        "none for now",
    ]
    chosen = choose("What shall it be?", options)
    if chosen == 2:
        say("Then only the operator's keys in the environment, such as OPENAI_API_KEY, can be used.")
        return settings
    key = Secret(Fernet.generate_key().decode())
    if chosen == 0:
        write(place, key)
        register_secret(key)
        return reread(settings, place)
    return shown(settings, key)


def write(place: Path, key: Secret) -> None:
    """Write the key to `.env`, which only its owner can read from then on."""
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.touch(mode=0o600)
        place.chmod(0o600)
        set_key(place, NAME, key.reveal(), quote_mode="never")
    except OSError as exc:
        raise ConfigurationError(f"{place} cannot be written: {exc.strerror}") from exc
    say(f"Written to {place}, which only its owner can read. On Railway, set the same variable in every service.")


def reread(settings: Settings, place: Path) -> Settings:
    found = load_settings().keys_encryption_key
    if found is None:
        raise ConfigurationError(f"{NAME} is set to nothing in the environment, which hides {place}: unset it there")
    return replace(settings, keys_encryption_key=found)


def shown(settings: Settings, key: Secret) -> Settings:
    """Show the key once, and use it for this session."""
    click.echo(f"\n{NAME}={key.reveal()}\n")
    say("Set it in the environment of every job before the next command; this session goes on with it.")
    click.confirm("Have you put it away?", default=True, abort=True)
    register_secret(key)
    return replace(settings, keys_encryption_key=key)
