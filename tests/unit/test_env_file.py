"""`.env`: lines that cannot be read, names that set nothing, files that others wrote."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from llm_monitoring.cli.root import root
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.jobs.startup import job_settings
from llm_monitoring.process import location
from llm_monitoring.process.wording import python_command
from llm_monitoring.settings.env_file import find_env_file, read_env_file
from llm_monitoring.settings.fields import load_settings, unknown_variables


def written(folder: Path, text: str) -> Path:
    path = folder / ".env"
    path.write_text(text)
    path.chmod(0o600)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_env_file(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('LLM_DEFAULT_MONTHLY_BUDGET_USD="5canary\n', "line 1, LLM_DEFAULT_MONTHLY_BUDGET_USD: cannot be read"),
        ('# a\n\nLLM_MAX_WORKERS="5canary" USD\n', "line 3, LLM_MAX_WORKERS: cannot be read"),
        ("export OPENAI_API_KEY='sk-canary\n", "line 1, OPENAI_API_KEY: cannot be read"),
        ("A=1\nLLM_MAX_WORKERS: canary\n", "line 2, LLM_MAX_WORKERS: cannot be read"),
        ("LLM_LOG_LEVEL\n", "line 1, LLM_LOG_LEVEL: has no “=”"),
        ("sk-canary-0123456789\n", "line 1: has no “=”"),
        ("LLM MAX WORKERS=canary\n", "line 1: cannot be read"),
        ('LLM_MAX_WORKERS="canary\nLLM_MAX_ATTEMPTS="\n', "line 1, LLM_MAX_WORKERS: its quote is not closed"),
    ],
)
def test_a_line_that_cannot_be_read(tmp_path: Path, text: str, place: str) -> None:
    """The error names file, line and variable, and nothing of the value."""
    message = refusal(written(tmp_path, text))
    assert message.startswith(f"{tmp_path}/.env, {place}")
    assert "canary" not in message


def test_what_can_be_read(tmp_path: Path) -> None:
    """Comments, blank lines, `export`, quotes and a value of several lines are read as they are meant."""
    path = written(tmp_path, "# a\n\nexport A=1\nB='x y' # c\nC=\"one\ntwo\"\nD=\n")
    assert {"A": "1", "B": "x y", "C": "one\ntwo", "D": ""} == read_env_file(path)


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o644, False), (0o666, True), (0o602, True)])
def test_a_file_that_others_can_write(tmp_path: Path, mode: int, refused: bool) -> None:
    """What any other user could have written is not read, and the error says what to do."""
    path = written(tmp_path, "A=1\n")
    path.chmod(mode)
    if refused:
        assert refusal(path).endswith(f"`chmod 600 {path}`")
    else:
        assert {"A": "1"} == read_env_file(path)


def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another user, which could send keys elsewhere, is not read; one of the package's owner is."""
    path = written(tmp_path, "OPENAI_BASE_URL=https://evil.example\n")
    me = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: me + 7)
    monkeypatch.setattr(location, "PACKAGE", Path("/"))
    if me == 0:
        assert read_env_file(path)
    else:
        assert f"belongs to another user (uid {me})" in refusal(path)
    monkeypatch.setattr(location, "PACKAGE", tmp_path)
    assert read_env_file(path)


def test_names_that_set_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown names of environment and `.env` come with the nearest setting; other programs' names do not count."""
    written(tmp_path, "LLM_DEFAULT_MONTHLY_BUDGET=5\nOTHER=1\n")
    monkeypatch.chdir(tmp_path)
    found = unknown_variables({"LLM_MAX_WORKER": "3", "llm_sentiment": "no", "LLM_QQQ": "", "LLM_MAX_WORKERS": "3"})
    expected = {
        "LLM_DEFAULT_MONTHLY_BUDGET": "LLM_DEFAULT_MONTHLY_BUDGET_USD",
        "LLM_MAX_WORKER": "LLM_MAX_WORKERS",
        "LLM_QQQ": "",
        "llm_sentiment": "LLM_SENTIMENT",
    }
    assert expected == dict(found)


def test_other_programs_names_of_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key under another program's name is reported with ours, unless ours is set too."""
    monkeypatch.chdir(tmp_path)
    found = unknown_variables({"GEMINI_API_KEY": "x", "CLAUDE_API_KEY": "y", "ANTHROPIC_API_KEY": "z"})
    assert {"GEMINI_API_KEY": "GOOGLE_API_KEY"} == dict(found)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("openai_api_key", "openai_api_key"),
        ("OPENAI-API-KEY", "OPENAI-API-KEY"),
        ("$env:OPENAI_API_KEY", "$env:OPENAI_API_KEY"),
        ("+OPENAI_API_KEY", "+OPENAI_API_KEY"),
        ("\u200bOPENAI_API_KEY", r"\u200bOPENAI_API_KEY"),
    ],
)
def test_our_names_in_another_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shown: str) -> None:
    """A name that a shell or a copied text changed is reported with ours, unless ours is set too."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, f"{name}=sk-1\n")
    assert {shown: "OPENAI_API_KEY"} == dict(unknown_variables({}))
    assert {} == dict(unknown_variables({"OPENAI_API_KEY": "sk-2"}))


@pytest.mark.parametrize("name", ["$env:LLM_MAX_WORKERS", "LLM-MAX-WORKERS", "\ufeffLLM_MAX_WORKERS"])
def test_our_settings_in_another_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A setting under a name that is not a variable's is reported with the setting."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, f"A=1\n{name}=3\n")
    assert ["LLM_MAX_WORKERS"] == list(unknown_variables({}).values())


def test_jobs_and_commands_warn_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, quiet: None
) -> None:
    """A name that sets nothing is reported by the jobs, by every command and by doctor."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_MAX_WORKER", "3")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:9/d")
    with caplog.at_level(logging.WARNING), job_settings(demo=False):
        pass
    assert "⚠️ LLM_MAX_WORKER no es una variable de este programa y no cambia nada: ¿LLM_MAX_WORKERS?" in caplog.messages
    result = CliRunner().invoke(root, ["doctor", "--offline"])
    assert "warning: LLM_MAX_WORKER is no setting and changes nothing: did you mean LLM_MAX_WORKERS?" in result.stderr
    assert "→ rename it to LLM_MAX_WORKERS, or remove it" in result.stdout


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ('"sk-canary-0123456789"', "in quotes"),
        ("'sk-canary-0123456789'", "in quotes"),
        ("“sk-canary-0123456789”", "in quotes"),
        ("Bearer sk-canary-0123456789", "Bearer"),
        ("Authorization: Bearer sk-canary-0123456789", "Bearer"),
        ("OPENAI_API_KEY=sk-canary-0123456789", "variable's name"),
        ("sk-canary-0123456789,", "comma"),
        ("sk-canary-0123456789;", "comma"),
        ("sk-canary-\n0123456789", "several lines"),
        ("sk-canary\x00", "printable ASCII"),
        ("canary" * 7 + "A=", "a master key"),
        ("sk-" + "canary" * 200, "longer than"),
        *(
            (text, "placeholder")
            for text in (
                "sk-...",
                "sk-…",
                "your-key-here",
                "YOUR_API_KEY",
                "<key>",
                "sk-proj-xxxxxxxxxxxx",
                "sk-your-openai-key",
                "$OPENAI_API_KEY",
                "{{key}}",
                "changeme",
                "sk-***",
                "paste-key-here",
                "insert_your_key",
                "[key]",
                "%OPENAI_API_KEY%",
                "None",
                "n",
                "Yes",
                "AIzaSy...",
                "pplx-your-key",
                "api-key",
            )
        ),
    ],
)
def test_what_is_no_key(value: str, wrong: str) -> None:
    """A key in its wrapping or a placeholder is refused with what is wrong, and nothing of it is shown."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"OPENAI_API_KEY": value}, dotenv=False)
    assert wrong in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-8fK3_xxYour-keyQ7-Tn0bWm5LrZs2VdYhPqEuCi9Ao1Jg6Kf4Xt",
        "sk-ant-api03-Qw8_zX1-Lm3Nb7Vc5Df9Gh2Jk4Pq6Rs0Tu-Yv8AA",
        "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
        "AQ.Ab8RN6K-dX3f9_q2",
        "pplx-l9Qk2Wm7Xv4Bn1Zc8Rt5Yp3Ls6Df0GhJa",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJnYXRld2F5In0.c2lnbmF0dXJl",
        "local",
    ],
)
def test_what_is_a_key(key: str) -> None:
    """Keys of every provider's form are taken by a gateway."""
    environ = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": "https://gateway.example/v1"}
    assert key == load_settings(environ, dotenv=False).api_keys["openai"].reveal()


@pytest.mark.parametrize("name", ["LLM_REPORT_DIR", "DATABASE_URL", "LLM_KEYS_ENCRYPTION_KEY", "LLM_MAX_WORKERS"])
def test_any_value_in_quotes(name: str) -> None:
    """Quotes that a form or an env file kept are refused for every variable."""
    with pytest.raises(ConfigurationError, match=f"^{name} is in quotes"):
        load_settings({name: "'canary'"}, dotenv=False)


@pytest.mark.parametrize("name", ["LLM_REPORT_DIR", "DATABASE_URL", "LLM_KEYS_ENCRYPTION_KEY", "OPENAI_API_KEY"])
@pytest.mark.parametrize("value", ["canary${HOST}x", "${OPENAI_API_KEY}", "${canary:-1}", "${{Postgres.canary}}"])
def test_any_value_with_a_reference(name: str, value: str) -> None:
    """A reference to another variable that nothing fills in is refused for every variable, and not shown."""
    with pytest.raises(ConfigurationError, match=f"^{name} refers to another variable") as caught:
        load_settings({name: value}, dotenv=False)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", ["postgresql://u:pa$$w0rd@h/d", "postgresql://u:$w{x}@h/d"])
def test_a_dollar_is_no_reference(value: str) -> None:
    """Values with a dollar are taken as they are."""
    assert value == load_settings({"DATABASE_URL": value}, dotenv=False).database_url


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u202a", "\u00ad"])
@pytest.mark.parametrize(
    ("name", "value"), [("DATABASE_URL", "postgresql://u:canary@h/d"), ("OPENAI_API_KEY", "sk-canary-0123456789")]
)
def test_any_value_with_an_invisible_character(name: str, value: str, mark: str) -> None:
    """What copied text leaves in a value is refused: no one would find it in a password or a name."""
    with pytest.raises(ConfigurationError, match=f"^{name} holds an invisible character") as caught:
        load_settings({name: f"{value}{mark}"}, dotenv=False)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    """A file in another encoding, such as that of `>` in Windows PowerShell, is refused with the one to save it in."""
    path = tmp_path / ".env"
    path.write_bytes("# año\nA=1\n".encode(encoding))
    path.chmod(0o600)
    assert f"{path} is not text in UTF-8: save it in that encoding" == refusal(path)


def test_the_file_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any `.env`, one would be in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(location, "PACKAGE", tmp_path / "checkout" / "llm_monitoring")
    assert tmp_path / ".env" == find_env_file()


def test_the_file_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another directory the checkout's `.env` is in use."""
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    checkout.mkdir()
    elsewhere.mkdir()
    path = written(checkout, "A=1\n")
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(location, "PACKAGE", checkout / "llm_monitoring")
    assert path == find_env_file()


def test_the_file_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package has the user's file, so that every directory has the same settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(location, "PACKAGE", tmp_path / "site-packages" / "llm_monitoring")
    assert tmp_path / "home" / ".config" / "llm_monitoring" / ".env" == find_env_file()


def test_a_working_directory_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new deployment removes the directory under a process: settings are those of the environment."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.setattr(location, "PACKAGE", tmp_path / "checkout" / "llm_monitoring")
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert 7 == load_settings({"LLM_MAX_WORKERS": "7"}).max_workers
    assert Path("/reports") == load_settings({"LLM_REPORT_DIR": "/reports"}).report_dir
    with pytest.raises(ConfigurationError, match="LLM_REPORT_DIR is 'reports': it must be a directory"):
        load_settings({"LLM_REPORT_DIR": "reports"})
    assert python_command() in {shlex.quote(sys.executable), "python"}
