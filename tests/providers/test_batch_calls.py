"""Batch calls: the form of each request, one at a time, and what is read in the replies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from llm_monitoring.domain import ProviderName
from llm_monitoring.providers import (
    BadRequest,
    BadResponse,
    BatchMissing,
    ProviderError,
    ProviderUnavailable,
    RemoteBatch,
    anthropic_batches,
    asks_in,
    missing_outcome,
    open_batches,
    openai_batches,
)
from tests.providers.batches import BATCH_PROVIDERS, IDS, OUR_BATCH, described, requests
from tests.providers.server import KEY, Server, question, replies, resets, says
from tests.providers.test_requests import FULL

MIDNIGHT = datetime(2026, 11, 29, tzinfo=UTC)
ROOT = {"openai": "/openai/v1/batches", "anthropic": "/anthropic/v1/messages/batches"}
REMOTE = {"openai": "batch_1", "anthropic": "msgbatch_1"}


def asked(server: Server) -> list[str]:
    return [f"{each.method} {each.path}" for each in server.received]


def posted_at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize("changes", [{}, FULL])
@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_batch_holds_the_bodies_of_single_calls(server: Server, name: ProviderName, changes: dict[str, Any]) -> None:
    """Each request of a batch has the body that the SDK sends for the same question on its own."""
    server.script(replies(f"{name}_plain"))
    server.open(name).send(question(name, **changes))
    single = server.received[-1].json
    server.script(says(described(name, id="file-in1")))
    batches = server.open_batches(name)
    if name == "openai":
        assert "file-in1" == batches.upload(OUR_BATCH, requests(name, **changes))
        lines = [line for line in server.received[-1].body.split(b"\n") if line.startswith(b"{")]
        read = [json.loads(line) for line in lines]
        assert [(each, "POST", "/v1/responses") for each in IDS[:2]] == [
            (line["custom_id"], line["method"], line["url"]) for line in read
        ]
        bodies = [line["body"] for line in read]
    else:
        batches.create(OUR_BATCH, requests(name, **changes), batches.upload(OUR_BATCH, requests(name)))
        sent = server.received[-1].json["requests"]
        assert list(IDS[:2]) == [each["custom_id"] for each in sent]
        bodies = [each["params"] for each in sent]
    assert [single, single] == bodies


def test_openai_creates_a_batch_with_our_id(server: Server) -> None:
    """The creation names the uploaded file and carries our id, by which a lost batch is found."""
    server.script(says(described("openai")))
    made = server.open_batches("openai").create(OUR_BATCH, requests("openai"), "file-in1")
    assert ["POST /openai/v1/batches"] == asked(server)
    assert server.received[0].json == {
        "completion_window": "24h",
        "endpoint": "/v1/responses",
        "input_file_id": "file-in1",
        "metadata": {"llmm_batch": str(OUR_BATCH)},
        "output_expires_after": {"anchor": "created_at", "seconds": 2592000},
    }
    assert made == RemoteBatch(
        remote_id="batch_1",
        state="running",
        status="validating",
        requests=2,
        created_at=datetime.fromtimestamp(1_795_910_400, UTC),
        expires_at=datetime.fromtimestamp(1_795_996_800, UTC),
        batch_id=OUR_BATCH,
        outputs=(),
        input_file="file-in1",
        answered=0,
    )


def test_openai_uploads_a_file_that_expires(server: Server) -> None:
    """The requests are uploaded as multipart form data, for batches, and for two days at most."""
    server.script(says(b'{"id":"file-in1","object":"file"}'))
    server.open_batches("openai").upload(OUR_BATCH, requests("openai"))
    sent = server.received[0]
    assert ["POST /openai/v1/files"] == asked(server)
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    for part in (b'name="purpose"\r\n\r\nbatch', b'name="expires_after[seconds]"\r\n\r\n172800', b"octet-stream"):
        assert part in sent.body
    assert f'filename="{OUR_BATCH}.jsonl"'.encode() in sent.body


def test_anthropic_creates_a_batch_in_one_request(server: Server) -> None:
    """The requests go inline; the batch that comes back has the provider's counts and no id of ours."""
    server.script(says(described("anthropic")))
    batches = server.open_batches("anthropic")
    assert batches.upload(OUR_BATCH, requests("anthropic")) is None
    made = batches.create(OUR_BATCH, requests("anthropic"), None)
    assert ["POST /anthropic/v1/messages/batches"] == asked(server)
    assert "2026-10-21" == server.received[0].headers["anthropic-version"]
    assert made == RemoteBatch(
        remote_id="msgbatch_1",
        state="running",
        status="in_progress",
        requests=2,
        created_at=MIDNIGHT,
        expires_at=MIDNIGHT.replace(day=30),
        batch_id=None,
        outputs=(),
        input_file=None,
        answered=0,
    )


@pytest.mark.parametrize(
    ("name", "status", "state"),
    [
        ("anthropic", "in_progress", "running"),
        ("anthropic", "canceling", "ending"),
        ("anthropic", "ended", "ended"),
        ("anthropic", "hibernating", "running"),
        ("openai", "validating", "running"),
        ("openai", "in_progress", "running"),
        ("openai", "finalizing", "ending"),
        ("openai", "cancelling", "ending"),
        ("openai", "completed", "ended"),
        ("openai", "expired", "ended"),
        ("openai", "cancelled", "ended"),
        ("openai", "failed", "failed"),
        ("openai", "hibernating", "running"),
    ],
)
def test_a_status_has_a_state(server: Server, name: ProviderName, status: str, state: str) -> None:
    """An unknown status is a running batch: it is asked for again, and nothing of it is given up."""
    field = {"anthropic": "processing_status", "openai": "status"}[name]
    server.script(says(described(name, **{field: status})))
    found = server.open_batches(name).get(REMOTE[name])
    assert state == found.state
    assert status == found.status
    assert [f"GET {ROOT[name]}/{REMOTE[name]}"] == asked(server)


def test_a_refused_file_says_why(server: Server) -> None:
    """A batch that fails its validation has the code and message of its first error, and ran nothing."""
    errors = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "Enqueued\ntoken limit"}]}
    server.script(says(described("openai", status="failed", errors=errors)))
    found = server.open_batches("openai").get("batch_1")
    assert "failed" == found.state
    assert "token_limit_exceeded" == found.error_code
    assert "Enqueued token limit" == found.error_message
    assert "not_billed" == missing_outcome(found, 0)


def test_a_failed_batch_with_results_is_collected(server: Server) -> None:
    """A batch that failed after requests had run is an ended one, because these are charged."""
    counts = {"total": 2, "completed": 1, "failed": 0}
    server.script(says(described("openai", status="failed", output_file_id="file-out1", request_counts=counts)))
    found = server.open_batches("openai").get("batch_1")
    assert "ended" == found.state
    assert ("file-out1",) == found.outputs
    assert 1 == found.answered


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_an_unknown_batch_is_missing(server: Server, name: ProviderName) -> None:
    """A 404 for a batch is its own error, as a new batch may not be listed yet."""
    server.script(says(b'{"error":{"type":"not_found_error","message":"No such batch"}}', 404))
    with pytest.raises(BatchMissing) as caught:
        server.open_batches(name).get(REMOTE[name])
    assert "no" == caught.value.billed
    assert 404 == caught.value.status


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
@pytest.mark.parametrize(
    ("status", "billed"), [(400, "no"), (401, "no"), (404, "no"), (429, "no"), (500, "maybe"), (504, "maybe")]
)
def test_a_refused_creation_is_certain_and_a_failed_one_is_not(
    server: Server, name: ProviderName, status: int, billed: str
) -> None:
    """After a refusal there is no batch; after an error of the provider there may be one. No request is repeated."""
    server.script(says(b'{"error":{"type":"api_error","message":"Sorry"}}', status))
    with pytest.raises(ProviderError) as caught:
        server.open_batches(name).create(OUR_BATCH, requests(name), "file-in1")
    assert billed == caught.value.billed
    assert 1 == len(server.received)


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
@pytest.mark.parametrize("reply", [b"", b"{}", b"[]", b'{"id":7}', b'{"id":"../../models"}', b'{"id":".."}'])
def test_a_creation_that_cannot_be_read_is_in_doubt(server: Server, name: ProviderName, reply: bytes) -> None:
    """A batch without an id that can be asked for may exist all the same."""
    server.script(says(reply))
    with pytest.raises(BadResponse) as caught:
        server.open_batches(name).create(OUR_BATCH, requests(name), "file-in1")
    assert "maybe" == caught.value.billed


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_torn_connection_leaves_the_creation_in_doubt(server: Server, name: ProviderName) -> None:
    """A reset after the request is perhaps a batch, and the error holds no key."""
    server.script(resets)
    with pytest.raises(ProviderUnavailable) as caught:
        server.open_batches(name).create(OUR_BATCH, requests(name), "file-in1")
    assert "maybe" == caught.value.billed
    assert KEY.reveal()[-8:] not in str(caught.value)


def test_cancelling_is_one_request(server: Server) -> None:
    """A cancelled batch goes on until what runs has ended."""
    server.script(says(described("anthropic", processing_status="canceling")))
    assert "ending" == server.open_batches("anthropic").cancel("msgbatch_1").state
    assert ["POST /anthropic/v1/messages/batches/msgbatch_1/cancel"] == asked(server)


def test_openai_forgets_every_file(server: Server) -> None:
    """Input and outputs are deleted, a deleted one is no error, and one that fails does not save the others."""
    counts = {"total": 2, "completed": 1, "failed": 1}
    files = {"output_file_id": "file-out1", "error_file_id": "file-err1"}
    server.script(says(described("openai", status="completed", request_counts=counts, **files)))
    batch = server.open_batches("openai").get("batch_1")
    server.received.clear()
    server.script(says(b"{}", 404), says(b"{}", 500), says(b"{}"))
    with pytest.raises(ProviderUnavailable):
        server.open_batches("openai").forget(batch)
    assert [f"DELETE /openai/v1/files/file-{each}" for each in ("in1", "out1", "err1")] == asked(server)


def test_anthropic_forgets_the_batch(server: Server) -> None:
    """The batch itself is deleted, with its results."""
    server.script(says(described("anthropic", processing_status="ended")))
    batches = server.open_batches("anthropic")
    batches.forget(batches.get("msgbatch_1"))
    assert "DELETE /anthropic/v1/messages/batches/msgbatch_1" == asked(server)[-1]


def page(name: ProviderName, *entries: bytes, more: object = False) -> bytes:
    return json.dumps({"data": [json.loads(each) for each in entries], "has_more": more}).encode()


def test_openai_finds_a_lost_batch_on_a_later_page(server: Server) -> None:
    """Our id in the metadata is certain; pages are read on as long as one of their batches is young enough."""
    other: dict[str, Any] = {"metadata": {"llmm_batch": "no id"}}
    old: dict[str, Any] = {"created_at": 1_795_000_000, "metadata": None}
    server.script(
        says(
            page(
                "openai",
                described("openai", id="batch_3", **other),
                described("openai", id="batch_9", **old),
                more=True,
            )
        ),
        says(page("openai", described("openai", id="batch_2"), described("openai", id="batch_1"), more=True)),
        says(page("openai", described("openai", id="batch_0", **old), more=True)),
    )
    found = server.open_batches("openai").find(OUR_BATCH, 2, MIDNIGHT, {"batch_2"})
    assert [("batch_1", OUR_BATCH)] == [(each.remote_id, each.batch_id) for each in found]
    marks = ["limit=100", "limit=100&after=batch_9", "limit=100&after=batch_1"]
    assert [f"GET /openai/v1/batches?{mark}" for mark in marks] == asked(server)


def test_anthropic_finds_candidates(server: Server) -> None:
    """As many requests, created after the POST, unknown to us: possibly ours, also if nothing is counted yet."""
    counts = {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0}
    made: dict[str, dict[str, Any]] = {
        "msgbatch_5": {},
        "msgbatch_4": {"request_counts": {**counts, "errored": 1}},
        "msgbatch_3": {"request_counts": None},
        "msgbatch_2": {"request_counts": counts},
        "msgbatch_1": {"created_at": "2026-11-28T23:49:00Z"},
    }
    entries = [described("anthropic", id=each, **changes) for each, changes in made.items()]
    server.script(says(page("anthropic", *entries)))
    found = server.open_batches("anthropic").find(OUR_BATCH, 2, MIDNIGHT, {"msgbatch_5"})
    assert ["msgbatch_3", "msgbatch_2"] == [each.remote_id for each in found]


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
@pytest.mark.parametrize(
    "broken", [b"{}", b'{"data":[]}', b'{"data":{},"has_more":false}', b'{"data":[],"has_more":true}']
)
def test_a_broken_list_proves_no_absence(server: Server, name: ProviderName, broken: bytes) -> None:
    """A list that cannot be read to its end is an error: the batch may be on what was not read."""
    server.script(says(broken))
    with pytest.raises(BadResponse):
        list(server.open_batches(name).find(OUR_BATCH, 2, MIDNIGHT, ()))


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_list_without_end_proves_no_absence(server: Server, name: ProviderName) -> None:
    """A list whose pages repeat is an error too."""
    server.script(says(page(name, described(name, id="batch_7"), more=True)))
    with pytest.raises(BadResponse, match="no end"):
        list(server.open_batches(name).find(OUR_BATCH, 7, MIDNIGHT, ()))


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_too_large_a_batch_is_not_sent(server: Server, name: ProviderName, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes or requests than the provider takes are refused before anything leaves."""
    module = {"openai": openai_batches, "anthropic": anthropic_batches}[name]
    server.script(says(described(name, id="file-in1")))
    batches = server.open_batches(name)
    for bound in ("MOST_BYTES", "MOST_REQUESTS"):
        with monkeypatch.context() as patch:
            patch.setattr(module, bound, 1)
            with pytest.raises(BadRequest) as caught:
                batches.create(OUR_BATCH, requests(name), batches.upload(OUR_BATCH, requests(name)))
        assert "no" == caught.value.billed
    assert [] == server.received


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_question_is_asked_in_its_own_mode(server: Server, name: ProviderName) -> None:
    """A batch holds no question of another mode, and a call on its own none of a batch."""
    server.script(says(described(name)))
    batches = server.open_batches(name)
    wrong = [replace(each, question=question(name)) for each in requests(name)]
    with pytest.raises(BadRequest):
        batches.create(OUR_BATCH, wrong, batches.upload(OUR_BATCH, wrong))
    with pytest.raises(BadRequest):
        server.open(name).send(question(name, mode="batch"))
    assert [] == server.received


def test_which_providers_take_batches() -> None:
    """OpenAI and Anthropic are asked in batches, the others are not."""
    names: list[ProviderName] = ["openai", "anthropic", "google", "perplexity"]
    assert [True, True, False, False] == [asks_in(name, "batch") for name in names]
    for name in ("google", "perplexity"):
        with pytest.raises(BadRequest):
            open_batches(name, KEY, base_url=None, timeout_seconds=1)


@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_errors_of_batch_calls_hold_no_key(server: Server, name: ProviderName) -> None:
    """An echo of the key in a reply is covered, in the error of each call and in what a batch says of its error."""
    echo = {"type": "invalid_request_error", "message": f"Incorrect API key: {KEY.reveal()}"}
    server.script(says(json.dumps({"error": echo}), 401))
    batches = server.open_batches(name)
    remote = RemoteBatch(REMOTE[name], "ended", "ended", 2, None, None, None, ("file-out1",), "file-in1")
    calls: list[Callable[[], object]] = [
        lambda: batches.create(OUR_BATCH, requests(name), "file-in1"),
        lambda: batches.get(REMOTE[name]),
        lambda: list(batches.find(OUR_BATCH, 2, MIDNIGHT, ())),
        lambda: list(batches.lines(remote)),
        lambda: batches.cancel(REMOTE[name]),
        lambda: batches.forget(remote),
    ]
    for call in calls:
        with pytest.raises(ProviderError, match=r"Incorrect API key: \*+") as caught:
            call()
        assert KEY.reveal()[-8:] not in str(caught.value)
    server.script(says(described("openai", status="failed", errors={"data": [{"code": "x", **echo}]})))
    found = server.open_batches("openai").get("batch_1").error_message or ""
    assert "Incorrect API key: ***" == found[:22]
    assert KEY.reveal()[-8:] not in found


@pytest.mark.parametrize(("replied", "outcome"), [(0, "failed"), (1, "failed"), (2, "not_billed"), (3, "not_billed")])
def test_a_missing_line_is_free_only_if_all_charged_ones_are_there(replied: int, outcome: str) -> None:
    """As long as fewer answers were read than the provider counts, a missing one may be charged."""
    batch = RemoteBatch("b", "ended", "ended", 4, None, None, UUID(int=1), (), None, answered=2)
    assert outcome == missing_outcome(batch, replied)


@pytest.mark.parametrize("counts", [None, {}, {"total": 0, "completed": 0}, {"total": -1, "succeeded": "2"}])
@pytest.mark.parametrize("name", BATCH_PROVIDERS)
def test_a_missing_line_is_not_free_without_a_count(server: Server, name: ProviderName, counts: object) -> None:
    """An ended batch of which nothing is counted proves nothing of a request without a line."""
    ended = {"anthropic": {"processing_status": "ended"}, "openai": {"status": "completed"}}[name]
    server.script(says(described(name, request_counts=counts, **ended)))
    batch = server.open_batches(name).get(REMOTE[name])
    assert "ended" == batch.state
    assert "failed" == missing_outcome(batch, 0)
