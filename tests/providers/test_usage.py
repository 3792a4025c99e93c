"""What a reply says of its cost: every form that is billed, and nothing that cannot be."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_monitoring.domain import PROVIDERS, ProviderName, Usage
from llm_monitoring.providers import Answer, BadResponse, ProviderError, Reply, read_reply
from llm_monitoring.providers.parsing import MOST_CALL_TOKENS, MOST_SEARCHES
from tests.providers.server import recorded, stored

USAGE_FIELDS = {"openai": "usage", "anthropic": "usage", "google": "usageMetadata", "perplexity": "usage"}


def document(provider: ProviderName) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(recorded(f"{provider}_plain"))
    return found


def usage_of(provider: ProviderName, body: dict[str, Any]) -> Usage | None:
    return read_reply(provider, stored(body)).usage


def with_usage(provider: ProviderName, **fields: Any) -> Usage | None:
    body = document(provider)
    body[USAGE_FIELDS[provider]] = body[USAGE_FIELDS[provider]] | fields
    return usage_of(provider, body)


def test_searches_that_a_reply_does_not_list_are_no_free_searches() -> None:
    """Google read pages for the answer and lists no query, as in a reply without text: its cost is not known."""
    plain = document("google")["usageMetadata"]
    assert usage_of("google", document("google")) is not None
    total = plain["totalTokenCount"] + 362
    assert with_usage("google", toolUsePromptTokenCount=362, totalTokenCount=total) is None


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        ("anthropic", dict.fromkeys(("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), 10**9)),
        ("anthropic", {"input_tokens": MOST_CALL_TOKENS}),
        ("anthropic", {"server_tool_use": {"web_search_requests": MOST_SEARCHES + 1}}),
        ("openai", {"input_tokens": 6 * 10**6, "output_tokens": 6 * 10**6}),
        ("google", {"promptTokenCount": 10**9, "toolUsePromptTokenCount": 10**9, "totalTokenCount": 2 * 10**9}),
        ("google", {"totalTokenCount": 10**9}),
        ("perplexity", {"input_tokens": 10**9, "input_tokens_details": {"cache_read_input_tokens": 10**9}}),
    ],
)
def test_sums_beyond_any_context_are_not_believed(provider: ProviderName, fields: dict[str, Any]) -> None:
    """Counts that are possible one by one and not together leave the usage unknown, so that the ceiling is charged."""
    assert with_usage(provider, **fields) is None


def openai_search(*actions: str, **fields: Any) -> Usage | None:
    body = document("openai") | fields
    body["output"] = [*({"type": "web_search_call", "action": {"type": each}} for each in actions), *body["output"]]
    return usage_of("openai", body)


ACTIONS = ("search", "open_page", "find_in_page")


@pytest.mark.parametrize(("reported", "searches"), [(1, 1), (0, 0), (2, 2), (None, 3), (..., 3)])
def test_openai_counts_the_searches_that_it_bills(reported: object, searches: int) -> None:
    """Its own count wins over the items, which hold pages that were only opened; without it every item counts."""
    fields = {} if reported is ... else {"tool_usage": {"web_search": {"num_requests": reported}}}
    found = openai_search(*ACTIONS, **fields)
    assert found is not None
    assert searches == found.searches


@pytest.mark.parametrize("reported", [-1, 1.0, "1", True, [], 10**9])
def test_an_impossible_count_of_searches_is_not_believed(reported: object) -> None:
    """What is no count leaves the usage unknown."""
    assert openai_search("search", tool_usage={"web_search": {"num_requests": reported}}) is None


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("items", [None, "x", {}, 0, [None], [[]], ["x"]])
def test_searches_in_a_list_that_cannot_be_read_are_not_believed_to_be_none(
    provider: ProviderName, items: object
) -> None:
    """Without a count of the searches and without a list of them, their fees are unknown."""
    field = "output" if provider == "openai" else "content"
    with pytest.raises(BadResponse) as failed:
        usage_of(provider, document(provider) | {field: items})
    assert "maybe" == failed.value.billed


@pytest.mark.parametrize("model", ["gpt-4.1-mini-2025-04-14", "gpt-4o-mini"])
@pytest.mark.parametrize(("actions", "unseen"), [((), 0), (("search",), 8000), (("search", "search"), 16000)])
def test_the_fixed_tokens_of_a_search_are_counted(model: str, actions: tuple[str, ...], unseen: int) -> None:
    """These models bill 8,000 input tokens a search that their usage does not hold."""
    found = openai_search(*actions, model=model)
    assert found is not None
    assert document("openai")["usage"]["input_tokens"] + unseen == found.input_tokens


def test_other_models_bill_the_tokens_that_they_say() -> None:
    """A search of any other model adds what its usage holds."""
    found = openai_search("search")
    assert found is not None
    assert document("openai")["usage"]["input_tokens"] == found.input_tokens


@pytest.mark.parametrize(
    ("provider", "field"),
    [("openai", None), ("perplexity", None), ("anthropic", "service_tier"), ("google", "serviceTier")],
)
@pytest.mark.parametrize(
    ("value", "expected"), [("priority", "priority"), ("moon", "moon"), ("default", ""), (None, "")]
)
def test_the_service_tier_is_kept(provider: ProviderName, field: str | None, value: object, expected: str) -> None:
    """The tier that the reply names decides the price, also one that is not known yet."""
    found = (
        with_usage(provider, **{field: value})
        if field
        else usage_of(provider, document(provider) | {"service_tier": value})
    )
    assert found is not None
    assert expected == found.service_tier


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("value", [1, [], {}, True])
def test_a_tier_that_is_no_name_is_not_believed(provider: ProviderName, value: object) -> None:
    """What names no tier leaves the usage unknown."""
    body = document(provider) | {"service_tier": value}
    body[USAGE_FIELDS[provider]] |= {"service_tier": value, "serviceTier": value}
    assert usage_of(provider, body) is None


@pytest.mark.parametrize(("speed", "expected"), [("fast", "fast"), ("standard", ""), (None, "")])
def test_the_speed_of_claude_is_a_tier(speed: object, expected: str) -> None:
    """A faster inference has a price of its own."""
    found = with_usage("anthropic", speed=speed, service_tier="standard")
    assert found is not None
    assert expected == found.service_tier


def test_cache_writes_of_an_hour_are_told_apart() -> None:
    """Writes that are kept for an hour cost more than those of five minutes."""
    lifetimes = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 10_000}
    expected = Usage(58 + 10_100, 96, cache_write_tokens=10_100, cache_write_1h_tokens=10_000)
    assert expected == with_usage("anthropic", cache_creation_input_tokens=10_100, cache_creation=lifetimes)
    assert expected == with_usage("anthropic", cache_creation_input_tokens=None, cache_creation=lifetimes)


MESSAGE = {"type": "message", "input_tokens": 58, "output_tokens": 96}
COMPACTION = {"type": "compaction", "input_tokens": 50_000, "output_tokens": 700, "cache_read_input_tokens": 5}


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [
        ([], Usage(58, 96)),
        (None, Usage(58, 96)),
        ([MESSAGE], Usage(58, 96)),
        ([MESSAGE, MESSAGE], Usage(116, 192)),
        ([MESSAGE, COMPACTION], Usage(50_063, 796, cached_tokens=5)),
        ([COMPACTION | {"model": "claude-other"}], None),
        ([{"type": "compaction"}], None),
        ([7], None),
        ({"type": "compaction"}, None),
    ],
)
def test_every_iteration_of_claude_is_counted(iterations: object, expected: Usage | None) -> None:
    """A compaction is not in the usage's own counts, and another model has another price."""
    assert expected == with_usage("anthropic", iterations=iterations)


def perplexity(cost: object = None, **fields: Any) -> Usage | None:
    return with_usage("perplexity", cost=cost, **fields)


PARTS = {"input_cost": 0.1, "output_cost": 0.1, "tool_calls_cost": 0.1}


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (0.005, Decimal("0.005")),
        (1, Decimal(1)),
        (0, None),
        (-0.5, None),
        ({"total_cost": 0.005, "currency": "usd"}, Decimal("0.005")),
        ({"total_cost": 0.005, "currency": " Usd "}, Decimal("0.005")),
        ({"total_cost": 0.3, **PARTS}, Decimal("0.3")),
        ({"total_cost": 0.299999, **PARTS}, Decimal("0.299999")),
        (PARTS, Decimal("0.3")),
        ({"total_cost": 0.4, **PARTS}, Decimal("0.4")),
    ],
)
def test_the_bill_of_perplexity_in_every_form(cost: object, expected: Decimal | None) -> None:
    """A bare number, any case of the currency and parts without a total are its bill too."""
    found = perplexity(cost)
    assert found is not None
    assert expected == found.cost_usd


@pytest.mark.parametrize(
    "cost", [{"total_cost": 0.001, **PARTS}, 10**300, {"input_cost": 1e30}, {"total_cost": -(10**9)}]
)
def test_an_impossible_bill_is_not_believed(cost: object) -> None:
    """A total below its parts, or beyond what a call can cost, leaves the usage unknown."""
    assert perplexity(cost) is None


def test_perplexity_tools_are_counted_without_a_bill() -> None:
    """The larger of lists and invocations counts as searches, and pages that were fetched have a fee of their own."""
    body = json.loads(recorded("perplexity_two_searches"))
    body["usage"]["cost"] = None
    body["usage"]["tool_calls_details"] = {"search_web": {"invocation": 1}, "fetch_url": {"invocation": 3}}
    found = usage_of("perplexity", body)
    assert found is not None
    assert 2 == found.searches
    assert Decimal("0.0015") == found.fees_usd


NUMBERS = st.one_of(
    st.integers(-5, 10**12), st.floats(), st.booleans(), st.none(), st.text(max_size=5), st.just(10**400)
)
NAMES = st.sampled_from(
    "output content candidates parts text type usage usageMetadata cost total_cost input_cost input_tokens "
    "output_tokens promptTokenCount totalTokenCount webSearchQueries groundingMetadata groundingChunks web uri "
    "groundingSupports groundingChunkIndices annotations url citations results id action sources tool_usage "
    "web_search num_requests iterations cache_creation service_tier serviceTier "
    "model modelVersion status error message stop_reason".split()
)
JSON = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


def assert_readable(provider: ProviderName, body: bytes) -> None:
    """Reading gives an answer or one of our errors, and a usage that is credible or none."""
    try:
        found: Answer | ProviderError = read_reply(provider, Reply(200, body, 1))
    except ProviderError as error:
        found = error
    usage = found.usage
    assert usage is None or (0 <= usage.total_tokens <= MOST_CALL_TOKENS and usage.searches >= 0)
    assert usage is None or usage.cost_usd is None or usage.cost_usd > 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=JSON)
def test_any_json_is_read(value: object) -> None:
    """No reply, whatever JSON it is, breaks its reader."""
    body = json.dumps(value).encode()
    for provider in PROVIDERS:
        assert_readable(provider, body)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), provider=st.sampled_from(PROVIDERS), value=JSON)
def test_any_value_in_any_place_is_read(data: st.DataObject, provider: ProviderName, value: object) -> None:
    """A good reply with anything in the place of one of its values is read, or refused with our own errors."""
    name = data.draw(st.sampled_from(["plain", "search" if provider != "perplexity" else "two_searches"]))
    whole: Any = json.loads(recorded(f"{provider}_{name}"))
    place: Any = whole
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = value
            break
        place = place[key]
    assert_readable(provider, json.dumps(whole).encode())


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("depth", [100, 300, 900, 990, 5000])
def test_any_depth_is_read(provider: ProviderName, depth: int) -> None:
    """Nesting as deep as the parser still reads it breaks nothing behind the parser."""
    for body in (b"[" * depth + b"]" * depth, b'{"error":' * depth + b"1" + b"}" * depth):
        assert_readable(provider, body)
