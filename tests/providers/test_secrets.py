"""The key stays in the request: no message, traceback, log line, reply or repr holds it or its end."""

from __future__ import annotations

import logging
import traceback

import pytest

from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.providers import AuthFailed, Provider, ProviderError, ProviderUnavailable, open_provider, read_reply
from tests.providers.server import KEY, PATHS, Server, Step, cuts, question, resets, says

ECHO = (
    f"Incorrect API key provided: {KEY.reveal()}, that is …{KEY.reveal()[-8:]}.\n\x1b[31mHeaders: Bearer {KEY.reveal()}"
)
ECHO_JSON = '{"error": {"message": "' + ECHO.replace("\n", "\\n").replace("\x1b", "\\u001b") + '"}}'


def holds_key(text: str) -> bool:
    return KEY.reveal() in text or KEY.reveal()[-8:] in text


def whole_story(error: BaseException) -> str:
    """Return all that a careful crash reporter would print: chain, context, locals of every frame."""
    frames = error.__traceback__.tb_next if error.__traceback__ else None  # the first is the test's own
    report = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        chain.append(f"{seen!r} {seen} {seen.args} {vars(seen)}")
        seen = seen.__cause__ or seen.__context__
    return "".join(report.format(chain=True)) + " ".join(chain)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "step",
    [
        says(ECHO_JSON, 401),
        says(ECHO_JSON, 400),
        says(ECHO, 500, content_type="text/plain"),
        says(ECHO_JSON, 429),
        resets,
        cuts(ECHO.encode()),
    ],
    ids=["401", "400", "500", "429", "reset", "cut"],
)
def test_errors_hold_no_key(server: Server, name: ProviderName, step: Step) -> None:
    """Not even the locals of a traceback give the key away, whatever the provider echoes."""
    server.script(step)
    provider = server.open(name)
    with pytest.raises(ProviderError) as caught:
        provider.send(question(name))
    story = whole_story(caught.value)
    assert not holds_key(story)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", PROVIDERS)
def test_long_echo_is_shortened(server: Server, name: ProviderName) -> None:
    """A long explanation is cut to 300 characters, and not so that half a key remains."""
    server.script(says('{"error": {"message": "' + "x" * 290 + KEY.reveal() + '"}}', 400))
    with pytest.raises(ProviderError) as caught:
        server.open(name).send(question(name))
    said = str(caught.value).removeprefix(f"{name} answered 400: ")
    assert len(said) == 300
    assert "sk-canary" not in said


@pytest.mark.parametrize("name", PROVIDERS)
def test_replies_hold_no_key(server: Server, name: ProviderName) -> None:
    """A reply that echoes the key is stored with stars in its place, everything else as received."""
    body = '{"error": {"message": "your key is ' + KEY.reveal() + '"}}'
    server.script(says(body))
    provider = server.open(name)
    reply = provider.send(question(name))
    assert reply.body.decode() == body.replace(KEY.reveal(), "*" * len(KEY.reveal()))
    with pytest.raises(ProviderError) as caught:
        read_reply(name, reply)
    assert not holds_key(whole_story(caught.value))


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("form", ["\\u{:04x}", "\\u{:04X}", "\\\\u{:04x}"], ids=["small", "capital", "twice"])
@pytest.mark.parametrize("every", [1, 3])
def test_replies_hold_no_escaped_key(server: Server, name: ProviderName, form: str, every: int) -> None:
    """A key that a reply's JSON escapes, completely or partly, is replaced by stars of the same length."""
    key = KEY.reveal()
    echoed = "".join(form.format(ord(each)) if n % every == 0 else each for n, each in enumerate(key))
    before, after = '{"error": {"message": "a \\u003ckey\\u003e is ', '\\n, \u00f1 \\u00f1"}}'
    server.script(says(before + echoed + after))
    reply = server.open(name).send(question(name))
    assert before + "*" * len(echoed) + after == reply.body.decode()
    with pytest.raises(ProviderError) as caught:
        read_reply(name, reply)
    assert not holds_key(whole_story(caught.value))


@pytest.mark.parametrize("name", PROVIDERS)
def test_logs_hold_no_key(server: Server, name: ProviderName, caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG the SDKs and their HTTP library print no key."""
    caplog.set_level(logging.DEBUG)
    for logger in ("openai", "anthropic", "google_genai", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, logger)
    server.script(says(ECHO_JSON, 401))
    with pytest.raises(AuthFailed):
        server.open(name).send(question(name))
    text = "\n".join(f"{r.getMessage()} {r.__dict__}" for r in caplog.records)
    assert caplog.records
    assert not holds_key(text)


@pytest.mark.parametrize("name", PROVIDERS)
def test_repr_holds_no_key(server: Server, name: ProviderName) -> None:
    """Neither the provider nor what it is made of shows the key in its repr."""
    provider: Provider = server.open(name)
    assert not holds_key(repr(provider) + repr(vars(provider)))


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("key", ["", " ", "sk-with\nnewline", "sk-with space", "sk-ñandú", "sk-nul\0"])
def test_impossible_keys(name: ProviderName, key: str) -> None:
    """A key that no header can carry is refused at once, without being printed."""
    with pytest.raises(AuthFailed) as caught:
        open_provider(name, Secret(key), base_url="http://127.0.0.1:9", timeout_seconds=1)
    assert caught.value.billed == "no"
    assert key.strip() == "" or key not in repr(caught.value)


@pytest.mark.parametrize("name", PROVIDERS)
def test_unreachable_provider_shows_no_key(name: ProviderName) -> None:
    """A connection that fails tells the reason, not the key."""
    provider = open_provider(name, KEY, base_url="http://127.0.0.1:9" + PATHS[name], timeout_seconds=1)
    with pytest.raises(ProviderUnavailable) as caught:
        provider.send(question(name))
    provider.close()
    assert not holds_key(whole_story(caught.value))
