"""The pages that come back with an answer, and whether its text cites them or they were only searched."""

from __future__ import annotations

from typing import Any

import pytest

from llm_monitoring.domain import PROVIDERS
from llm_monitoring.providers import Citation, read_reply
from tests.providers.server import recorded, stored

REDIRECT = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/AUZIYQ"
RECORDED = {
    "openai_search": (
        Citation(
            "https://www.holded.com/es/facturacion?utm_source=openai", "Holded: facturación para pymes", cited=True
        ),
        Citation("https://getquipu.com/", "Quipu", cited=True),
    ),
    "anthropic_search": (
        Citation("https://www.holded.com/es", "Holded", cited=True),
        Citation("https://getquipu.com/", "Quipu", cited=True),
    ),
    "google_search": (
        Citation(REDIRECT + "E1", "holded.com", "holded.com", cited=True),
        Citation(REDIRECT + "E2", "getquipu.com", "getquipu.com", cited=True),
        Citation(REDIRECT + "E3", "Comparativa de programas de facturación", cited=False),
    ),
    "perplexity_plain": (
        Citation("https://www.holded.com/es", "Holded", cited=True),
        Citation("https://getquipu.com/", "Quipu", cited=True),
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_citations_keep_address_title_and_site(name: str) -> None:
    """Citations keep address and title, Google's redirects the domain that they hide, and whether the text cites."""
    provider = next(p for p in PROVIDERS if name.startswith(p))
    assert RECORDED[name] == read_reply(provider, stored(recorded(name))).citations


def openai(*items: dict[str, Any], annotations: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    part = {"type": "output_text", "text": "Holded", "annotations": list(annotations)}
    return {"output": [*items, {"type": "message", "content": [part]}]}


@pytest.mark.parametrize(
    "note",
    [
        {"type": "url_citation", "url_citation": {"url": "https://a.example/x", "title": "A", "start_index": 1}},
        {"type": "url_citation", "url": "https://a.example/x", "title": "A", "url_citation": None},
        {"url": "https://a.example/x", "title": "A"},
    ],
    ids=["nested", "flat", "without a type"],
)
def test_an_annotation_in_the_form_of_a_gateway(note: dict[str, Any]) -> None:
    """A page that a gateway nests one level deeper is the same citation."""
    expected = (Citation("https://a.example/x", "A", cited=True),)
    assert expected == read_reply("openai", stored(openai(annotations=(note,)))).citations


def test_openai_sources_that_the_text_does_not_cite_were_only_searched() -> None:
    """The sources of a search follow the citations, each once; OpenAI's parameter in a URL makes no other page."""
    sources = [
        {"type": "url", "url": url} for url in ("https://a.example/x", "https://b.example/", "https://b.example/")
    ]
    search = {"type": "web_search_call", "action": {"type": "search", "sources": sources}}
    note = {"type": "url_citation", "url": "https://a.example/x?utm_source=openai"}
    expected = (Citation(note["url"], cited=True), Citation("https://b.example/", cited=False))
    assert expected == read_reply("openai", stored(openai(search, annotations=(note,)))).citations


@pytest.mark.parametrize("provider", ["openai", "perplexity"])
def test_annotations_of_the_other_type_are_citations(provider: Any) -> None:
    """An annotation of type "citation" names a cited page, also if no list of search results does."""
    body = openai(
        annotations=({"type": "citation", "url": "https://a.example/x"}, {"type": "file_citation", "url": "x"})
    )
    assert (Citation("https://a.example/x", cited=True),) == read_reply(provider, stored(body)).citations


def perplexity(said: str, results: list[dict[str, Any]], *annotations: dict[str, Any]) -> tuple[Citation, ...]:
    part = {"type": "output_text", "text": said, "annotations": list(annotations)}
    body = {"output": [{"type": "search_results", "results": results}, {"type": "message", "content": [part]}]}
    return read_reply("perplexity", stored(body)).citations


@pytest.mark.parametrize("first", [1, "1", "web:1"], ids=repr)
@pytest.mark.parametrize(
    "said",
    ["Holded[1].", "Holded [web:1]", "Holded [1][7]", "Holded [1, 7]", "Holded [web:3, web:1]", "Holded [web:9,1]"],
)
def test_perplexity_marks_the_pages_that_it_cites(said: str, first: object) -> None:
    """Results with their number in the text are cited, the others were only searched."""
    results = [{"id": first, "url": "https://a.example/"}, {"id": 2, "url": "https://b.example/"}]
    assert [True, False] == [citation.cited for citation in perplexity(said, results)]


@pytest.mark.parametrize("said", ["Holded [2 1]", "Holded [web:]", "Holded 1, 2", "Holded [v1]", "Holded [12345, 1]"])
def test_other_numbers_in_brackets_cite_no_page(said: str) -> None:
    """Only a list of ids marks pages."""
    results = [{"id": 1, "url": "https://a.example/"}, {"id": 2, "url": "https://b.example/"}]
    assert [False, False] == [citation.cited for citation in perplexity(said, results)]


def test_perplexity_pages_that_were_read_follow_the_results() -> None:
    """A page that was only read, or that a search found already, is listed once."""
    found = [{"id": 1, "url": "https://a.example/", "title": "A"}]
    read = [{"url": f"https://{host}.example/", "title": host.upper(), "snippet": "x"} for host in "ab"]
    message = {"type": "message", "content": [{"type": "output_text", "text": "Holded [1]"}]}
    items = [{"type": "fetch_url_results", "contents": read}, {"type": "search_results", "results": found}, message]
    expected = (Citation("https://a.example/", "A", cited=True), Citation("https://b.example/", "B"))
    assert expected == read_reply("perplexity", stored({"output": items})).citations


def test_perplexity_results_without_numbers_say_nothing() -> None:
    """If results have no number, only an annotation shows that a page is cited; further annotated pages are added."""
    results: list[dict[str, Any]] = [{"url": "https://a.example/"}, {"id": None, "url": "https://b.example/"}]
    notes = [{"type": "citation", "url": f"https://{host}.example/"} for host in "bc"]
    found = {citation.url: citation.cited for citation in perplexity("Holded [1]", results, *notes)}
    assert {"https://a.example/": None, "https://b.example/": True, "https://c.example/": True} == found


@pytest.mark.parametrize("name", ["citationSources", "citations"])
def test_google_pages_that_the_text_repeats_are_cited(name: str) -> None:
    """Google names the pages of passages that the text repeats, also without a search; they follow the search's."""
    repeated = [{"uri": "https://b.example/", "endIndex": 9}, {"license": "MIT"}, None]
    repeated += [{"uri": "https://c.example/", "title": "C"}]
    metadata = {"groundingChunks": [{"web": {"uri": "https://b.example/", "title": "B"}}]}
    candidate = {"content": {"parts": [{"text": "Holded"}]}, "citationMetadata": {name: repeated}}
    pages = (Citation("https://b.example/", cited=True), Citation("https://c.example/", "C", cited=True))
    assert pages == read_reply("google", stored({"candidates": [candidate]})).citations
    found = read_reply("google", stored({"candidates": [candidate | {"groundingMetadata": metadata}]})).citations
    assert (Citation("https://b.example/", "B"), pages[1]) == found


def google(supports: object) -> tuple[Citation, ...]:
    chunks = [None, {"web": {"uri": "https://a.example/"}}, {"web": {"uri": "https://b.example/"}}]
    metadata = {"groundingChunks": chunks, "groundingSupports": supports}
    candidate = {"content": {"parts": [{"text": "Holded"}]}, "groundingMetadata": metadata}
    return read_reply("google", stored({"candidates": [candidate]})).citations


@pytest.mark.parametrize("supports", [None, [], "x", [3]], ids=repr)
def test_google_without_supports_says_nothing(supports: object) -> None:
    """It is unknown whether a chunk is cited if the reply does not say which passages it supports."""
    assert [None, None] == [citation.cited for citation in google(supports)]


def test_google_chunks_are_counted_with_the_unreadable_ones() -> None:
    """The places in the supports count every chunk, also one that is no page."""
    found = google([{"groundingChunkIndices": [1, True, "2"]}, {"groundingChunkIndices": 2.5}])
    assert [True, False] == [citation.cited for citation in found]


@pytest.mark.parametrize(
    "title", ["holded.com", "www.Holded.ES", "пример.рф", "例え.テスト", "xn--e1afmkfd.xn--p1ai", "a-b.co.uk"]
)
def test_the_site_behind_a_redirect_may_be_in_any_script(title: str) -> None:
    """A title that is a host names the site, whatever the script of its last part."""
    assert title == redirected(title).domain


@pytest.mark.parametrize("title", ["Comparativa de CRM", "Ranking 2.0", "a.b.1", "пример", "holded.com: precios", ""])
def test_a_title_that_is_no_host_names_no_site(title: str) -> None:
    """The title of a page is no site."""
    assert redirected(title).domain is None


def redirected(title: str) -> Citation:
    chunks = [{"web": {"uri": REDIRECT + "E1", "title": title}}]
    candidate = {"content": {"parts": [{"text": "Holded"}]}, "groundingMetadata": {"groundingChunks": chunks}}
    return read_reply("google", stored({"candidates": [candidate]})).citations[0]
