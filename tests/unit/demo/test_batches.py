"""Batches of the simulated providers: SDKs read them, our clients collect them, the bill counts each request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from llm_monitoring.demo.bill import PriceTable
from llm_monitoring.demo.exchange import BilledUnits
from llm_monitoring.demo.server.loopback import DemoServer
from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import (
    BatchClient,
    BatchLine,
    BatchMissing,
    BatchRequest,
    ProviderError,
    ProviderUnavailable,
    Question,
    RemoteBatch,
    open_batches,
    read_reply,
)
from tests.unit.demo.conftest import MODELS

if TYPE_CHECKING:
    import anthropic
    import openai

OUR_BATCH = UUID("0199f3a0-0000-7000-8000-000000000001")
IDS = tuple(f"0199f3a0-0000-7000-8000-0000000001{number:02}" for number in range(8))
BOTH: tuple[ProviderName, ...] = ("openai", "anthropic")


@pytest.fixture
def clients(server: DemoServer) -> Iterator[dict[str, BatchClient]]:
    with ExitStack() as stack:
        opened: dict[str, BatchClient] = {}
        for name in BOTH:
            opened[name] = open_batches(name, Secret(f"sk-test-{name}"), base_url=server.url(name), timeout_seconds=2)
            stack.callback(opened[name].close)
        yield opened


def created(client: BatchClient, number: int = 4, ids: tuple[str, ...] = IDS, **changes: Any) -> RemoteBatch:
    questions = [Question(f"best crm {at}?", MODELS[client.name], 900, mode="batch", **changes) for at in range(number)]
    requests = [BatchRequest(name, each) for name, each in zip(ids, questions, strict=False)]
    return client.create(OUR_BATCH, requests, client.upload(OUR_BATCH, requests))


def collected(client: BatchClient, batch: RemoteBatch) -> list[BatchLine]:
    return list(client.lines(client.get(batch.remote_id)))


def outcomes(lines: list[BatchLine]) -> Counter[str]:
    return Counter(line.outcome for line in lines)


def billed(server: DemoServer) -> Counter[str]:
    return Counter(charge.custom_id for charge in server.bill.lines)


@pytest.mark.parametrize("name", BOTH)
def test_a_batch_is_answered_at_half_price(server: DemoServer, clients: Any, name: ProviderName) -> None:
    """Every request has one line with an answer, and one line on the bill at half the price of its tokens."""
    batch = created(clients[name])
    assert "running" == batch.state
    assert [] == list(server.bill.lines)
    lines = collected(clients[name], batch)
    assert sorted(IDS[:4]) == sorted(line.custom_id for line in lines)
    assert dict.fromkeys(IDS[:4], 1) == billed(server)
    answers = {line.custom_id: read_reply(name, line.reply) for line in lines if line.reply}
    rates = {"openai": ("1", "5"), "anthropic": ("2", "10")}[name]
    for charge in server.bill.lines:
        usage = answers[charge.custom_id].usage
        assert usage is not None
        tokens = Decimal(rates[0]) * usage.input_tokens + Decimal(rates[1]) * usage.output_tokens
        assert tokens / 2_000_000 == Decimal(charge.price_usd)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "expected"),
    [
        ("openai", "gpt-6.1-terra", BilledUnits(1000, 500, searches=2), "0.02175"),  # searches at the full price
        ("openai", "gpt-4.1-mini", BilledUnits(1000, 0, cached=1000), "0.0001"),  # and the cache of older models
        ("openai", "gpt-6.1-terra", BilledUnits(1000, 0, cached=1000), "0.000025"),
        ("anthropic", "claude-sonnet-5-5", BilledUnits(1000, 100, searches=1), "0.0115"),
    ],
)
def test_only_tokens_are_cheaper(provider: str, model: str, usage: BilledUnits, expected: str) -> None:
    """A batch halves the price of tokens and no fee."""
    assert Decimal(expected) == sum(PriceTable.shipped().parts(provider, model, usage, "batch").values(), Decimal(0))


def test_the_sdk_of_anthropic_reads_a_batch(anthropic_client: anthropic.Anthropic) -> None:
    """Creation, retrieval, list and counts have the shapes of the SDK."""
    params: Any = {"model": MODELS["anthropic"], "max_tokens": 900, "messages": [{"role": "user", "content": "crm?"}]}
    made = anthropic_client.messages.batches.create(requests=[{"custom_id": IDS[0], "params": params}])
    assert "in_progress" == made.processing_status
    assert 1 == made.request_counts.processing
    ended = anthropic_client.messages.batches.retrieve(made.id)
    assert "ended" == ended.processing_status
    assert 1 == ended.request_counts.succeeded
    assert 0 == ended.request_counts.processing
    assert [made.id] == [each.id for each in anthropic_client.messages.batches.list(limit=1)]
    assert made.id == anthropic_client.messages.batches.delete(made.id).id


def test_the_sdk_of_openai_reads_a_batch(openai_client: openai.OpenAI) -> None:
    """Upload, creation, retrieval, list and results have the shapes of the SDK."""
    body = {"model": MODELS["openai"], "input": "crm?"}
    line = json.dumps({"custom_id": IDS[0], "method": "POST", "url": "/v1/responses", "body": body}).encode()
    file = openai_client.files.create(file=("batch.jsonl", line), purpose="batch")
    made = openai_client.batches.create(
        input_file_id=file.id, endpoint="/v1/responses", completion_window="24h", metadata={"k": "v"}
    )
    assert "validating" == made.status
    assert {"k": "v"} == made.metadata
    ended = openai_client.batches.retrieve(made.id)
    assert ended.request_counts is not None
    assert "completed" == ended.status
    assert 1 == ended.request_counts.completed
    assert ended.error_file_id is None
    answer = json.loads(openai_client.files.content(ended.output_file_id or "").content)
    assert IDS[0] == answer["custom_id"]
    assert 200 == answer["response"]["status_code"]
    assert "response" == answer["response"]["body"]["object"]
    assert [made.id] == [each.id for each in openai_client.batches.list(limit=1)]
    assert openai_client.files.delete(file.id).deleted


@pytest.mark.parametrize("name", BOTH)
def test_the_time_to_end_is_set(server: DemoServer, clients: Any, name: ProviderName) -> None:
    """A batch ends after as many looks as the plan says, or never; a cancelled one ends at the next look."""
    server.batches.set_plan({"ends_after": 2})
    batch = created(clients[name])
    assert ["running", "running", "ended"] == [clients[name].get(batch.remote_id).state for _ in range(3)]
    server.batches.set_plan({"ends_after": None, "ran": 1.0})
    batch = created(clients[name], ids=IDS[4:])
    assert "running" == clients[name].get(batch.remote_id).state
    assert "ending" == clients[name].cancel(batch.remote_id).state
    assert outcomes(collected(clients[name], batch)) == {"replied": 4}


@pytest.mark.parametrize(("ending", "ran", "left"), [("expired", 0.0, 4), ("cancelled", 0.0, 4), ("expired", 1.0, 0)])
@pytest.mark.parametrize("name", BOTH)
def test_what_did_not_run_is_not_billed(
    server: DemoServer, clients: Any, name: ProviderName, ending: str, ran: float, left: int
) -> None:
    """A batch that ends early has answers for what ran, a free line for each other request, and the bill agrees."""
    server.batches.set_plan({"ending": ending, "ran": ran})
    batch = created(clients[name])
    lines = collected(clients[name], batch)
    assert left == outcomes(lines)["not_billed"]
    assert 4 - left == outcomes(lines)["replied"]
    assert 4 - left == len(server.bill.lines)
    assert 4 - left == clients[name].get(batch.remote_id).answered


def test_a_batch_may_be_refused_as_a_whole(server: DemoServer, clients: Any) -> None:
    """A batch over the limit of the queue, or one with a deleted file, fails, and nothing of it is billed."""
    server.batches.set_plan({"ending": "failed"})
    batch = clients["openai"].get(created(clients["openai"]).remote_id)
    assert "failed" == batch.state
    assert "token_limit_exceeded" == batch.error_code
    server.batches.set_plan({"ending": "completed"})
    late = created(clients["openai"])
    clients["openai"].forget(late)
    assert "failed" == clients["openai"].get(late.remote_id).state
    assert () == server.bill.lines


@pytest.mark.parametrize("name", BOTH)
def test_a_new_batch_may_be_hidden(server: DemoServer, clients: Any, name: ProviderName) -> None:
    """It is neither found nor listed for a time, and then it is."""
    server.batches.set_plan({"hidden_seconds": 3600})
    batch, since = created(clients[name]), datetime.now(UTC)
    with pytest.raises(BatchMissing):
        clients[name].get(batch.remote_id)
    assert [] == list(clients[name].find(OUR_BATCH, 4, since, ()))
    server.batches.set_plan({"hidden_seconds": 0})
    assert [batch.remote_id] == [each.remote_id for each in clients[name].find(OUR_BATCH, 4, since, ())]


@pytest.mark.parametrize("kind", [{"kind": "reset", "when": "after_body"}, {"kind": "status", "status": 500}])
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("name", BOTH)
def test_a_creation_may_be_lost(
    server: DemoServer, clients: Any, name: ProviderName, kind: dict[str, Any], exists: bool
) -> None:
    """The connection ends or an error comes after the request, and the batch exists or not."""
    server.faults.set([{"match": {"route": "batch_create"}, "billed": exists, "action": kind}])
    before = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(ProviderError) as caught:
        created(clients[name])
    assert "maybe" == caught.value.billed
    assert exists == (len(list(clients[name].find(OUR_BATCH, 4, before, ()))) == 1)


@pytest.mark.parametrize(
    ("action", "outcome", "bills"),
    [
        ({"kind": "status", "status": 400}, {"openai": "refused", "anthropic": "not_billed"}, 3),
        ({"kind": "status", "status": 500}, {"openai": "failed", "anthropic": "not_billed"}, 3),
        ({"kind": "expired"}, {"openai": "not_billed", "anthropic": "not_billed"}, 3),
        ({"kind": "unreadable"}, {"openai": "failed", "anthropic": "failed"}, 4),
        ({"kind": "refusal"}, {"openai": "replied", "anthropic": "replied"}, 4),
        ({"kind": "usage", "value": "missing"}, {"openai": "replied", "anthropic": "replied"}, 3),
    ],
)
@pytest.mark.parametrize("name", BOTH)
def test_lines_may_be_mixed(
    server: DemoServer, clients: Any, name: ProviderName, action: Any, outcome: dict[str, str], bills: int
) -> None:
    """One request of a batch meets a fault, and the other lines are answers."""
    server.faults.set([{"match": {"route": "batch_request", "nth": 2}, "action": action}])
    lines = collected(clients[name], created(clients[name]))
    assert Counter({"replied": 3}) + Counter([outcome[name]]) == outcomes(lines)
    assert bills == len(server.bill.lines)


@pytest.mark.parametrize("name", BOTH)
def test_lines_may_be_missing_or_repeated_in_any_order(server: DemoServer, clients: Any, name: ProviderName) -> None:
    """A missing line is billed all the same, a repeated one once, and the order is not that of the requests."""
    rules = [
        {"match": {"route": "batch_request", "nth": at}, "action": {"kind": kind}}
        for at, kind in ((2, "dropped"), (3, "repeated"))
    ]
    server.faults.set(rules)
    batch = created(clients[name], number=8)
    lines = collected(clients[name], batch)
    assert 7 == len(lines)
    assert 8 == len(server.bill.lines)
    assert 8 == clients[name].get(batch.remote_id).answered
    assert sorted(line.custom_id for line in lines) != [line.custom_id for line in lines]


@pytest.mark.parametrize("name", BOTH)
def test_a_download_may_be_cut(server: DemoServer, clients: Any, name: ProviderName) -> None:
    """What came before the cut are answers, and the next download is whole."""
    route = {"openai": "file_content", "anthropic": "batch_results"}[name]
    cut = {"kind": "truncate", "content_length": "wrong"}
    server.faults.set([{"match": {"route": route}, "times": 1, "action": cut}])
    batch, read = created(clients[name]), list[BatchLine]()
    lines = clients[name].lines(clients[name].get(batch.remote_id))
    with pytest.raises(ProviderUnavailable):
        read.extend(line for line in lines)
    assert 1 <= len(read) < 4
    assert 4 == len(collected(clients[name], batch))


@pytest.mark.parametrize("name", BOTH)
def test_texts_may_hold_line_separators(server: DemoServer, clients: Any, name: ProviderName) -> None:
    """U+2028 stands unescaped in the lines, and ends none."""
    server.batches.set_plan({"separators": True})
    lines = collected(clients[name], created(clients[name]))
    assert outcomes(lines) == {"replied": 4}
    assert any("\u2028".encode() in line.raw for line in lines)


@pytest.mark.parametrize("name", BOTH)
def test_a_key_sees_its_own_batches(server: DemoServer, clients: Any, name: ProviderName) -> None:
    """Another key finds neither the batch nor its results."""
    batch = created(clients[name])
    ended = clients[name].get(batch.remote_id)
    other = open_batches(name, Secret("sk-another"), base_url=server.url(name), timeout_seconds=2)
    with pytest.raises(BatchMissing):
        other.get(batch.remote_id)
    with pytest.raises(BatchMissing):
        list(other.lines(ended))
    assert [] == list(other.find(OUR_BATCH, 4, datetime.now(UTC), ()))
    other.close()


@pytest.mark.parametrize("name", BOTH)
def test_a_lost_batch_runs_and_is_billed(server: DemoServer, clients: Any, name: ProviderName) -> None:
    """A provider runs what it has taken, also if no one looks."""
    created(clients[name])
    server.batches.finish()
    assert dict.fromkeys(IDS[:4], 1) == billed(server)


def test_the_plan_is_set_over_http(server: DemoServer, plain: Any) -> None:
    """POST /batches changes fields of the plan, and refuses others."""
    assert 3 == plain.send("POST", "/batches", {"ends_after": 3}).json()["ends_after"]
    assert 400 == plain.send("POST", "/batches", {"begins_after": 3}).status
    assert 3 == server.batches.plan.ends_after
