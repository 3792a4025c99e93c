"""The bill: exact prices by its own arithmetic, written before any reply leaves."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.demo.bill import Bill, PriceTable, fingerprint
from llm_monitoring.demo.exchange import BilledUnits
from llm_monitoring.demo.server.loopback import DemoServer

PER_TOKEN = Decimal("1e-6")


def price(provider: str, model: str, usage: BilledUnits) -> Decimal:
    return sum(PriceTable.shipped().parts(provider, model, usage).values(), Decimal(0))


@pytest.mark.parametrize(
    ("provider", "model", "usage", "expected"),
    [
        # 600 plain + 300 cached + 100 written, 500 out, 2 searches
        ("openai", "gpt-6.1-terra", BilledUnits(1000, 500, cached=300, cache_write=100, searches=2), "0.02324"),
        ("openai", "gpt-6.1-terra", BilledUnits(272_000, 1000), "0.277"),
        ("openai", "gpt-6.1-terra", BilledUnits(272_001, 1000), "0.551502"),
        ("openai", "gpt-6.1-terra-2026-10-06", BilledUnits(1_000_000, 0), "2"),
        ("anthropic", "claude-haiku-5-5", BilledUnits(100_001, 10, cached=1, cache_write=100_000), "0.06252505"),
        ("anthropic", "claude-sonnet-5-5", BilledUnits(12, 345, reasoning=200), "0.003474"),
        ("google", "gemini-3.1-pro-preview", BilledUnits(200_001, 3, searches=3), "0.842058"),
        ("perplexity", "perplexity/sonar", BilledUnits(3, 1, cached=1, searches=1), "0.0025030625"),
        ("openai", "gpt-chat-latest", BilledUnits(10, 10, cached=4), "0.000332"),
    ],
)
def test_prices_are_exact(provider: str, model: str, usage: BilledUnits, expected: str) -> None:
    """Cached, written and tiered tokens and searches are priced to the last digit, worked out by hand."""
    assert Decimal(expected) == price(provider, model, usage)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "perplexity"])
def test_the_bill_equals_the_usage_that_was_shown(server: DemoServer, plain: Any, provider: str) -> None:
    """The price of an answer follows from the usage in the reply and the provider's list price."""
    shown = plain.ask(provider).json()
    rates = {
        "openai": ("1", "5"),
        "anthropic": ("2", "10"),
        "google": ("0.75", "3.75"),
        "perplexity": ("0.25", "2.5"),
    }
    usage = shown["usageMetadata"] if provider == "google" else shown["usage"]
    if provider == "google":
        tokens = usage["promptTokenCount"], usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
    else:
        tokens = usage["input_tokens"], usage["output_tokens"]
    expected = sum(Decimal(rate) * count * PER_TOKEN for rate, count in zip(rates[provider], tokens, strict=True))
    assert expected == Decimal(server.bill.lines[0].price_usd)


def test_the_bill_knows_keys_by_fingerprint_only(server: DemoServer, plain: Any) -> None:
    """GET /bill sums requests and dollars by key, and no key is in it."""
    plain.ask("openai", key="sk-alpha-secret")
    plain.ask("openai", key="sk-alpha-secret")
    plain.ask("google", key="AQ.beta-secret")
    summary = plain.send("GET", "/bill")
    first, second, third = (Decimal(charge.price_usd) for charge in server.bill.lines)
    totals = summary.json()
    assert 3 == totals["requests"]
    assert f"{first + second + third:.10f}" == totals["total_usd"]
    assert totals["by_key"][fingerprint("sk-alpha-secret")] == {
        "requests": 2,
        "total_usd": f"{first + second:.10f}",
    }
    assert b"secret" not in summary.body + plain.send("GET", "/bill/lines").body


def test_a_charge_is_on_disk_before_the_reply(tmp_path: Path) -> None:
    """The line is in the file while the answer is on its way, also when the client does not wait."""
    path = tmp_path / "bill.jsonl"
    body = json.dumps({"model": "gpt-6-luna", "input": "hello"}).encode()
    lines = ["POST /openai/v1/responses HTTP/1.1", "Authorization: Bearer k", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, "", ""])
    with (
        DemoServer(bill=path, latency_ms=60_000) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(head.encode() + body)
        while not path.read_text():
            assert client.getpeername()
        client.close()
        line = json.loads(path.read_text())
    assert "openai" == line["provider"]
    assert "gpt-6-luna" == line["model"]
    assert fingerprint("k") == line["key"]


def test_a_restarted_server_goes_on_with_its_bill(tmp_path: Path) -> None:
    """A bill's file is read again, without a last line that a crash cut short."""
    path = tmp_path / "bill.jsonl"
    with DemoServer(bill=path) as server:
        expected = answer_some(server, 3)
    with path.open("a") as file:
        file.write('{"id": "half')
    bill = Bill(path)
    assert 3 == len(bill.lines)
    assert expected == bill.total_usd
    bill.close()


def answer_some(server: DemoServer, count: int) -> Decimal:
    from openai import OpenAI

    with OpenAI(api_key="k", base_url=server.url("openai"), max_retries=0) as client:
        for number in range(count):
            client.responses.create(model="gpt-6-luna", input=f"crm {number}")
    return server.bill.total_usd


def test_concurrent_charges_are_all_counted(server: DemoServer, tmp_path: Path) -> None:
    """Requests from many threads leave one line each."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: answer_some(server, 5), range(8)))
    assert 40 == len(server.bill.lines)
    assert 40 == len({charge.id for charge in server.bill.lines})


def test_the_witness_shares_no_code_with_the_package() -> None:
    """The server's process loads nothing of the package but the demo itself."""
    code = (
        "import sys, llm_monitoring.demo.server\n"
        "own = [name for name in sys.modules if name.startswith('llm_monitoring.')]\n"
        "print([name for name in own if not name.startswith('llm_monitoring.demo')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_every_priced_model_of_the_registry_answers(server: DemoServer) -> None:
    """Each model of the shipped price list is served."""
    shipped = json.loads((Path(sys.modules[PriceTable.__module__].__file__ or "").parent / "prices.json").read_text())
    names = [(p, m["model_id"]) for p, entry in shipped["providers"].items() for m in entry["models"]]
    assert [] == [name for name in names if not server.models.serves(*name)]
