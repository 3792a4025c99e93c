"""Which models there are: all pages, text models only, and never an empty list."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.providers import AuthFailed, BadResponse, ModelInfo, ProviderUnavailable
from llm_monitoring.providers.model_lists import answers_text, instant, limit
from tests.providers.server import Server, replies, resets, says

LISTS = Path(__file__).parent / "model_ids"
PAGES: dict[ProviderName, list[str]] = {
    "openai": ["openai_models"],
    "anthropic": ["anthropic_models_1", "anthropic_models_2"],
    "google": ["google_models_1", "google_models_2"],
    "perplexity": ["perplexity_models"],
}


@pytest.mark.parametrize("path", sorted(LISTS.glob("*.txt")), ids=lambda p: p.stem)
def test_rules_on_real_ids(path: Path) -> None:
    """Each id of a real list is kept or dropped as its mark in the list says."""
    provider = next(p for p in PROVIDERS if path.stem.startswith(p))
    lines = [line.split() for line in path.read_text("utf-8").splitlines() if line]
    wrong = [(mark, model) for mark, model in lines if (mark == "+") != answers_text(provider, model)]
    assert wrong == []
    assert {mark for mark, _ in lines} == {"+", "-"}


def listed(server: Server, name: ProviderName) -> list[ModelInfo]:
    server.script(*(replies(page) for page in PAGES[name]))
    return server.open(name).list_models()


def test_openai_models(server: Server) -> None:
    """OpenAI's list is reduced to text models, with the dates of creation and shutdown."""
    found = {m.model_id: m for m in listed(server, "openai")}
    assert found["gpt-5"].retires_at == datetime(2026, 12, 11, tzinfo=UTC)
    assert found["gpt-6-astra"].created == datetime.fromtimestamp(1686935002, UTC)
    assert "gpt-6-luna" == found["gpt-6-luna"].display_name
    assert found["gpt-6-luna"].retires_at is None
    marked = (LISTS / "openai.txt").read_text("utf-8").splitlines()
    assert set(found) == {line[2:] for line in marked if line.startswith("+")}
    assert [(r.method, r.path) for r in server.received] == [("GET", "/openai/v1/models")]


def test_anthropic_models(server: Server) -> None:
    """Anthropic's pages are all read, retired models dropped, an unknown date of creation left empty."""
    found = {m.model_id: m for m in listed(server, "anthropic")}
    assert list(found) == [
        "claude-haiku-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-4-5-20251001",
        "claude-opus-4-5",
    ]
    assert found["claude-haiku-4-5-20251001"] == ModelInfo(
        model_id="claude-haiku-4-5-20251001",
        display_name="Claude Haiku 4.5",
        created=datetime(2026, 9, 24, tzinfo=UTC),
        retires_at=datetime(2026, 12, 15, tzinfo=UTC),
        lifecycle="deprecated",
        max_input_tokens=1000000,
        max_output_tokens=64000,
    )
    assert found["claude-opus-4-5"].created is None
    assert [r.path for r in server.received] == [
        "/anthropic/v1/models?limit=1000",
        "/anthropic/v1/models?after_id=claude-sonnet-5-5&limit=1000",
    ]


def test_google_models(server: Server) -> None:
    """Google's pages are all read, and only what generates text is kept."""
    found = listed(server, "google")
    assert [m.model_id for m in found] == [
        "gemini-4-argon",
        "gemini-3.8-flash",
        "gemini-flash-latest",
        "gemini-3.5-flash-lite",
    ]
    assert found[0] == ModelInfo("gemini-4-argon", "Gemini 4 Argon", max_input_tokens=1048576, max_output_tokens=65536)
    assert [r.path for r in server.received] == [
        "/google/v1beta/models?pageSize=1000",
        "/google/v1beta/models?pageSize=1000&pageToken=Ch9tb2RlbHMv",
    ]


def test_perplexity_models(server: Server) -> None:
    """Only Perplexity's own models of its list count; others belong to their own providers."""
    assert [m.model_id for m in listed(server, "perplexity")] == ["perplexity/sonar"]


@pytest.mark.short(every=4)
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "null",
        "[]",
        "<html></html>",
        '{"data": [], "models": []}',
        '{"data": null, "models": null}',
        '{"data": "x", "models": "x"}',
        '{"data": [{"id": 5}], "models": [{"name": 5}]}',
        '{"data": [{"id": "whisper-1"}], "models": [{"name": "models/aqa"}]}',
        '{"data": [{"id": "gpt-6"}, null], "models": [{"name": "models/gemini-4-argon"}, null]}',
        '{"error": {"message": "no"}}',
    ],
)
def test_nonsense_lists(server: Server, name: ProviderName, body: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A list that is empty or cannot be read is a failure, not news."""
    server.script(says(body))
    with pytest.raises(BadResponse):
        server.open(name).list_models()


@pytest.mark.parametrize("last", ["", ', "last_id": null', ', "last_id": ""', ', "last_id": 5'])
def test_a_page_without_the_id_of_its_last_entry(server: Server, last: str) -> None:
    """The next page is asked for with the last entry of this one: a model of that page is not missing."""
    more = '{"data": [{"id": "claude-a"}, {"id": "claude-b"}], "has_more": true' + last + "}"
    server.script(says(more), says('{"data": [{"id": "claude-c"}], "has_more": false}'))
    found = server.open("anthropic").list_models()
    assert ["claude-a", "claude-b", "claude-c"] == [each.model_id for each in found]
    assert server.received[1].path.startswith("/anthropic/v1/models?after_id=claude-b&")


@pytest.mark.parametrize("more", ["true", '"yes"', "1"])
def test_a_page_that_names_more_than_it_holds(server: Server, more: str) -> None:
    """A list that cannot be read to its end is no list."""
    empty = '{"data": [], "has_more": ' + more + "}"
    server.script(says('{"data": [{"id": "claude-a"}], "has_more": true}'), says(empty))
    with pytest.raises(BadResponse):
        server.open("anthropic").list_models()


@pytest.mark.parametrize("name", ["openai", "anthropic", "perplexity"])
def test_pages_without_end(server: Server, name: ProviderName) -> None:
    """A server that sends the same page for ever is left."""
    page = '{"data": [{"id": "claude-x"}, {"id": "gpt-9"}], "has_more": true, "last_id": "gpt-9"}'
    server.script(says(page))
    with pytest.raises(BadResponse, match="no end"):
        server.open(name).list_models()
    assert len(server.received) == 2


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_list_that_breaks_on_its_second_page(server: Server, name: ProviderName) -> None:
    """An incomplete list is an error, because its missing models would look retired."""
    page = (
        '{"data": [{"id": "claude-x"}, {"id": "gpt-9"}, {"id": "perplexity/x"}], "has_more": true,'
        ' "last_id": "a",'
        ' "models": [{"name": "models/gemini-9", "supportedGenerationMethods": ["generateContent"]}],'
        ' "nextPageToken": "a"}'
    )
    server.script(says(page), resets)
    with pytest.raises(ProviderUnavailable):
        server.open(name).list_models()


@pytest.mark.parametrize("name", PROVIDERS)
def test_listing_with_a_bad_key(server: Server, name: ProviderName) -> None:
    """A refused key is reported as such."""
    server.script(says("{}", 401))
    with pytest.raises(AuthFailed):
        server.open(name).list_models()
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1795405200, datetime(2026, 11, 23, 3, 40, tzinfo=UTC)),
        ("2026-12-11", datetime(2026, 12, 11, tzinfo=UTC)),
        ("2026-12-11T01:02:03Z", datetime(2026, 12, 11, 1, 2, 3, tzinfo=UTC)),
        ("2026-12-11T01:00:00+03:00", datetime(2026, 12, 10, 22, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        (0, None),
        (-5, None),
        (10**20, None),
        (True, None),
        ("soon", None),
        (None, None),
    ],
)
def test_instants(value: object, expected: datetime | None) -> None:
    """A moment in any of the providers' forms, or none."""
    assert instant(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(128000, 128000), (2**31, None), (0, None), (-1, None), (True, None), ("9", None), (1.5, None)],
)
def test_limits_that_no_model_has_are_unknown(value: object, expected: int | None) -> None:
    """A limit is a whole number that the registry's column holds, or it would stop the check of every provider."""
    assert limit(value) == expected
