"""The settings; only this module reads the environment and `.env`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import tzinfo
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from llm_monitoring.domain import LONGEST_CALL, PROVIDERS, Mode, ProviderName, Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings.database_address import database_url
from llm_monitoring.settings.env_file import find_env_file, read_env_file, unknown_names
from llm_monitoring.settings.key_text import issuer_of, typed_key
from llm_monitoring.settings.parsers import (
    Parse,
    bind_address,
    budget,
    choice,
    directory,
    duration,
    economy,
    host_names,
    integer,
    parsed,
    shared_secret,
    switch,
    time_zone,
    user_numbers,
)
from llm_monitoring.settings.urls import base_url, end_that_calls_add, heartbeat_url, notify_urls

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
SENDERS_VARIABLES: Final = frozenset(
    """
    PATH HOME LANG HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE
    CURL_CA_BUNDLE
    """.split()
)


def variable(env: str, explanation: str, parse: Parse, default: str = "", *, secret: bool = False) -> dict[str, Any]:
    """Describe the variable of a field; with `{}` in `env` the field is a mapping with a variable for each provider."""
    return {"env": env, "help": explanation, "parse": parse, "default": default, "secret": secret}


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked settings. A mapping holds only the providers that have a value."""

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
    economy: Mapping[ProviderName, Mode] = field(
        metadata=variable(
            "LLM_ECONOMY",
            "Cheaper modes of projects without the pace prompt: none, or some of openai:flex, openai:batch, "
            "anthropic:batch, google:flex.",
            economy,
            "none",
        )
    )
    flex_timeout_seconds: float = field(
        metadata=variable(
            "LLM_FLEX_TIMEOUT_SECONDS", "Longest call in flex mode, in all.", duration(3600, "seconds"), "900"
        )
    )
    economy_wait_minutes: float = field(
        metadata=variable(
            "LLM_ECONOMY_WAIT_MINUTES",
            "How long a run waits for its batches, half of LLM_RUN_DEADLINE_MINUTES at most.",
            duration(1440, "minutes"),
            "90",
        )
    )
    batch_requests: int = field(
        metadata=variable("LLM_BATCH_REQUESTS", "Most calls in one batch.", integer(1, 50_000), "1000")
    )
    run_deadline_minutes: float = field(
        metadata=variable(
            "LLM_RUN_DEADLINE_MINUTES", "A run starts no call after this.", duration(1440, "minutes"), "180"
        )
    )
    distribute: bool = field(
        metadata=variable(
            "LLM_DISTRIBUTE",
            "Let `python -m llm_monitoring worker` processes make the calls of the daily run.",
            switch,
            "false",
        )
    )
    chunk_tasks: int = field(
        metadata=variable(
            "LLM_CHUNK_TASKS",
            "Tasks that a worker takes at a time: about 50 times its LLM_MAX_WORKERS.",
            integer(1, 1_000_000),
            "500",
        )
    )
    max_output_tokens: int = field(
        metadata=variable("LLM_MAX_OUTPUT_TOKENS", "Longest answer, reasoning included.", integer(16, 128_000), "2000")
    )
    max_searches: int = field(
        metadata=variable("LLM_MAX_SEARCHES", "Most web searches a call, if a project searches.", integer(1, 20), "3")
    )
    max_attempts: int = field(
        metadata=variable("LLM_MAX_ATTEMPTS", "Most calls for one task in a run.", integer(1, 10), "3")
    )
    sentiment: bool = field(
        metadata=variable(
            "LLM_SENTIMENT", "Score the sentiment of mentions with a further, budgeted call.", switch, "true"
        )
    )
    timezone: tzinfo = field(
        metadata=variable("LLM_TIMEZONE", "Time zone of the day that a run belongs to.", time_zone, "UTC")
    )
    data_dir: Path | None = field(
        metadata=variable(
            "LLM_DATA_DIR",
            "Directory of the embedded database; empty: ~/.local/share/llm_monitoring, for the demo .data.",
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
            "Most that all users may spend in a month with the operator's keys; empty: only each user's limit.",
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
            "Replace a retiring model by its approved, priced successor.",
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
        metadata=variable("LLM_NOTIFY_URLS", "Apprise URLs that receive each run's digest.", notify_urls, secret=True)
    )
    notify_timeout_seconds: float = field(
        metadata=variable(
            "LLM_NOTIFY_TIMEOUT_SECONDS", "Longest wait for all of LLM_NOTIFY_URLS.", duration(300, "seconds"), "10"
        )
    )
    notify_attach_reports: bool = field(
        metadata=variable(
            "LLM_NOTIFY_ATTACH_REPORTS", "Attach the reports of LLM_REPORT_DIR to the digest.", switch, "false"
        )
    )
    heartbeat_url: Secret | None = field(
        metadata=variable(
            "LLM_HEARTBEAT_URL", "URL that is called at the end of a good run.", heartbeat_url, secret=True
        )
    )
    report_dir: Path | None = field(
        metadata=variable(
            "LLM_REPORT_DIR", "Directory for each project's report of the daily run; empty: no reports.", directory
        )
    )
    web_hosts: tuple[str, ...] | None = field(
        metadata=variable(
            "LLM_WEB_HOST",
            "Names that the web service answers to, separated by commas; links carry the first. Empty: any.",
            host_names,
        )
    )
    web_bind: str = field(
        metadata=variable("LLM_WEB_BIND", "Address that the web service listens on.", bind_address, "127.0.0.1")
    )
    oidc_issuer: str | None = field(
        metadata=variable(
            "LLM_OIDC_ISSUER", "OpenID provider at which users may sign in by their verified address.", base_url
        )
    )
    oidc_client_id: str | None = field(metadata=variable("LLM_OIDC_CLIENT_ID", "Our name at that provider.", str))
    oidc_client_secret: Secret | None = field(
        metadata=variable("LLM_OIDC_CLIENT_SECRET", "Our secret at that provider.", Secret, secret=True)
    )
    hand_off_secret: Secret | None = field(
        metadata=variable(
            "LLM_HAND_OFF_SECRET",
            "Secret of at least 32 characters with which the host application signs its users in; empty: it does not.",
            shared_secret,
            secret=True,
        )
    )
    port: int = field(metadata=variable("PORT", "Port that the web service listens on.", integer(0, 65535), "8000"))
    on_railway: bool = False

    @property
    def longest_call_seconds(self) -> float:
        """How long one call can take."""
        standard = LONGEST_CALL * max(self.timeout_seconds.values(), default=0.0)
        return max(standard, self.flex_timeout_seconds) if "flex" in self.economy.values() else standard

    @property
    def may_embed_database(self) -> bool:
        """Whether an embedded database may replace DATABASE_URL."""
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
    """Return the environment of a process that only sends messages: no key, no password, no setting of ours.

    The libraries there have a variable each for the trusted certificates: those of SSL_CERT_FILE hold for all.
    """
    kept = {name: text for name, text in os.environ.items() if name.upper() in SENDERS_VARIABLES}
    file = kept.get("SSL_CERT_FILE")
    return {"REQUESTS_CA_BUNDLE": file, **kept} if file else kept


def load_settings(
    environ: Mapping[str, str] | None = None, *, dotenv: bool = True, max_workers: int | None = None
) -> Settings:
    """Return the settings of `environ` (the process's own by default) over those of `.env`.

    `max_workers` replaces LLM_MAX_WORKERS if it is given. A blank variable counts as absent, and a variable of the
    environment, even a blank one, hides that of `.env`. Raises ConfigurationError with one line that names the
    variable and never contains a secret.
    """
    real = os.environ if environ is None else environ
    given = {} if max_workers is None else {"LLM_MAX_WORKERS": str(max_workers)}
    texts = {**(read_env_file(find_env_file()) if dotenv else {}), **real, **given}
    values = {each.name: field_value(each, texts) for each in documented_fields()}
    require_own_keys(values["api_keys"], values["base_urls"])
    require_roots(values["base_urls"])
    workers = dict.fromkeys(PROVIDERS, values["max_workers"])
    values["concurrency"] = MappingProxyType(workers | values["concurrency"])
    return Settings(**values, on_railway=any(name.startswith("RAILWAY_") for name in real))


def require_own_keys(api_keys: Mapping[ProviderName, Secret], base_urls: Mapping[ProviderName, str]) -> None:
    """Raise ConfigurationError for a key that another provider would be shown; a gateway may ask for any key."""
    for provider, secret in api_keys.items():
        issuer = issuer_of(secret)
        if issuer not in (None, provider) and provider not in base_urls:
            raise ConfigurationError(
                f"{provider.upper()}_API_KEY holds a key of {issuer}, which {provider} must not see: "
                f"put it into {str(issuer).upper()}_API_KEY"
            )


def require_roots(base_urls: Mapping[ProviderName, str]) -> None:
    """Raise ConfigurationError for an address with a part that every call adds: all of them would get a 404."""
    for provider, url in base_urls.items():
        if end := end_that_calls_add(provider, url):
            raise ConfigurationError(f"{provider.upper()}_BASE_URL ends in {end}, which every call adds: leave it out")


def libpq_variable(name: str) -> str:
    """Return a variable that PostgreSQL's library reads itself, such as PGSSLMODE; empty if it is not set."""
    return os.environ.get(name, "")


def fallback_settings() -> Settings:
    """Return the defaults with Railway's variables, for reporting settings that cannot be read."""
    marks = {name: text for name, text in os.environ.items() if name.startswith("RAILWAY_")}
    return load_settings(marks, dotenv=False)


def unknown_variables(environ: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return the unknown LLM_ names in environment and `.env`, each with the name that may be meant."""
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
