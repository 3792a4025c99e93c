"""Results of a batch, line by line: nothing in them is trusted, and nothing that is perhaps charged is lost."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_monitoring.domain import ProviderName
from llm_monitoring.providers import (
    BadRequest,
    BatchLine,
    BatchMissing,
    ProviderError,
    ProviderUnavailable,
    RemoteBatch,
    batch_http,
    batch_lines,
    bodies,
    read_batch_line,
    read_reply,
)
from tests.providers.batches import BATCH_PROVIDERS, IDS, failed, never_run, results, succeeded
from tests.providers.server import KEY, Server, cuts, recorded, says, stored


def ended(name: ProviderName, *outputs: str) -> RemoteBatch:
    files = outputs or ({"openai": "file-out1", "anthropic": "msgbatch_1"}[name],)
    return RemoteBatch("msgbatch_1", "ended", "ended", 2, None, None, None, files, None)


def downloaded(server: Server, name: ProviderName, *lines: bytes) -> list[BatchLine]:
    server.script(says(results(lines)))
    return list(server.open_batches(name).lines(ended(name)))


def outcomes(lines: Sequence[BatchLine]) -> list[tuple[str, str]]:
    return [(line.custom_id, line.outcome) for line in lines]


@pytest.mark.parametrize("kind", ["plain", "search", "cut", "refusal"])
@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_the_reply_of_a_line_is_that_of_a_single_call(name: ProviderName, kind: str) -> None:
    """What stands in a line is read like a reply of its own, byte for byte the same but for its line feeds."""
    body = recorded(f"{name}_{kind}").replace(b"\n", b" ").strip()
    line = read_batch_line(name, succeeded(name, IDS[0], body))
    assert line.reply is not None
    assert IDS[0] == line.custom_id
    assert "replied" == line.outcome
    assert body == line.reply.body
    assert line.error is None
    assert succeeded(name, IDS[0], body) == line.raw


def test_a_line_of_the_results_gives_its_answer(server: Server) -> None:
    """An answer of a batch has text and usage, and the request id of its line."""
    (line,) = downloaded(server, "openai", succeeded("openai", IDS[0]))
    assert line.reply is not None
    assert "req_1" == line.reply.request_id
    assert read_reply("openai", line.reply).usage is not None


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_results_are_downloaded_from_our_address(server: Server, name: ProviderName) -> None:
    """The results of Anthropic come from the batch's own path, never from an address in a reply."""
    downloaded(server, name, succeeded(name, IDS[0]))
    path = {
        "openai": "/openai/v1/files/file-out1/content",
        "anthropic": "/anthropic/v1/messages/batches/msgbatch_1/results",
    }
    sent = server.received[0]
    assert path[name] == sent.path
    assert "application/binary" == sent.headers["accept"]
    assert "identity" == sent.headers["accept-encoding"]


@pytest.mark.parametrize(
    ("name", "line", "outcome", "billed", "kind"),
    [
        ("anthropic", failed("anthropic", IDS[0], 400), "not_billed", "no", "bad_request"),
        ("anthropic", failed("anthropic", IDS[0], 500, "api_error"), "not_billed", "no", "unavailable"),
        ("anthropic", failed("anthropic", IDS[0], 500, "some_new_error"), "not_billed", "no", "unavailable"),
        ("anthropic", failed("anthropic", IDS[0], 404, "not_found_error"), "not_billed", "no", "model_not_found"),
        ("anthropic", never_run("anthropic", IDS[0], "expired"), "not_billed", "no", "unavailable"),
        ("anthropic", never_run("anthropic", IDS[0], "canceled"), "not_billed", "no", "unavailable"),
        ("anthropic", never_run("anthropic", IDS[0], "errored"), "not_billed", "no", "unavailable"),
        ("anthropic", never_run("anthropic", IDS[0], "postponed"), "failed", "maybe", "bad_response"),
        ("anthropic", never_run("anthropic", IDS[0], "succeeded"), "failed", "maybe", "bad_response"),
        ("openai", failed("openai", IDS[0], 400), "refused", "no", "bad_request"),
        ("openai", failed("openai", IDS[0], 429), "refused", "no", "rate_limited"),
        ("openai", failed("openai", IDS[0], 408), "failed", "maybe", "unavailable"),
        ("openai", failed("openai", IDS[0], 500), "failed", "maybe", "unavailable"),
        ("openai", failed("openai", IDS[0], 302), "failed", "maybe", "bad_response"),
        ("openai", failed("openai", IDS[0], 200), "replied", "", ""),
        ("openai", never_run("openai", IDS[0], "expired"), "not_billed", "no", "unavailable"),
        ("openai", never_run("openai", IDS[0], "cancelled"), "not_billed", "no", "unavailable"),
        ("openai", never_run("openai", IDS[0], "vanished"), "failed", "maybe", "bad_response"),
    ],
)
def test_a_line_without_an_answer(name: ProviderName, line: bytes, outcome: str, billed: str, kind: str) -> None:
    """Only what the provider documents as free is free; anything else of a request is perhaps charged."""
    read = read_batch_line(name, line)
    assert IDS[0] == read.custom_id
    assert outcome == read.outcome
    assert line == read.raw
    assert billed == (read.error.billed if read.error else "")
    assert kind == (read.error.kind if read.error else "")


@pytest.mark.parametrize("kind", ["expired", "canceled", "errored", "completed", ""])
def test_a_message_is_an_answer_whatever_its_result_says(kind: str) -> None:
    """An answer that a line holds is paid: it is neither thrown away nor free."""
    line = succeeded("anthropic", IDS[0]).replace(b'"succeeded"', b'"%b"' % kind.encode())
    read = read_batch_line("anthropic", line)
    assert read.reply is not None
    assert read_reply("anthropic", read.reply) == read_reply("anthropic", stored(recorded("anthropic_plain")))


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_member_that_is_repeated_as_it_is_contradicts_nothing(name: ProviderName) -> None:
    """A line that names its request twice by the same id keeps its answer; by two ids it belongs to none."""
    line = succeeded(name, IDS[0])
    again = line.replace(b'"custom_id"', b'"custom_id":"%b","custom_id"' % IDS[0].encode())
    other = line.replace(b'"custom_id"', b'"custom_id":"%b","custom_id"' % IDS[1].encode())
    assert (IDS[0], "replied") == (read_batch_line(name, again).custom_id, read_batch_line(name, again).outcome)
    assert ("", "failed") == (read_batch_line(name, other).custom_id, read_batch_line(name, other).outcome)


MINE = IDS[0].encode()
HOSTILE = [
    b'{"custom_id":"%b","result":{"type":"succeeded","mess' % MINE,
    b'{"custom_id":"%b","result":7,"response":"x"}' % MINE,
    b'{"custom_id":"%b","result":{"type":"succeeded","message":[]},"response":{"status_code":200,"body":[]}}' % MINE,
    b'{"custom_id":"%b"}' % MINE,
    b'{"custom_id":"%b","response":{"status_code":"200","body":{}}}' % MINE,
    b'{"custom_id":"%b","response":{"body":{}}}' % MINE,
    b'{"custom_id":"%b","response":{"status_code":200}}' % MINE,
    b'{"custom_id":"%b","result":{"type":"expired"},"result":{"type":"succeeded"},"response":{}}' % MINE,
    b'{"custom_id":"%b","x":%b' % (MINE, b"[" * 100_000),
    b'{"custom_id":"%b"} {"custom_id":"%b"}' % (MINE, MINE),
    b'{"custom_id":"%b","text":"\xff\xfe"}' % MINE,
    b'{"custom_id":"%b","n":%b}' % (MINE, b"9" * 10_000),
    b'[{"custom_id":"%b"}]' % MINE,
]
NAMELESS = [
    b"null", b"7", b"[]", b"{}", b"<html>", b"\x00", b'{"custom_id":7}', b'{"custom_id":null,"result":{}}',
    b'"\\"custom_id\\":\\"%b\\""' % MINE,
    b'x{"custom_id":"%b"}{"custom_id":"%b"}' % (MINE, IDS[1].encode()),
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE)
@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_an_unreadable_line_with_our_id_is_perhaps_charged(server: Server, name: ProviderName, line: bytes) -> None:
    """Whatever its form, such a line closes its request as perhaps charged, with the raw line, and no other one."""
    good = succeeded(name, IDS[1])
    read = downloaded(server, name, line, good)
    assert [(IDS[0], "failed"), (IDS[1], "replied")] == outcomes(read)
    assert line == read[0].raw


@pytest.mark.parametrize("line", NAMELESS)
@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_line_without_an_id_closes_no_request(server: Server, name: ProviderName, line: bytes) -> None:
    """A line that names no request is passed on as such, and the lines around it are read."""
    read = downloaded(server, name, succeeded(name, IDS[0]), line, line, succeeded(name, IDS[1]))
    assert [(IDS[0], "replied"), ("", "failed"), ("", "failed"), (IDS[1], "replied")] == outcomes(read)


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_repeated_lines_are_one(server: Server, name: ProviderName) -> None:
    """The same line twice is one answer; a free outcome gives way to a charged one; two answers are a contradiction."""
    first, other = succeeded(name, IDS[0]), succeeded(name, IDS[0], recorded(f"{name}_cut"))
    assert [(IDS[0], "replied")] == outcomes(downloaded(server, name, first, first))
    for lines in ([never_run(name, IDS[0]), first], [first, never_run(name, IDS[0])]):
        assert [(IDS[0], "replied")] == outcomes(downloaded(server, name, *lines))
    assert [(IDS[0], "failed")] == outcomes(downloaded(server, name, first, other, first))


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_cut_download_gives_what_it_has_and_raises(server: Server, name: ProviderName) -> None:
    """Whole lines with charges come first; a free one waits for the rest, which may contradict it; then the error."""
    lines = [succeeded(name, IDS[0]), never_run(name, IDS[1]), b"nonsense", succeeded(name, IDS[2])]
    server.script(cuts(results(lines)[:-20]))
    read = list[BatchLine]()
    with pytest.raises(ProviderUnavailable):
        read.extend(iter_into(read, server.open_batches(name).lines(ended(name))))
    assert [(IDS[0], "replied"), ("", "failed")] == outcomes(read)


def iter_into(into: list[BatchLine], lines: Any) -> list[BatchLine]:
    into.extend(lines)
    return []


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
@pytest.mark.parametrize("missing", [1, 20])
def test_results_that_end_within_a_line_are_cut(server: Server, name: ProviderName, missing: int) -> None:
    """A reply whose last line is a piece is a cut download; one whose line feed alone is missing is whole."""
    lines = [never_run(name, IDS[0]), succeeded(name, IDS[1])]
    server.script(says(results(lines)[:-missing]))
    read = list[BatchLine]()
    if missing == 1:
        iter_into(read, server.open_batches(name).lines(ended(name)))
        assert [(IDS[0], "not_billed"), (IDS[1], "replied")] == outcomes(read)
        return
    with pytest.raises(ProviderUnavailable, match="end within a line"):
        iter_into(read, server.open_batches(name).lines(ended(name)))
    assert [] == read


def test_both_files_of_openai_are_one_set_of_results(server: Server) -> None:
    """A request in both files counts once, and nothing free is certain before both are there."""
    out, err = [succeeded("openai", IDS[0])], [never_run("openai", IDS[0]), failed("openai", IDS[1], 400)]
    batch = ended("openai", "file-out1", "file-err1")
    server.script(says(results(out)[:-1]), says(results(err)))
    assert [(IDS[0], "replied"), (IDS[1], "refused")] == outcomes(list(server.open_batches("openai").lines(batch)))
    server.script(says(results(err)), says(b"{}", 404))
    read = list[BatchLine]()
    with pytest.raises(BatchMissing):
        iter_into(read, server.open_batches("openai").lines(batch))
    assert [] == read


def test_a_batch_without_results_has_no_lines(server: Server) -> None:
    """An ended batch may have neither file."""
    batch = RemoteBatch("batch_1", "ended", "expired", 2, None, None, None, (), None)
    assert [] == list(server.open_batches("openai").lines(batch))
    assert [] == server.received


@pytest.mark.parametrize("form", ["{}", "\\u0073k{}"])
def test_lines_hold_no_key(server: Server, form: str) -> None:
    """An echo of the key in a line is covered, in the receipt as in the reply."""
    shown = form.format(KEY.reveal() if form == "{}" else KEY.reveal()[2:])
    body = (
        b'{"model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"%b"}]}]}' % shown.encode()
    )
    (line,) = downloaded(server, "openai", succeeded("openai", IDS[0], body))
    assert line.reply is not None
    assert [False, False] == [KEY.reveal()[-8:].encode() in each for each in (line.raw, line.reply.body)]


def test_long_results_do_not_stay_in_memory(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results above the bound of a reply are read from a file; those above the bound of a file are cut."""
    monkeypatch.setattr(batch_http, "MEMORY_BYTES", 1000)
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 1000)
    lines = [succeeded("openai", each) for each in IDS]
    assert list(IDS) == [line.custom_id for line in downloaded(server, "openai", *lines)]
    monkeypatch.setattr(bodies, "MAX_FILE_BYTES", 1000)
    with pytest.raises(ProviderUnavailable, match="longer than 1000 bytes"):
        downloaded(server, "openai", *lines)


def test_an_endless_line_is_one_unreadable_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a line beyond all bounds the start is kept, and the next line is read."""
    monkeypatch.setattr(batch_lines, "LONGEST_LINE", 4000)
    endless = b'{"custom_id":"%b","x":"%b"}' % (MINE, b"y" * 20_000)
    read = downloaded(server, "anthropic", endless, succeeded("anthropic", IDS[1]))
    assert [(IDS[0], "failed"), (IDS[1], "replied")] == outcomes(read)
    assert 4000 == len(read[0].raw)


@pytest.mark.parametrize("encoding", ["gzip", ""])
@pytest.mark.parametrize("damaged", [False, True])
def test_compressed_results_are_read(server: Server, damaged: bool, encoding: str) -> None:
    """A gateway may compress what was asked for plain, and not say so; a damaged file is a cut download."""
    packed = gzip.compress(results([succeeded("anthropic", IDS[0])]))
    server.script(says(packed[:-9] if damaged else packed, 200, content_encoding=encoding))
    lines = server.open_batches("anthropic").lines(ended("anthropic"))
    if damaged:
        with pytest.raises(ProviderUnavailable):
            list(lines)
    else:
        assert [(IDS[0], "replied")] == outcomes(list(lines))


def test_a_refused_download_is_an_error(server: Server) -> None:
    """A refused download raises with its status; a missing file is a missing batch."""
    server.script(says(b"{}", 401))
    with pytest.raises(ProviderError) as caught:
        list(server.open_batches("openai").lines(ended("openai")))
    assert 401 == caught.value.status
    assert not isinstance(caught.value, BadRequest)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(TEXTS, max_size=8), st.booleans())
@example(["a\u2028b\u2029c\x85d"], False)
def test_only_a_line_feed_ends_a_line(texts: list[str], blank: bool) -> None:
    """Any text in a line, such as U+2028, U+0085 or a form feed, stays in its line."""
    lines = [json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    content = (b"\n\r\n" if blank else b"\n").join([*lines, b""])
    found = [raw.removesuffix(b"\r") for _, raw in batch_lines.lines_in(BytesIO(content))]
    assert lines == found


OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, OBJECTS, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_an_object_is_read_as_json_reads_it(value: dict[str, Any], indent: int | None, ascii_only: bool) -> None:
    """Each member has its value, and its own text gives the same value again."""
    read = batch_lines.JsonObject(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert value == {name: read.value(name) for name in read.spans}
    assert value == {name: json.loads(read.raw(name)) for name in read.spans}


@given(st.binary(max_size=60))
def test_no_line_raises(raw: bytes) -> None:
    """Whatever bytes a line holds, it has an outcome, and is its own receipt."""
    for name in BATCH_PROVIDERS:
        line = read_batch_line(name, raw)
        assert "failed" == line.outcome
        assert raw == line.raw
