"""Replies with a flaw next to a paid answer: the answer is kept, and the flaw changes no charge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.providers import Answer, BadResponse, Refused, read_batch_line, read_reply
from tests.providers.batches import BATCH_PROVIDERS, IDS, succeeded
from tests.providers.server import recorded, stored

TEXT = "¿Qué? Lo mejor es Holded 😀"


def body(provider: ProviderName, *pieces: str, **fields: Any) -> dict[str, Any]:
    """The recorded reply with these pieces as its text."""
    whole: dict[str, Any] = json.loads(recorded(f"{provider}_plain")) | fields
    if provider == "anthropic":
        whole["content"] = [{"type": "text", "text": piece} for piece in pieces]
    elif provider == "google":
        whole["candidates"][0]["content"]["parts"] = [{"text": piece} for piece in pieces]
    else:
        parts = [{"type": "output_text", "text": piece, "annotations": []} for piece in pieces]
        whole["output"] = [each for each in whole["output"] if each["type"] != "message"]
        whole["output"].append({"type": "message", "content": parts})
    return whole


def flawed(provider: ProviderName, old: str, new: bytes) -> bytes:
    raw = json.dumps(body(provider, TEXT), ensure_ascii=False).encode()
    return raw.replace(old.encode(), new, 1)


def whole(provider: ProviderName) -> Answer:
    return read_reply(provider, stored(body(provider, TEXT)))


FLAWS = {
    "no UTF-8": ("é", b"\xe9"),
    "half a character": ("é", b"\xc3"),
    "an overlong NUL": ("é", b"\xc0\x80"),
    "half a surrogate pair": ("é", b"\xed\xa0\xbd"),
    "control characters": ("Lo mejor", b"\x01Lo\tmejor\r\n"),
}


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_bytes_that_are_no_text_lose_no_answer(provider: ProviderName, flaw: str) -> None:
    """A damaged character in the text costs that character, and neither the answer nor its usage."""
    found = read_reply(provider, stored(flawed(provider, *FLAWS[flaw])))
    assert found.text.endswith("Holded 😀")
    assert whole(provider).usage == found.usage


NUMBERS = [b"NaN", b"-Infinity", b"1e400", b"1e99999999999999999999", b"9" * 5000, b"-0", b"1e-99999999999999999999"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:8].decode())
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_number_that_is_not_needed_loses_no_answer(provider: ProviderName, number: bytes) -> None:
    """A score or a probability in no form of JSON, or too large, is not read; the same reply without it is."""
    found = read_reply(provider, stored(flawed(provider, "{", b'{"avgLogprobs": ' + number + b", ")))
    assert whole(provider) == found


USAGES = {
    "openai": ("usage", "output_tokens"),
    "anthropic": ("usage", "output_tokens"),
    "google": ("usageMetadata", "candidatesTokenCount"),
    "perplexity": ("usage", "output_tokens"),
}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "1e99999999999999999999", "9" * 5000, "5.0"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_count_that_cannot_be_used_is_charged_the_ceiling(provider: ProviderName, number: str) -> None:
    """Where the number is the count itself, the usage is unknown, never smaller."""
    usage, field = USAGES[provider]
    document = body(provider, TEXT)
    document[usage] = document[usage] | {field: "COUNT"}
    document[usage].pop("totalTokenCount", None)
    found = read_reply(provider, stored(json.dumps(document).replace('"COUNT"', number).encode()))
    assert TEXT == found.text
    assert found.usage is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks_and_padding_around_a_reply(encoding: str) -> None:
    """A byte order mark before the JSON, and blanks or zeros after it, are no part of it."""
    raw = json.dumps(body("perplexity", TEXT), ensure_ascii=False)
    assert whole("perplexity") == read_reply("perplexity", stored((raw + "\r\n \0\0").encode(encoding)))


@pytest.mark.parametrize("rest", [b"{}", b",", b"}", b'\n{"error": {}}', b"\0{}"])
def test_a_reply_with_more_behind_it_is_no_reply(rest: bytes) -> None:
    """What follows the JSON and is not padding leaves open what was answered."""
    with pytest.raises(BadResponse, match="not JSON"):
        read_reply("openai", stored(json.dumps(body("openai", TEXT)).encode() + rest))


@pytest.mark.parametrize("provider", ["openai", "perplexity"])
@pytest.mark.parametrize(
    ("said", "text"),
    [
        (["Holded", "Holded"], "Holded"),
        (["Holded", " Holded\n", "Holded"], "Holded"),
        (["Holded", "Holded\n\nQuipu", "Holded\n\nQuipu\n\nSage"], "Holded\n\nQuipu\n\nSage"),
        (["Quipu", "Holded", "Holded"], "Quipu\n\nHolded"),
        (["Holded", "", "Holded"], "Holded"),
        (["Holded", "Lo mejor es Holded"], "Holded\n\nLo mejor es Holded"),
        (["Holded", "Quipu", "Holded"], "Holded\n\nQuipu\n\nHolded"),
        (["Holded y Quipu", "Holded"], "Holded y Quipu\n\nHolded"),
    ],
)
def test_a_message_that_is_sent_again_is_read_once(provider: ProviderName, said: list[str], text: str) -> None:
    """A message that is repeated, alone or with more behind it, counts its names once; any other message stays."""
    parts = [{"type": "message", "content": [{"type": "output_text", "text": each}]} for each in said]
    reply = json.loads(recorded(f"{provider}_plain")) | {"output": [{"type": "reasoning"}, *parts]}
    assert text == read_reply(provider, stored(reply)).text


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"index": 0, "finishReason": "SAFETY"},
        {"content": {"role": "model"}},
        {"content": {"parts": [{"text": ""}]}},
    ],
)
def test_google_text_after_an_empty_candidate(before: dict[str, Any]) -> None:
    """A candidate without text in front of the one that is paid hides no answer."""
    reply = body("google", TEXT)
    reply["candidates"].insert(0, before)
    assert whole("google") == read_reply("google", stored(reply))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_character_in_halves_is_whole_again(provider: ProviderName) -> None:
    """Two parts of a text may hold one half each of an escaped character."""
    assert "Holded 😀." == read_reply(provider, stored(body(provider, "Holded \ud83d", "\ude00."))).text


@pytest.mark.parametrize(
    ("between", "text"),
    [
        ({"toolCall": {"id": "1"}}, "Lo busco.\n\n1. Holded"),
        ({"executableCode": {"code": "x"}}, "Lo busco.\n\n1. Holded"),
        ({"text": "Pienso", "thought": True}, "Lo busco.\n\n1. Holded"),
        ({"thoughtSignature": "c2ln"}, "Lo busco.1. Holded"),
        ({"text": "", "thoughtSignature": "c2ln"}, "Lo busco.1. Holded"),
        ({"text": " "}, "Lo busco. 1. Holded"),
    ],
)
def test_google_text_around_another_part(between: dict[str, Any], text: str) -> None:
    """What was said before a search or a thought is a paragraph of its own, so that a list begins a line."""
    reply = body("google", "Lo busco.", "1. Holded")
    reply["candidates"][0]["content"]["parts"].insert(1, between)
    assert text == read_reply("google", stored(reply)).text


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "text",
    ["<think>Holded", "\n<THINK>\nHolded o Quipu", "<think>a</think>\n", "<thinking>a</thinking><think>b", "<think>"],
)
def test_thinking_alone_is_no_answer(provider: ProviderName, text: str) -> None:
    """An answer that was cut while the model still thought, or that holds nothing else, says nothing of a brand."""
    with pytest.raises(BadResponse, match="no text") as caught:
        read_reply(provider, stored(body(provider, text)))
    assert "yes" == caught.value.billed


@pytest.mark.parametrize("text", ["\u200b\ufeff", "\0\x01", "\ud83d", "\u3000\u2028", "\u202e\u2066"])
def test_characters_that_cannot_be_seen_are_no_answer(text: str) -> None:
    """Marks of width, order and direction, controls and half a character say nothing."""
    with pytest.raises(BadResponse, match="no text"):
        read_reply("google", stored(body("google", text)))


@pytest.mark.parametrize("text", ["👍", "+", "\u200bHolded\u200b", "—", "½"])
def test_one_visible_character_is_an_answer(text: str) -> None:
    """However short it is, an answer is stored as it came."""
    assert text == read_reply("google", stored(body("google", text))).text


@pytest.mark.parametrize("text", ["<think>a</think>Holded", "Holded <think>a", "<thinker>Holded", "`<think>` Holded"])
def test_thinking_next_to_an_answer_stays_in_its_text(text: str) -> None:
    """The text is stored as it came; only what is analysed leaves the thinking out."""
    assert text == read_reply("perplexity", stored(body("perplexity", text))).text


@pytest.mark.parametrize("provider", ["openai", "perplexity"])
@pytest.mark.parametrize(("status", "finish"), [("completed", "stop"), ("incomplete", "max_tokens")])
@pytest.mark.parametrize("error", ["slow", {"code": None, "message": None}, {"code": "max_steps", "message": "Steps"}])
def test_an_error_next_to_a_paid_text(provider: ProviderName, status: str, finish: str, error: object) -> None:
    """A reply that has ended keeps its text, also if it reports an error; an incomplete one is cut."""
    found = read_reply(provider, stored(body(provider, TEXT, status=status, error=error)))
    assert TEXT == found.text
    assert finish == found.finish_reason


@pytest.mark.parametrize("provider", ["anthropic", "google"])
def test_an_error_next_to_an_answer_that_has_ended(provider: ProviderName) -> None:
    """It takes nothing from the answer, which is paid."""
    error = {"code": None, "message": None}
    assert TEXT == read_reply(provider, stored(body(provider, TEXT, error=error))).text


@pytest.mark.parametrize(
    ("provider", "pieces", "fields"),
    [
        ("anthropic", (TEXT,), {"stop_reason": None}),
        ("anthropic", (TEXT,), {"type": "error"}),
        ("anthropic", (" ",), {}),
        ("google", (" ",), {}),
    ],
)
def test_an_error_instead_of_an_answer(provider: ProviderName, pieces: tuple[str, ...], fields: dict[str, Any]) -> None:
    """A reply that has not ended, holds no text, or calls itself an error is none."""
    with pytest.raises(BadResponse, match="Internal"):
        read_reply(provider, stored(body(provider, *pieces, error={"message": "Internal"}, **fields)))


@pytest.mark.parametrize("error", ["the upstream is busy", {"message": "the upstream is busy"}], ids=["text", "object"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_words_of_an_error_are_in_the_message(provider: ProviderName, error: object) -> None:
    """A gateway may give its error as a text; the operator reads it in either form."""
    with pytest.raises(BadResponse, match="the upstream is busy"):
        read_reply(provider, stored({"error": error}))


@pytest.mark.parametrize("provider", ["openai", "perplexity"])
@pytest.mark.parametrize("status", ["failed", "cancelled", None])
def test_an_error_of_a_reply_that_has_not_ended(provider: ProviderName, status: str | None) -> None:
    """The text of a failed reply is no answer."""
    with pytest.raises(BadResponse, match="Steps"):
        read_reply(provider, stored(body(provider, TEXT, status=status, error={"message": "Steps"})))


@pytest.mark.parametrize("code", ["invalid_prompt", "bio_policy", "cyber_policy", "image_content_policy_violation"])
def test_a_policy_that_fails_a_reply_is_a_refusal(code: str) -> None:
    """A prompt that a policy blocks is refused, and not asked a second time at another ceiling."""
    failed = body("openai", status="failed", usage=None, error={"code": code, "message": "Blocked"})
    with pytest.raises(Refused, match="Blocked") as caught:
        read_reply("openai", stored(failed))
    assert "maybe" == caught.value.billed


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_in_a_line_of_a_batch(name: ProviderName, flaw: str) -> None:
    """A line of a batch is read with the same patience as a reply, and its receipt is as it came."""
    if flaw == "control characters":  # a line feed would end the line
        line = succeeded(name, IDS[0], flawed(name, "Lo mejor", b"Lo\tmejor"))
    else:
        line = succeeded(name, IDS[0], flawed(name, *FLAWS[flaw]))
    found = read_batch_line(name, line)
    assert "replied" == found.outcome
    assert IDS[0] == found.custom_id
    assert line == found.raw
    assert found.reply is not None
    assert whole(name).usage == read_reply(name, found.reply).usage


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:8].decode())
def test_a_number_in_a_line_that_is_not_needed(name: ProviderName, number: bytes) -> None:
    """A number too large for Python loses no line."""
    line = succeeded(name, IDS[0], flawed(name, "{", b'{"x": ' + number + b", "))
    assert "replied" == read_batch_line(name, line).outcome


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_mark_before_the_first_line(name: ProviderName) -> None:
    """A byte order mark at the start of the results belongs to no line."""
    line = succeeded(name, IDS[0], json.dumps(body(name, TEXT)).encode())
    assert "replied" == read_batch_line(name, b"\xef\xbb\xbf" + line + b"\r").outcome
