"""Usage in forms that gateways and new releases give: charged in full, or not believed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from llm_monitoring.domain import ProviderName, Usage
from llm_monitoring.providers import read_reply
from tests.providers.server import recorded, stored

FIELDS = {"openai": "usage", "anthropic": "usage", "google": "usageMetadata", "perplexity": "usage"}
SEARCH = {"type": "web_search_call", "action": {"type": "search"}}


def document(provider: ProviderName, **usage: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(recorded(f"{provider}_plain"))
    body[FIELDS[provider]] = body[FIELDS[provider]] | usage
    return body


def read(provider: ProviderName, body: dict[str, Any]) -> Usage | None:
    return read_reply(provider, stored(body)).usage


@pytest.mark.parametrize(
    ("provider", "usage"),
    [
        ("openai", {"input_tokens_details": 5}),
        ("openai", {"output_tokens_details": []}),
        ("openai", {"input_tokens_details": {"cache_write_tokens_details": {"ttl_12h_tokens": 5}}}),
        ("anthropic", {"cache_creation": [1]}),
        ("anthropic", {"cache_creation": {"ephemeral_24h_input_tokens": 5}}),
        ("anthropic", {"server_tool_use": "1"}),
        ("anthropic", {"inference_geo": {"region": "us"}}),
        ("google", {"trafficType": 5}),
        ("perplexity", {"tool_calls_details": []}),
        ("perplexity", {"tool_calls_details": {"search_web": "1"}}),
        ("perplexity", {"tool_calls_details": {"search_web": -1}}),
        ("perplexity", {"tool_calls_details": {"search_web": True}}),
        ("perplexity", {"cost": None, "tool_calls_details": {"finance_search": {"invocation": 1}}}),
        ("perplexity", {"cost": None, "total_tokens": 10**6}),
    ],
)
def test_a_part_in_an_unknown_form_is_not_believed(provider: ProviderName, usage: dict[str, Any]) -> None:
    """What may cost more, and is in no form that has a price, leaves the usage unknown: the ceiling is charged."""
    assert read(provider, document(provider, **usage)) is None


@pytest.mark.parametrize("model", ["openai/gpt-4.1-mini", "azure/gpt-4o-mini-2024-07-18", "GPT-4.1-mini"])
def test_the_fixed_tokens_of_a_search_are_counted_under_a_gateways_name(model: str) -> None:
    """A prefix or capital letters in the model's name leave out no tokens."""
    body = document("openai") | {"model": model}
    body["output"] = [SEARCH, *body["output"]]
    found = read("openai", body)
    assert found is not None
    assert body["usage"]["input_tokens"] + 8000 == found.input_tokens


def test_searches_of_a_model_without_a_name_are_not_believed() -> None:
    """Whether their input has fixed tokens beyond the usage is not known."""
    body = document("openai") | {"model": ""}
    body["output"] = [SEARCH, *body["output"]]
    assert read("openai", body) is None


def test_cache_writes_in_the_details_alone_are_counted() -> None:
    """Writes that stand by lifetime alone are writes."""
    by_lifetime = {"ttl_30m_tokens": 40, "ttl_12h_tokens": 0}
    found = read("openai", document("openai", input_tokens_details={"cache_write_tokens_details": by_lifetime}))
    assert found is not None
    assert 40 == found.cache_write_tokens


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        ("ON_DEMAND", ""),
        ("PROVISIONED_THROUGHPUT", ""),
        ("ON_DEMAND_FLEX", "flex"),
        ("ON_DEMAND_PRIORITY", "priority"),
        ("ON_DEMAND_MOON", "ON_DEMAND_MOON"),
    ],
)
def test_the_traffic_of_vertex_is_a_tier(traffic: str, expected: str) -> None:
    """Priority traffic costs more than the standard price."""
    found = read("google", document("google", trafficType=traffic))
    assert found is not None
    assert expected == found.service_tier


@pytest.mark.parametrize(
    ("named", "expected"),
    [("SERVICE_TIER_STANDARD", ""), ("SERVICE_TIER_UNSPECIFIED", ""), ("SERVICE_TIER_FLEX", "FLEX"), ("flex", "flex")],
)
def test_a_tier_by_the_name_of_its_enum(named: str, expected: str) -> None:
    """The long form of a tier's name is the same tier."""
    found = read("google", document("google", serviceTier=named))
    assert found is not None
    assert expected == found.service_tier


def test_a_bare_number_of_calls_is_a_number_of_calls() -> None:
    """A gateway that leaves out the level of `invocation` has the calls counted, and its bill believed."""
    found = read("perplexity", document("perplexity", tool_calls_details={"search_web": 3, "fetch_url": 2}))
    assert found is not None
    assert 3 == found.searches
    assert Decimal("0.001") == found.fees_usd


@pytest.mark.parametrize(
    ("queries", "searches"),
    [
        (["a", "b", "a", "a"], 2),
        (["", "a", ""], 1),
        (["a", "A", "a "], 3),
        (["a", 5, 5, {"q": "a"}, None], 4),
        (["x" * 400 + "1", "x" * 400 + "2"], 2),
        ([], 0),
        ("a b", 0),
    ],
)
def test_google_bills_unique_queries(queries: object, searches: int) -> None:
    """Google ignores empty queries and counts the same one once; what is no text is counted each time."""
    body = document("google")
    body["candidates"][0]["groundingMetadata"] = {"webSearchQueries": queries}
    found = read("google", body)
    assert found is not None
    assert searches == found.searches


@pytest.mark.parametrize(("model", "searches"), [("gemini-3.8-flash", None), ("gemini-2.5-flash", 1)])
@pytest.mark.parametrize("queries", [None, [], [""], "q"])
def test_google_pages_without_queries(model: str, searches: int | None, queries: object) -> None:
    """How many queries brought the pages is unknown, which matters where each of them is billed."""
    body = document("google") | {"modelVersion": model}
    pages = [{"web": {"uri": "https://a.example/"}}]
    body["candidates"][0]["groundingMetadata"] = {"webSearchQueries": queries, "groundingChunks": pages}
    found = read("google", body)
    assert searches == (found and found.searches)


@pytest.mark.parametrize(
    ("content", "searches"),
    [
        (["use", "results", "use", "error"], 1),
        (["use", "results", "use"], 2),
        (["use", "error"], 0),
        (["results"], 1),
        ([], 0),
    ],
)
def test_anthropic_searches_without_a_count_in_the_usage(content: list[str], searches: int) -> None:
    """A search that was begun and has no result yet, as in a paused turn, counts; one that failed does not."""
    blocks = {
        "use": {"type": "server_tool_use", "name": "web_search"},
        "results": {"type": "web_search_tool_result", "content": []},
        "error": {"type": "web_search_tool_result", "content": {"error_code": "unavailable"}},
    }
    body = document("anthropic", server_tool_use=None)
    body["content"] = [*(blocks[each] for each in content), *body["content"]]
    found = read("anthropic", body)
    assert found is not None
    assert searches == found.searches


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"cost": "0.005"}, "0.005"),
        ({"cost": {"total_cost": "0.3", "currency": None}}, "0.3"),
        ({"cost": {"input_cost": "0.2", "output_cost": 0.1}}, "0.3"),
        ({"cost": 0.0005, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, "0.0205"),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, "0.02"),
        ({"cost": 0.02, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.02}}, "0.02"),
        ({"cost": 0.02, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}, "0.02"),
    ],
)
def test_the_bill_of_a_gateway(usage: dict[str, Any], expected: str) -> None:
    """Amounts in text count, and what the key's owner pays the provider is added to the gateway's fee."""
    found = read("perplexity", document("perplexity", **usage))
    assert found is not None
    assert Decimal(expected) == found.cost_usd


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_bill_of_a_gateway_before_any_provider(provider: ProviderName) -> None:
    """What a gateway bills for a call, its plugins included, is what the call costs."""
    found = read(provider, document(provider, cost=0.02, is_byok=False))
    assert found is not None
    assert Decimal("0.02") == found.cost_usd


@pytest.mark.parametrize(
    "cost",
    [
        "0.3 USD",
        "1e400",
        "-1",
        True,
        [0.3],
        {"total_cost": True},
        {"total_cost": "x"},
        {"total": 0.3},
        {"total_cost": {"amount": 0.3}},
        {"total_cost": 0.3, "currency": "EUR"},
        {"total_cost": 0.3, "currency": 5},
    ],
)
def test_a_bill_in_an_unknown_form_is_not_believed(cost: object) -> None:
    """A bill that cannot be read is not replaced by the lower price of our own."""
    assert read("perplexity", document("perplexity", cost=cost)) is None


@pytest.mark.parametrize("provider", FIELDS)
def test_a_usage_that_is_given_twice_is_not_believed(provider: ProviderName) -> None:
    """Two usages that differ leave open which of them is billed."""
    body = document(provider)
    twice = json.dumps(body)[:-1] + f', "{FIELDS[provider]}": {{"input_tokens": 1, "output_tokens": 1}}}}'
    assert read_reply(provider, stored(twice.encode())).usage is None


def test_a_count_that_is_given_twice_is_not_believed() -> None:
    """A smaller number behind a larger one does not replace it; the same number again is no doubt."""
    whole = json.dumps(document("anthropic"))
    smaller = whole.replace('"output_tokens": ', '"output_tokens": 90000, "output_tokens": ', 1)
    same = whole.replace('"output_tokens": 96', '"output_tokens": 96, "output_tokens": 96', 1)
    found = [read_reply("anthropic", stored(each.encode())).usage for each in (smaller, same)]
    assert [None, read("anthropic", document("anthropic"))] == found


def cites(provider: ProviderName, **usage: Any) -> dict[str, Any]:
    """An answer with a cited page, and neither a count nor a list of its searches."""
    whole: dict[str, Any] = json.loads(recorded(f"{provider}_plain"))
    if provider == "anthropic":
        page = {"type": "web_search_result_location", "url": "https://a.example/", "title": "A"}
        whole["content"] = [{"type": "text", "text": "Holded", "citations": [page]}]
    else:
        note = {"type": "url_citation", "url": "https://a.example/", "title": "A"}
        part = {"type": "output_text", "text": "Holded", "annotations": [note]}
        whole["output"] = [{"type": "message", "content": [part]}]
    hidden = {"cost": None, "tool_calls_details": None, "server_tool_use": None}
    whole["usage"] = whole["usage"] | hidden | usage
    return whole


@pytest.mark.parametrize("provider", ["openai", "anthropic", "perplexity"])
def test_cited_pages_without_a_search_are_no_free_searches(provider: ProviderName) -> None:
    """A gateway may drop the searches of a reply and keep its pages: their number is unknown; a bill covers them."""
    answer = read_reply(provider, stored(cites(provider)))
    assert "Holded" == answer.text
    assert answer.usage is None
    billed = read_reply(provider, stored(cites(provider, cost=0.0125))).usage
    assert billed is not None
    assert Decimal("0.0125") == billed.cost_usd


def test_a_perplexity_answer_without_a_sign_of_its_search_is_not_believed() -> None:
    """Every request asks for a search, so one without a bill has a fee that the reply does not show."""
    body = cites("perplexity")
    body["output"][0]["content"][0]["annotations"] = []
    assert read_reply("perplexity", stored(body)).usage is None
