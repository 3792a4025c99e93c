"""Settings: defaults, checks, secrets that stay hidden, and the documents made from them."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dotenv import dotenv_values

from llm_monitoring.domain import PROVIDERS, Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.settings.documentation import environment_example, environment_table
from llm_monitoring.settings.fields import Settings, load_settings
from llm_monitoring.settings.key_text import api_key

AMOUNT = "an amount in USD from 0 to below 100000000, in whole cents, such as 50 or 1200.50"
ROOT = Path(__file__).resolve().parents[2]


def loaded(**environ: str) -> Settings:
    return load_settings(environ, dotenv=False)


def refusal(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(**environ)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_a_number_of_workers_given_by_the_caller() -> None:
    """It replaces the variable, and so applies to each provider without a number of its own."""
    found = load_settings({"LLM_MAX_WORKERS": "5", "LLM_GOOGLE_CONCURRENCY": "4"}, dotenv=False, max_workers=40)
    assert {"openai": 40, "anthropic": 40, "google": 4, "perplexity": 40} == found.concurrency
    assert 40 == found.max_workers


def test_defaults() -> None:
    """An empty environment gives the documented defaults."""
    expected = Settings(
        database_url=None,
        keys_encryption_key=None,
        api_keys={},
        base_urls={},
        max_workers=10,
        concurrency=dict.fromkeys(PROVIDERS, 10),
        timeout_seconds=dict.fromkeys(PROVIDERS, 120.0),
        economy={},
        economy_wait_minutes=90.0,
        batch_requests=1000,
        flex_timeout_seconds=900.0,
        run_deadline_minutes=180.0,
        distribute=False,
        chunk_tasks=500,
        max_output_tokens=2000,
        max_searches=3,
        max_attempts=3,
        sentiment=True,
        web_hosts=None,
        web_bind="127.0.0.1",
        oidc_issuer=None,
        oidc_client_id=None,
        oidc_client_secret=None,
        hand_off_secret=None,
        port=8000,
        timezone=UTC,
        data_dir=None,
        log_level="INFO",
        log_format="auto",
        default_monthly_budget_usd=Decimal("100.00"),
        operator_monthly_budget_usd=None,
        operator_keys_for=None,
        operator_user_id=None,
        auto_switch_models=False,
        receipt_retention_days=90,
        notify_urls=None,
        notify_timeout_seconds=10.0,
        notify_attach_reports=False,
        heartbeat_url=None,
        report_dir=None,
        on_railway=False,
    )
    assert expected == loaded()


def test_every_variable_is_read() -> None:
    """Each variable reaches its field in its type."""
    settings = loaded(
        DATABASE_URL="postgresql://u:p@h/d",
        LLM_KEYS_ENCRYPTION_KEY="ring",
        GOOGLE_API_KEY="  AQ.abc\n",
        OPENAI_BASE_URL="https://gateway.example.com/v1/",
        LLM_MAX_WORKERS="32",
        LLM_GOOGLE_CONCURRENCY="4",
        LLM_ANTHROPIC_TIMEOUT_SECONDS="7.5",
        LLM_RUN_DEADLINE_MINUTES="0.5",
        LLM_DISTRIBUTE="on",
        LLM_CHUNK_TASKS="40",
        LLM_MAX_OUTPUT_TOKENS="500",
        LLM_MAX_SEARCHES="1",
        LLM_MAX_ATTEMPTS="2",
        LLM_SENTIMENT="off",
        LLM_TIMEZONE="Europe/Madrid",
        LLM_DATA_DIR="~/data",
        LLM_LOG_LEVEL="debug",
        LLM_LOG_FORMAT="JSON",
        LLM_DEFAULT_MONTHLY_BUDGET_USD="12.5",
        LLM_OPERATOR_MONTHLY_BUDGET_USD="0",
        LLM_OPERATOR_KEYS_FOR="3, 1",
        LLM_OPERATOR_USER_ID="7",
        LLM_AUTO_SWITCH_MODELS="yes",
        LLM_RECEIPT_RETENTION_DAYS="30",
        LLM_NOTIFY_URLS="slack://A/B/C, mailto://u:p@h?to=a@x.es,b@x.es",
        LLM_NOTIFY_TIMEOUT_SECONDS="3",
        LLM_NOTIFY_ATTACH_REPORTS="yes",
        LLM_HEARTBEAT_URL="https://hc.example/ping/1",
        LLM_REPORT_DIR="~/reports",
        LLM_ECONOMY="OpenAI:flex, google:flex, anthropic:batch",
        LLM_ECONOMY_WAIT_MINUTES="30",
        LLM_BATCH_REQUESTS="50",
        LLM_FLEX_TIMEOUT_SECONDS="600",
        LLM_WEB_HOST="ai.example.com, www.example.com",
        LLM_WEB_BIND="0.0.0.0",
        LLM_OIDC_ISSUER="https://id.example.com/",
        LLM_OIDC_CLIENT_ID="monitor",
        LLM_OIDC_CLIENT_SECRET="hush",
        LLM_HAND_OFF_SECRET="0123456789abcdef0123456789abcdef",
        PORT="8080",
        RAILWAY_ENVIRONMENT_NAME="production",
    )
    expected = Settings(
        database_url="postgresql://u:p@h/d",
        keys_encryption_key=Secret("ring"),
        api_keys={"google": Secret("AQ.abc")},
        base_urls={"openai": "https://gateway.example.com/v1"},
        max_workers=32,
        concurrency={"openai": 32, "anthropic": 32, "google": 4, "perplexity": 32},
        timeout_seconds={"openai": 120.0, "anthropic": 7.5, "google": 120.0, "perplexity": 120.0},
        economy={"openai": "flex", "google": "flex", "anthropic": "batch"},
        economy_wait_minutes=30.0,
        batch_requests=50,
        flex_timeout_seconds=600.0,
        run_deadline_minutes=0.5,
        distribute=True,
        web_hosts=("ai.example.com", "www.example.com"),
        web_bind="0.0.0.0",
        oidc_issuer="https://id.example.com",
        oidc_client_id="monitor",
        oidc_client_secret=Secret("hush"),
        hand_off_secret=Secret("0123456789abcdef0123456789abcdef"),
        port=8080,
        chunk_tasks=40,
        max_output_tokens=500,
        max_searches=1,
        max_attempts=2,
        sentiment=False,
        timezone=ZoneInfo("Europe/Madrid"),
        data_dir=Path("~/data").expanduser(),
        log_level="DEBUG",
        log_format="json",
        default_monthly_budget_usd=Decimal("12.5"),
        operator_monthly_budget_usd=Decimal(0),
        operator_keys_for=frozenset({1, 3}),
        operator_user_id=7,
        auto_switch_models=True,
        receipt_retention_days=30,
        notify_urls=(Secret("slack://A/B/C"), Secret("mailto://u:p@h?to=a@x.es,b@x.es")),
        notify_timeout_seconds=3.0,
        notify_attach_reports=True,
        heartbeat_url=Secret("https://hc.example/ping/1"),
        report_dir=Path("~/reports").expanduser(),
        on_railway=True,
    )
    assert expected == settings


def test_mappings_are_frozen() -> None:
    """A mapping of the settings cannot be changed."""
    with pytest.raises(TypeError):
        loaded().concurrency["openai"] = 99  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "value", "wants"),
    [
        ("LLM_MAX_WORKERS", "0", "a whole number from 1 to 256"),
        ("LLM_MAX_WORKERS", "257", "a whole number from 1 to 256"),
        ("LLM_MAX_WORKERS", "ten", "a whole number from 1 to 256"),
        ("LLM_MAX_WORKERS", "٣", "a whole number from 1 to 256"),
        ("LLM_PERPLEXITY_CONCURRENCY", "-1", "a whole number from 1 to 256"),
        ("LLM_OPENAI_TIMEOUT_SECONDS", "0", "a number of seconds above 0, at most 3600"),
        ("LLM_OPENAI_TIMEOUT_SECONDS", "nan", "a number of seconds above 0, at most 3600"),
        ("LLM_OPENAI_TIMEOUT_SECONDS", "inf", "a number of seconds above 0, at most 3600"),
        ("LLM_RUN_DEADLINE_MINUTES", "1441", "a number of minutes above 0, at most 1440"),
        ("LLM_SENTIMENT", "maybe", "true or false"),
        ("LLM_TIMEZONE", "Madrid", "a time zone that is installed here, such as Europe/Madrid"),
        ("LLM_TIMEZONE", "../../etc/passwd", "a time zone that is installed here, such as Europe/Madrid"),
        ("LLM_TIMEZONE", "Europe", "a time zone that is installed here, such as Europe/Madrid"),
        ("LLM_LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
        ("LLM_LOG_FORMAT", "xml", "one of auto, json, plain"),
        (
            "LLM_OPERATOR_MONTHLY_BUDGET_USD",
            "-1",
            AMOUNT,
        ),
        (
            "LLM_OPERATOR_MONTHLY_BUDGET_USD",
            "Infinity",
            AMOUNT,
        ),
        ("LLM_OPERATOR_KEYS_FOR", "ana", "all, none, or user numbers separated by commas"),
        ("LLM_OPERATOR_KEYS_FOR", "1,,2", "all, none, or user numbers separated by commas"),
        ("LLM_OPERATOR_KEYS_FOR", "0", "all, none, or user numbers separated by commas"),
        (
            "LLM_DEFAULT_MONTHLY_BUDGET_USD",
            "0.001",
            AMOUNT,
        ),
        (
            "LLM_DEFAULT_MONTHLY_BUDGET_USD",
            "NaN",
            AMOUNT,
        ),
        ("LLM_OPERATOR_USER_ID", "ana", "a whole number from 1 to 2147483647"),
        ("OPENAI_BASE_URL", "ftp://example.com", "an https:// address"),
        ("OPENAI_BASE_URL", "https://", "an https:// address"),
        ("OPENAI_BASE_URL", "https://h:99999", "an https:// address"),
        ("OPENAI_BASE_URL", "https://[::1", "an https:// address"),
        (
            "GOOGLE_BASE_URL",
            "http://example.com",
            "https://, because API keys travel there (http:// only to this machine)",
        ),
        (
            "GOOGLE_BASE_URL",
            "http://127.0.0.1.example.com",
            "https://, because API keys travel there (http:// only to this machine)",
        ),
        (
            "GOOGLE_BASE_URL",
            "https://exam\nple.com",
            "an https:// address without user, password, query, fragment or spaces",
        ),
    ],
)
def test_bad_values(name: str, value: str, wants: str) -> None:
    """A bad value is one line that names the variable, what it got and what it must be."""
    assert f"{name} is {value!r}: it must be {wants}" == refusal(**{name: value})


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:1", "127.8.8.8", "[::1]:9"])
def test_plain_http_on_this_machine(host: str) -> None:
    """A loopback gateway may speak http."""
    assert {"anthropic": f"http://{host}"} == loaded(ANTHROPIC_BASE_URL=f"http://{host}/").base_urls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "sk-canary\nX-Header: 1"),
        ("OPENAI_API_KEY", "sk-canary two"),
        ("OPENAI_API_KEY", "sk-canary\u00e9"),
        ("PERPLEXITY_API_KEY", "sk-canary\x00"),
        ("DATABASE_URL", "mysql://u:sk-canary@h/d"),
        ("DATABASE_URL", "postgresql://u:sk-canary@[h/d"),
        ("DATABASE_URL", "postgresql+psycopg2://u:sk-canary@h/d"),
        ("OPENAI_BASE_URL", "https://user:sk-canary@h"),
        ("OPENAI_BASE_URL", "https://h/?key=sk-canary"),
    ],
)
def test_errors_hide_secrets(name: str, value: str) -> None:
    """An error about a secret names its variable and shows nothing of it."""
    message = refusal(**{name: value})
    assert message.startswith(f"{name} has a value that cannot be used: it must be ")
    assert "canary" not in message


def test_repr_hides_secrets() -> None:
    """Neither keys nor the database's password are in the settings' repr."""
    settings = loaded(
        DATABASE_URL="postgresql://u:canary-1@h/d",
        LLM_KEYS_ENCRYPTION_KEY="canary-2",
        OPENAI_API_KEY="canary-3",
    )
    assert "canary" not in repr(settings)


def test_blank_is_absent() -> None:
    """A blank variable is no value: not a key, not a number, not an address."""
    blank = dict.fromkeys(re.findall(r"^(\w+)=", environment_example(), re.MULTILINE), " \t")
    assert loaded() == loaded(**blank)


def test_key_is_stripped() -> None:
    """White space around a pasted key does not count."""
    assert Secret("sk-1") == api_key(" sk-1\r\n")


def test_dotenv_yields_to_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is read, a real variable wins, and a real blank one hides `.env`'s value."""
    lines = ["\ufeffLLM_MAX_WORKERS=3", "LLM_MAX_ATTEMPTS='4'", "export OPENAI_API_KEY=sk-$HOME"]
    (tmp_path / ".env").write_text("\n".join([*lines, "GOOGLE_API_KEY=AIza1", "LLM_LOG_LEVEL="]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("GOOGLE_API_KEY", "")
    settings = load_settings()
    assert 3 == settings.max_workers
    assert 5 == settings.max_attempts
    assert {"openai": Secret("sk-$HOME")} == settings.api_keys
    assert load_settings(dotenv=False).max_workers == 10


def test_unreadable_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` that is no text is one clear line without its content."""
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=\xff\xfecanary")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"^\S+/\.env is not text in UTF-8: save it in that encoding$"):
        load_settings({})


def test_railway_without_database() -> None:
    """On Railway settings load without DATABASE_URL, but no database may be used."""
    settings = loaded(RAILWAY_PROJECT_ID="p", DATABASE_URL=" ")
    assert not settings.may_embed_database
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL is not set on Railway: "):
        settings.require_database_url()


def test_database_choice() -> None:
    """Elsewhere an embedded database may be used, but never together with DATABASE_URL."""
    assert loaded().may_embed_database
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL is not set: "):
        loaded().require_database_url()
    named = loaded(DATABASE_URL="host=/tmp dbname=d")
    assert not named.may_embed_database
    assert named.require_database_url() == "host=/tmp dbname=d"


def test_every_field_is_documented() -> None:
    """Each field but the one that Railway sets says its variable, help and default once."""
    undocumented = [each.name for each in dataclasses.fields(Settings) if not each.metadata]
    assert undocumented == ["on_railway"]
    names = [name for row in environment_table().splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert len(names) == len(set(names))
    assert names == re.findall(r"^(\w+)=", environment_example(), re.MULTILINE)


def test_env_example_is_current() -> None:
    """`.env.example` is what the settings say."""
    assert environment_example() == (ROOT / ".env.example").read_text(encoding="utf-8")


def test_env_example_changes_nothing() -> None:
    """A copy of `.env.example` gives the defaults."""
    values = dotenv_values(ROOT / ".env.example", interpolate=False)
    assert loaded() == loaded(**{name: value or "" for name, value in values.items()})


def test_settings_page_is_current() -> None:
    """The table of variables in docs/settings.md is what the settings say."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- environment -->\n+(.*?)\n*<!-- /environment -->", text, re.DOTALL)
    assert table is not None
    assert environment_table().strip() == table[1].strip()
