"""Every way in which the simulated providers fail."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead, RemoteDisconnected
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from llm_monitoring.demo.bill import fingerprint
from llm_monitoring.demo.server.fault_rules import BadRule
from llm_monitoring.demo.server.loopback import DemoServer

PROVIDERS = ("openai", "anthropic", "google", "perplexity")
USAGE = {"openai": "usage", "anthropic": "usage", "google": "usageMetadata", "perplexity": "usage"}


def rule(kind: str, **action: Any) -> dict[str, Any]:
    return {"action": {"kind": kind, **action}}


def open_client(server: DemoServer) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url=server.url("openai"), max_retries=0)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 429, 500, 502, 503, 504, 529])
def test_a_status_has_the_providers_error_shape(server: DemoServer, plain: Any, provider: str, status: int) -> None:
    """A status fault answers with that status and the provider's own error object, unbilled."""
    server.faults.set([rule("status", status=status)])
    reply = plain.ask(provider)
    assert status == reply.status
    assert "message" in reply.json()["error"]
    assert () == server.bill.lines


@pytest.mark.parametrize("value", ["7", "0.5", "Wed, 25 Nov 2026 10:00:00 GMT", "999999999", "soon", "-3"])
def test_retry_after_goes_out_as_written(server: DemoServer, plain: Any, value: str) -> None:
    """Retry-After takes any form."""
    server.faults.set([rule("status", status=429, headers={"Retry-After": value})])
    assert value == plain.ask("openai").headers["retry-after"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("when", ["before_body", "after_body"])
def test_a_reset_cuts_the_connection(server: DemoServer, plain: Any, provider: str, when: str) -> None:
    """A reset before or after the body is a TCP reset, no orderly end, without one byte of a reply."""
    server.faults.set([rule("reset", when=when)])
    with pytest.raises((ConnectionResetError, BrokenPipeError)) as caught:
        plain.ask(provider)
    assert not isinstance(caught.value, RemoteDisconnected)
    assert () == server.bill.lines


def test_a_reset_in_mid_reply_follows_half_a_body(server: DemoServer, plain: Any) -> None:
    """Half the body arrives, then a TCP reset; the call can be billed all the same."""
    server.faults.set([rule("reset", when="mid_reply") | {"billed": True}])
    with pytest.raises(ConnectionResetError):
        plain.ask("openai")
    assert 1 == len(server.bill.lines)


def test_a_truncated_body_is_short_or_broken(server: DemoServer, plain: Any) -> None:
    """With the wrong Content-Length the body ends early; with the right one the JSON is broken."""
    server.faults.set(
        [rule("truncate", content_length="right") | {"times": 1}, rule("truncate", content_length="wrong")]
    )
    with pytest.raises(json.JSONDecodeError):
        plain.ask("google").json()
    with pytest.raises(IncompleteRead):
        plain.ask("google")


@pytest.mark.parametrize("body", ["{}", "null", "[]", "", "<x>"])
def test_a_literal_body_comes_with_200(server: DemoServer, plain: Any, body: str) -> None:
    """The body fault answers 200 with exactly these bytes, unbilled."""
    server.faults.set([rule("body", body=body)])
    reply = plain.ask("perplexity")
    assert 200 == reply.status
    assert body.encode() == reply.body
    assert () == server.bill.lines


def test_html_makes_the_sdk_return_a_string(server: DemoServer, openai_client: openai.OpenAI) -> None:
    """An HTML page with 200 is what a captive portal sends; the openai SDK hands it over as a str."""
    server.faults.set([rule("html")])
    reply: Any = openai_client.responses.create(model="gpt-6-luna", input="hi")
    assert isinstance(reply, str)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_error_object_may_come_with_200(server: DemoServer, plain: Any, provider: str) -> None:
    """The provider's error shape arrives under status 200, unbilled."""
    server.faults.set([rule("error_object")])
    reply = plain.ask(provider)
    assert 200 == reply.status
    assert "error" in reply.json()
    assert () == server.bill.lines


def test_hang_waits_until_the_client_gives_up(server: DemoServer) -> None:
    """A hanging call ends by the client's timeout."""
    server.faults.set([rule("hang")])
    client = openai.OpenAI(api_key="k", base_url=server.url("openai"), max_retries=0, timeout=0.3)
    with client, pytest.raises(openai.APITimeoutError):
        client.responses.create(model="gpt-6-luna", input="hi")
    assert () == server.bill.lines


def test_delay_and_drip_still_answer(server: DemoServer, plain: Any) -> None:
    """A slow reply is whole and billed."""
    server.faults.set([rule("delay", delay_ms=200) | {"times": 1}, rule("drip", chunk_bytes=400, pause_ms=20)])
    started = time.monotonic()
    first, second = plain.ask("openai"), plain.ask("openai")
    assert time.monotonic() - started > 0.25
    assert "completed" == first.json()["status"]
    assert "completed" == second.json()["status"]
    assert 2 == len(server.bill.lines)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_usage_can_be_missing_null_or_negative(server: DemoServer, plain: Any, provider: str) -> None:
    """The usage faults spoil the usage alone; only the negative one is billed unless the rule says so."""
    server.faults.set([rule("usage", value=value) | {"times": 1} for value in ("missing", "null", "negative")])
    missing, null, negative = (plain.ask(provider).json() for _ in range(3))
    name = USAGE[provider]
    assert name not in missing
    assert null[name] is None
    assert min(count for count in negative[name].values() if isinstance(count, int)) < 0
    assert 1 == len(server.bill.lines)


@pytest.mark.parametrize(
    ("kind", "provider", "path", "expected"),
    [
        ("refusal", "openai", ("output", -1, "content", 0, "type"), "refusal"),
        ("refusal", "anthropic", ("stop_reason",), "refusal"),
        ("refusal", "google", ("candidates", 0, "finishReason"), "SAFETY"),
        ("content_filter", "openai", ("incomplete_details", "reason"), "content_filter"),
        ("content_filter", "google", ("promptFeedback", "blockReason"), "PROHIBITED_CONTENT"),
        ("content_filter", "perplexity", ("status",), "failed"),
        ("max_tokens", "openai", ("incomplete_details", "reason"), "max_output_tokens"),
        ("max_tokens", "anthropic", ("stop_reason",), "max_tokens"),
        ("max_tokens", "google", ("candidates", 0, "finishReason"), "MAX_TOKENS"),
        ("max_tokens", "perplexity", ("status",), "incomplete"),
        ("pause_turn", "anthropic", ("stop_reason",), "pause_turn"),
        ("empty_text", "openai", ("output", -1, "content", 0, "text"), ""),
        ("empty_text", "anthropic", ("content",), []),
    ],
)
def test_an_answer_may_end_badly(
    server: DemoServer, plain: Any, kind: str, provider: str, path: tuple[Any, ...], expected: Any
) -> None:
    """Refusals, filters, cuts, pauses and empty texts have the provider's own form and are billed."""
    server.faults.set([rule(kind)])
    value = plain.ask(provider).json()
    for step in path:
        value = value[step]
    assert expected == value
    assert 1 == len(server.bill.lines)


def test_the_sdks_read_bad_endings(
    server: DemoServer, anthropic_client: anthropic.Anthropic, google_client: genai.Client
) -> None:
    """A refusal has stop_details in the anthropic SDK; a block has no candidates in google-genai."""
    server.faults.set([rule("refusal") | {"times": 1}, rule("content_filter")])
    message = anthropic_client.messages.create(
        model="claude-sonnet-5-5", max_tokens=90, messages=[{"role": "user", "content": "hi"}]
    )
    blocked = google_client.models.generate_content(model="gemini-3.8-flash", contents="hi")
    assert message.stop_details is not None
    assert "refusal" == message.stop_reason
    assert [] == message.content
    assert blocked.candidates is None
    assert blocked.text is None


def test_rules_choose_by_provider_model_key_prompt_and_count(server: DemoServer, plain: Any) -> None:
    """Only the second request that meets all of a rule's conditions fails."""
    match = {
        "provider": "openai",
        "model": "gpt-6-luna",
        "key": fingerprint("k-2"),
        "prompt": "CRM",
        "nth": 2,
    }
    server.faults.set([{"name": "one", "match": match, "action": {"kind": "status", "status": 500}}])
    asked = [
        ("google", {}),
        ("openai", {"key": "k-2"}),
        ("openai", {"model": "gpt-6-luna"}),
        ("openai", {"model": "gpt-6-luna", "key": "k-2", "prompt": "no"}),
        ("openai", {"model": "gpt-6-luna", "key": "k-2", "prompt": "a CRM"}),
        ("openai", {"model": "gpt-6-luna", "key": "k-2", "prompt": "a CRM"}),
        ("openai", {"model": "gpt-6-luna", "key": "k-2", "prompt": "a CRM"}),
    ]
    statuses = [plain.ask(provider, **options).status for provider, options in asked]
    assert [200, 200, 200, 200, 200, 500, 200] == statuses
    assert [{"name": "one", "seen": 3, "fired": 1}] == plain.send("GET", "/faults").json()


def test_probability_is_seeded() -> None:
    """The same seed fails the same requests, another seed others, at about the asked rate."""

    def failures(seed: int) -> list[int]:
        faults = [rule("status", status=500) | {"match": {"probability": 0.3}}]
        with DemoServer(seed=seed, faults=faults) as server, open_client(server) as client:
            return [number for number in range(30) if fails(client)]

    first = failures(1)
    assert first == failures(1)
    assert 3 <= len(first) <= 16
    assert first != failures(2)


def fails(client: openai.OpenAI) -> bool:
    try:
        client.responses.create(model="gpt-6-luna", input="hi")
    except openai.InternalServerError:
        return True
    return False


def test_a_failed_call_may_be_billed(server: DemoServer, plain: Any) -> None:
    """A rule that says billed puts the whole answer on the bill although the client sees an error."""
    server.faults.set([rule("status", status=503) | {"billed": True}])
    assert 503 == plain.ask("anthropic").status
    assert 1 == len(server.bill.lines)


def test_faults_reach_the_model_lists(server: DemoServer, openai_client: openai.OpenAI) -> None:
    """A rule on route models breaks the list and leaves answers alone."""
    server.faults.set(
        [{"match": {"provider": "openai", "route": "models"}, "action": {"kind": "status", "status": 500}}]
    )
    with pytest.raises(openai.InternalServerError):
        openai_client.models.list()
    assert openai_client.responses.create(model="gpt-6-luna", input="hi").status == "completed"


@pytest.mark.parametrize(
    "bad",
    [
        {"action": {"kind": "explode"}},
        {"action": {"kind": "status", "stauts": 500}},
        {"action": {"kind": "reset"}},
        {"action": {"kind": "reset", "when": "later"}},
        {"match": {"modle": "x"}, "action": {"kind": "hang"}},
        {"match": {"prompt": "x"}, "action": {"kind": "reset", "when": "before_body"}},
        {"acton": {}, "action": {"kind": "hang"}},
    ],
)
def test_a_rule_that_is_not_understood_is_refused(server: DemoServer, plain: Any, bad: dict[str, Any]) -> None:
    """A typing error in a rule is an error, and the old rules stay."""
    server.faults.set([rule("status", status=418)])
    with pytest.raises(BadRule):
        server.faults.set([bad])
    assert 400 == plain.send("POST", "/faults", {"rules": [bad]}).status
    assert 418 == plain.ask("openai").status


def test_rules_can_be_posted_and_cleared(server: DemoServer, plain: Any) -> None:
    """POST /faults replaces the rules of a running server."""
    assert [{"name": "rule 1", "seen": 0, "fired": 0}] == plain.send(
        "POST", "/faults", {"rules": [rule("status")]}
    ).json()
    assert 503 == plain.ask("openai").status
    assert [] == plain.send("POST", "/faults", {"rules": []}).json()
    assert 200 == plain.ask("openai").status


@pytest.fixture
def hanging(server: DemoServer) -> Iterator[socket.socket]:
    server.faults.set([rule("hang") | {"match": {"provider": "google"}}])
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        yield client


def test_one_hanging_client_blocks_nobody(server: DemoServer, hanging: socket.socket) -> None:
    """Other connections are answered while one hangs."""
    body = b'{"contents": [{"parts": [{"text": "hi"}]}]}'
    line = "POST /google/v1beta/models/gemini-3.8-flash:generateContent HTTP/1.1"
    head = "\r\n".join([line, "x-goog-api-key: k", f"Content-Length: {len(body)}", "", ""])
    hanging.sendall(head.encode() + body)
    with ThreadPoolExecutor(4) as pool, open_client(server) as client:
        replies = list(pool.map(lambda n: client.responses.create(model="gpt-6-luna", input=f"{n}"), range(8)))
    assert ["completed"] * 8 == [reply.status for reply in replies]
