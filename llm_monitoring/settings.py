"""The product's settings: the one place that reads the environment and `.env`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import UTC, tzinfo
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from llm_monitoring.addresses import base_url, heartbeat_url, notify_urls
from llm_monitoring.database_address import database_url
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.env_file import find_env_file, read_env_file, unknown_names
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.key_text import typed_key

Parse = Callable[[str], Any]

SWITCHED_ON: Final = ("true", "1", "yes", "on")
SWITCHED_OFF: Final = ("false", "0", "no", "off")
QUOTES: Final = ('"', "'")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


def integer(least: int, most: int) -> Parse:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return parse


def duration(most: float, unit: str) -> Parse:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= most:
            raise ValueError(f"a number of {unit} above 0, at most {most:g}")
        return number

    return parse


def switch(text: str) -> bool:
    if text.lower() not in (*SWITCHED_ON, *SWITCHED_OFF):
        raise ValueError("true or false")
    return text.lower() in SWITCHED_ON


def choice(*options: str) -> Parse:
    def parse(text: str) -> str:
        for option in options:
            if option.lower() == text.lower():
                return option
        raise ValueError(f"one of {', '.join(options)}")

    return parse


def budget(text: str) -> Decimal:
    """Return an amount in USD that a budget column can hold: zero or more, whole cents."""
    if re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,2})?", text):
        return Decimal(text)
    raise ValueError("an amount in USD from 0 to below 100000000, in whole cents")


def user_numbers(text: str) -> frozenset[int] | None:
    """Return the users that `all`, `none` or numbers separated by commas name; None stands for all."""
    words = [word.strip() for word in text.split(",")]
    if text.lower() in ("all", "none"):
        return None if text.lower() == "all" else frozenset()
    if all(re.fullmatch(r"[0-9]{1,10}", word) and 0 < int(word) < 2**31 for word in words):
        return frozenset(int(word) for word in words)
    raise ValueError("all, none, or user numbers separated by commas")


def time_zone(text: str) -> tzinfo:
    if text.upper() == "UTC":  # a slim container may hold no time zone data
        return UTC
    try:
        return ZoneInfo(text)
    except (LookupError, ValueError, OSError) as exc:
        raise ValueError("a time zone that is installed here, such as Europe/Madrid") from exc


def directory(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as exc:
        raise ValueError("a directory") from exc


def variable(env: str, explanation: str, parse: Parse, default: str = "", *, secret: bool = False) -> dict[str, Any]:
    """Describe the variable that sets a field; with `{}` in `env`, one variable a provider sets a mapping."""
    return {"env": env, "help": explanation, "parse": parse, "default": default, "secret": secret}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, checked. Mappings hold a provider only where it has a value."""

    database_url: str | None = field(
        repr=False,
        metadata=variable(
            "DATABASE_URL",
            "PostgreSQL. Without it, outside Railway, an embedded server on this machine.",
            database_url,
            secret=True,
        ),
    )
    keys_encryption_key: Secret | None = field(
        metadata=variable(
            "LLM_KEYS_ENCRYPTION_KEY",
            "Master key of the users' stored API keys: Fernet keys, newest first, separated by commas.",
            Secret,
            secret=True,
        )
    )
    api_keys: Mapping[ProviderName, Secret] = field(
        metadata=variable("{}_API_KEY", "The operator's key for {}, for users who have none.", typed_key, secret=True)
    )
    base_urls: Mapping[ProviderName, str] = field(
        metadata=variable("{}_BASE_URL", "Gateway in place of {}: https, or http on this machine.", base_url)
    )
    max_workers: int = field(
        metadata=variable("LLM_MAX_WORKERS", "Calls at the same time, all providers.", integer(1, 256), "10")
    )
    concurrency: Mapping[ProviderName, int] = field(
        metadata=variable(
            "LLM_{}_CONCURRENCY", "Calls to {} at the same time; empty: LLM_MAX_WORKERS.", integer(1, 256)
        )
    )
    timeout_seconds: Mapping[ProviderName, float] = field(
        metadata=variable(
            "LLM_{}_TIMEOUT_SECONDS", "Longest wait for an answer of {}.", duration(3600, "seconds"), "120"
        )
    )
    run_deadline_minutes: float = field(
        metadata=variable(
            "LLM_RUN_DEADLINE_MINUTES", "A run starts no call after this.", duration(1440, "minutes"), "180"
        )
    )
    distribute: bool = field(
        metadata=variable(
            "LLM_DISTRIBUTE",
            "Leave the daily run's asking to `python -m llm_monitoring worker` processes.",
            switch,
            "false",
        )
    )
    chunk_tasks: int = field(
        metadata=variable(
            "LLM_CHUNK_TASKS",
            "Tasks that a worker takes at a time: some 50 times its LLM_MAX_WORKERS.",
            integer(1, 1_000_000),
            "500",
        )
    )
    max_output_tokens: int = field(
        metadata=variable("LLM_MAX_OUTPUT_TOKENS", "Longest answer, reasoning included.", integer(16, 128_000), "2000")
    )
    max_searches: int = field(
        metadata=variable(
            "LLM_MAX_SEARCHES", "Most web searches a call, where a project searches.", integer(1, 20), "3"
        )
    )
    max_attempts: int = field(
        metadata=variable("LLM_MAX_ATTEMPTS", "Most calls for one task in a run.", integer(1, 10), "3")
    )
    sentiment: bool = field(
        metadata=variable("LLM_SENTIMENT", "Judge the tone of mentions with a further, budgeted call.", switch, "true")
    )
    timezone: tzinfo = field(
        metadata=variable("LLM_TIMEZONE", "Time zone of the day that a run belongs to.", time_zone, "UTC")
    )
    data_dir: Path | None = field(
        metadata=variable(
            "LLM_DATA_DIR",
            "Where the embedded database lives; empty: ~/.local/share/llm_monitoring, the demo's in .data.",
            directory,
        )
    )
    log_level: str = field(
        metadata=variable("LLM_LOG_LEVEL", "One of DEBUG, INFO, WARNING, ERROR.", choice(*LOG_LEVELS), "INFO")
    )
    log_format: str = field(
        metadata=variable(
            "LLM_LOG_FORMAT",
            "One of auto, json, plain; auto is JSON on Railway, else plain.",
            choice("auto", "json", "plain"),
            "auto",
        )
    )
    default_monthly_budget_usd: Decimal = field(
        metadata=variable(
            "LLM_DEFAULT_MONTHLY_BUDGET_USD", "Monthly budget of a user who has none yet; 0: nothing.", budget, "100.00"
        )
    )
    operator_monthly_budget_usd: Decimal | None = field(
        metadata=variable(
            "LLM_OPERATOR_MONTHLY_BUDGET_USD",
            "Most that all users may spend in a month with the operator's keys; empty: no limit but each user's.",
            budget,
        )
    )
    operator_keys_for: frozenset[int] | None = field(
        metadata=variable(
            "LLM_OPERATOR_KEYS_FOR",
            "Who may use the operator's keys: all, none, or user numbers separated by commas.",
            user_numbers,
            "all",
        )
    )
    operator_user_id: int | None = field(
        metadata=variable("LLM_OPERATOR_USER_ID", "User who pays for an admin's test calls.", integer(1, 2**31 - 1))
    )
    auto_switch_models: bool = field(
        metadata=variable(
            "LLM_AUTO_SWITCH_MODELS",
            "Replace a model that goes by its approved, priced successor.",
            switch,
            "false",
        )
    )
    receipt_retention_days: int = field(
        metadata=variable(
            "LLM_RECEIPT_RETENTION_DAYS",
            "Days that raw replies and answers' texts are kept; figures and ledger stay.",
            integer(1, 3650),
            "90",
        )
    )
    notify_urls: tuple[Secret, ...] | None = field(
        metadata=variable("LLM_NOTIFY_URLS", "Apprise URLs that get each run's digest.", notify_urls, secret=True)
    )
    notify_timeout_seconds: float = field(
        metadata=variable("LLM_NOTIFY_TIMEOUT_SECONDS", "Longest wait for all of them.", duration(300, "seconds"), "10")
    )
    notify_attach_reports: bool = field(
        metadata=variable("LLM_NOTIFY_ATTACH_REPORTS", "Send the reports of LLM_REPORT_DIR with it.", switch, "false")
    )
    heartbeat_url: Secret | None = field(
        metadata=variable("LLM_HEARTBEAT_URL", "Called at the end of a good run.", heartbeat_url, secret=True)
    )
    report_dir: Path | None = field(
        metadata=variable(
            "LLM_REPORT_DIR", "Where the daily run writes each project's report; empty: it writes none.", directory
        )
    )
    on_railway: bool = False

    @property
    def may_embed_database(self) -> bool:
        """Whether an embedded database may stand in for DATABASE_URL."""
        return self.database_url is None and not self.on_railway

    def require_database_url(self) -> str:
        if self.database_url is not None:
            return self.database_url
        if self.on_railway:
            raise ConfigurationError(
                "DATABASE_URL is not set on Railway: an embedded database there is lost with the container; "
                "add a reference to the PostgreSQL service's DATABASE_URL"
            )
        raise ConfigurationError("DATABASE_URL is not set: give postgresql://user:password@host:port/database")


def plain_environment() -> dict[str, str]:
    """What a process needs that only sends messages: no key, no password, no setting of ours."""
    needed = {"PATH", "HOME", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    return {name: text for name, text in os.environ.items() if name.upper() in needed}


def load_settings(
    environ: Mapping[str, str] | None = None, *, dotenv: bool = True, max_workers: int | None = None
) -> Settings:
    """Return the settings of `environ` (the process's own by default) over those of `.env`.

    `max_workers` stands for LLM_MAX_WORKERS where it is given.
    A blank variable counts as absent, and one that the environment holds, even blank, hides `.env`'s.
    Raises ConfigurationError in one line that names the variable and never shows a secret.
    """
    real = os.environ if environ is None else environ
    given = {} if max_workers is None else {"LLM_MAX_WORKERS": str(max_workers)}
    texts = {**(read_env_file(find_env_file()) if dotenv else {}), **real, **given}
    values = {each.name: field_value(each, texts) for each in documented_fields()}
    workers = dict.fromkeys(PROVIDERS, values["max_workers"])
    values["concurrency"] = MappingProxyType(workers | values["concurrency"])
    return Settings(**values, on_railway=any(name.startswith("RAILWAY_") for name in real))


def libpq_variable(name: str) -> str:
    """Return one of the variables that PostgreSQL's library reads by itself, such as PGSSLMODE; empty if not set."""
    return os.environ.get(name, "")


def fallback_settings() -> Settings:
    """Return the defaults, with Railway's marks: what reports an environment that cannot be read."""
    marks = {name: text for name, text in os.environ.items() if name.startswith("RAILWAY_")}
    return load_settings(marks, dotenv=False)


def unknown_variables(environ: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return the LLM_ names of environment and `.env` that set nothing, each with the name that may be meant."""
    real = os.environ if environ is None else environ
    known = [each.metadata["env"].format(provider.upper()) for each in documented_fields() for provider in PROVIDERS]
    return unknown_names({**read_env_file(find_env_file()), **real}, known)


def documented_fields() -> list[Field[Any]]:
    return [each for each in fields(Settings) if each.metadata]


def field_value(each: Field[Any], texts: Mapping[str, str]) -> Any:
    env: str = each.metadata["env"]
    if "{}" not in env:
        return parsed(env, each, texts)
    values = {provider: parsed(env.format(provider.upper()), each, texts) for provider in PROVIDERS}
    return MappingProxyType({provider: value for provider, value in values.items() if value is not None})


def parsed(name: str, each: Field[Any], texts: Mapping[str, str]) -> Any:
    """Return the variable's value, None where neither it nor its default says anything."""
    text = texts.get(name, "").strip() or each.metadata["default"]
    if not text:
        return None
    if len(text) > 1 and text[0] in QUOTES and text[-1] == text[0]:
        raise ConfigurationError(f"{name} is in quotes, which are not part of the value: leave them out")
    try:
        return each.metadata["parse"](text)
    except ValueError as exc:
        got = "has a value that cannot be used" if hidden(each, text) else f"is {text[:60]!r}"
        raise ConfigurationError(f"{name} {got}: it must be {exc}") from None


def hidden(each: Field[Any], text: str) -> bool:
    """Whether an error must not show `text`: an address may carry a password or a token."""
    return bool(each.metadata["secret"]) or "@" in text or "?" in text


def documentation(each: Field[Any], provider: str, title: str) -> tuple[str, str, str]:
    """Return (variable, help, default) of a field, where it has one for each provider: of this one."""
    env, explanation, default = (str(each.metadata[part]) for part in ("env", "help", "default"))
    return env.format(provider.upper()), explanation.format(title), default


def environment_table() -> str:
    """Return the README's table of variables in Markdown, one row a setting."""
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


if __name__ == "__main__":
    import sys

    from llm_monitoring.streams import run_program

    run_program(lambda: print(environment_table() if "--markdown" in sys.argv else environment_example(), end=""))
