"""Reads replies and model lists in Gemini's generateContent form, which both of Google's SDKs use."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any, Final, Literal

from llm_monitoring.domain import ProviderName, Usage
from llm_monitoring.providers import model_lists
from llm_monitoring.providers.base import Answer, BadRequest, Citation, ModelInfo, Question, Reply
from llm_monitoring.providers.parsing import (
    InvalidUsage,
    ReplyMeta,
    consistent,
    count,
    count_or_zero,
    document,
    join_paragraphs,
    mapping,
    mappings,
    shown,
    text,
    tier,
)

NAME: Final[ProviderName] = "google"
BASE_URL: Final = "https://generativelanguage.googleapis.com"
API_VERSION: Final = "v1beta"
PAGE_SIZE: Final = 1000
MOST_CANDIDATES: Final = 8  # that a request may ask for; ours asks for one

REDIRECT_HOST: Final = "vertexaisearch.cloud.google.com"
DOMAIN: Final = re.compile(r"(?:[\w-]+\.)+(?:[^\W\d_]{2,}|xn--[a-z\d-]+)", re.IGNORECASE)
BILLED_BY_PROMPT: Final = re.compile(r"gemini-(?:1|2)[.-]")
# Provisioned throughput is prepaid and charged at the standard price, so that the charge is never too low.
TRAFFIC_TIERS: Final = {
    "TRAFFIC_TYPE_UNSPECIFIED": "",
    "ON_DEMAND": "",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "flex",
    "ON_DEMAND_PRIORITY": "priority",
    "PROVISIONED_THROUGHPUT": "",
}
CHEAPER_TIERS: Final = frozenset({"flex", "batch"})
BUDGETED: Final = re.compile(r"gemini-2\.5")
CUT: Final = ("MAX_TOKENS", "CONTINUATION")
ENDED: Final = ("STOP", *CUT)
BLOCKED: Final = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "ESCALATION",
    }
    | {"PUP_LIMITED_DISABLED", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "JAILBREAK"}
)
BROKEN: Final = frozenset(
    {"OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"}
    | {"MISSING_THOUGHT_SIGNATURE"}
)
LEVELS: Final = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
BUDGETS: Final = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}


def thinking(question: Question) -> dict[str, Any]:
    """Return the thinking settings for an effort: a budget of tokens for 2.5, a level for later models."""
    effort = question.reasoning_effort
    if not effort:
        return {}
    if effort not in LEVELS:
        raise BadRequest(f"google: unknown reasoning effort {effort!r}", billed="no")
    if BUDGETED.search(question.model_id):
        return {"thinking_budget": BUDGETS[effort]}
    return {"thinking_level": LEVELS[effort]}


def read(reply: Reply) -> Answer:
    """Read a stored reply; raises Refused or BadResponse."""
    body = document(NAME, reply)
    meta = ReplyMeta(NAME, text(body.get("modelVersion")), usage_in(body, reply.service_tier))
    finish = finish_of(body, meta)
    return meta.answer(text_in(body), citations_in(body), finish)


def candidate(body: dict[str, object]) -> dict[str, object]:
    """Return the first candidate with text, or the first one if none has any; {} if there is none."""
    listed = mappings(body.get("candidates"))[:MOST_CANDIDATES]
    return next(filter(has_text, listed), next(iter(listed), {}))


def parts_of(candidate: dict[str, object]) -> list[dict[str, object]]:
    return mappings(mapping(candidate.get("content")).get("parts"))


def has_text(candidate: dict[str, object]) -> bool:
    return any(is_text(part) and text(part.get("text")) for part in parts_of(candidate))


def finish_of(body: dict[str, object], meta: ReplyMeta) -> Literal["stop", "max_tokens"]:
    """Return how the reply ended; raises Refused or BadResponse if it is not an answer."""
    error, reason = body.get("error"), text(candidate(body).get("finishReason"))
    if error and not (reason in ENDED and text_in(body).strip()):
        raise meta.bad(f"an error instead of an answer: {shown(mapping(error).get('message') or error)}")
    block = mapping(body.get("promptFeedback")).get("blockReason")
    if block and not candidate(body):
        raise meta.refused(f"the prompt was blocked: {shown(block)}")
    if reason in BLOCKED:
        raise meta.refused(f"the answer was blocked: {reason} {shown(candidate(body).get('finishMessage') or '')}")
    if reason in BROKEN:
        raise meta.bad(f"the answer ended with {reason}")
    return "max_tokens" if reason in CUT else "stop"


def text_in(body: dict[str, object]) -> str:
    return text_of(candidate(body))


def text_of(candidate: dict[str, object]) -> str:
    """Return the text; consecutive text parts are one passage, and any other part between them starts a new one."""
    runs = groupby(parts_of(candidate), is_text)
    return join_paragraphs("".join(text(part.get("text")) for part in run) for is_passage, run in runs if is_passage)


def is_text(part: dict[str, object]) -> bool:
    """Return whether a part belongs to the answer's text; one that holds only a signature interrupts nothing."""
    return part.get("thought") is not True and ("text" in part or part.keys() <= {"thoughtSignature"})


def grounding(body: dict[str, object]) -> dict[str, object]:
    return mapping(candidate(body).get("groundingMetadata"))


def citations_in(body: dict[str, object]) -> tuple[Citation, ...]:
    """Return the pages of a search, then those that the text repeats, which Google names also without a search."""
    grounded = grounding_pages(body)
    known = {page.url for page in grounded}
    return grounded + tuple(page for page in repeated_pages(body) if page.url not in known)


def repeated_pages(body: dict[str, object]) -> tuple[Citation, ...]:
    """Return the pages of which the text repeats a passage; Vertex has another name for the list, and titles."""
    cited = mapping(candidate(body).get("citationMetadata"))
    pages = mappings(cited.get("citationSources")) + mappings(cited.get("citations"))
    return tuple(citation(page, cited=True) for page in pages if text(page.get("uri")))


def grounding_pages(body: dict[str, object]) -> tuple[Citation, ...]:
    listed = grounding(body).get("groundingChunks")
    pages = [mapping(mapping(chunk).get("web")) for chunk in listed] if isinstance(listed, list) else []
    supported = supported_chunks(body)
    return tuple(
        citation(page, None if supported is None else at in supported)
        for at, page in enumerate(pages)
        if text(page.get("uri"))
    )


def supported_chunks(body: dict[str, object]) -> set[int] | None:
    """Return the indices of the chunks that support passages of the text; None if the reply does not say."""
    listed = grounding(body).get("groundingSupports")
    if not mappings(listed):
        return None
    places = (support.get("groundingChunkIndices") for support in mappings(listed))
    return {at for some in places if isinstance(some, list) for at in some if type(at) is int}


def citation(page: dict[str, object], cited: bool | None) -> Citation:
    """Return a grounding page; the domain of a redirect comes from its own field or from the title."""
    url, title = text(page.get("uri")), text(page.get("title"))
    hidden = REDIRECT_HOST in url
    named = text(page.get("domain")) or (title if DOMAIN.fullmatch(title) else "")
    return Citation(url=url, title=title or None, domain=(named or None) if hidden else None, cited=cited)


def usage_in(body: dict[str, object], header_tier: str | None = None) -> Usage | None:
    """Return what the call consumed, or None if the reply gives no consistent usage. `header_tier`: as in Reply.

    Google leaves out counts of zero. Thoughts are billed as output in addition to the candidates; if they are not
    given, they are the total less the given parts.
    """
    usage = mapping(body.get("usageMetadata"))
    try:
        read_by_tools = count_or_zero(usage.get("toolUsePromptTokenCount"))
        inputs = count(usage.get("promptTokenCount")) + read_by_tools
        candidates = count_or_zero(usage.get("candidatesTokenCount"))
        named = count_or_zero(usage.get("thoughtsTokenCount"))
        thoughts = max(named, count_or_zero(usage.get("totalTokenCount")) - inputs - candidates)
        consumed = Usage(
            input_tokens=inputs,
            output_tokens=candidates + thoughts,
            cached_tokens=count_or_zero(usage.get("cachedContentTokenCount")),
            reasoning_tokens=thoughts,
            searches=searches_in(body, searched=read_by_tools > 0),
            service_tier=tier_in(usage, header_tier),
        )
        return consistent(consumed, text_in(body))
    except InvalidUsage:
        return None


def tier_in(usage: dict[str, object], header_tier: str | None) -> str:
    """Return the service tier, which a header names, and the usage of Vertex as a traffic type; raises InvalidUsage.

    If several are named and differ, the cheaper ones do not count.
    """
    traffic = usage.get("trafficType")
    given = [header_tier, usage.get("serviceTier"), TRAFFIC_TIERS.get(tier(traffic).upper(), traffic)]
    named = {tier(each) for each in given if each is not None}
    dearer = {each for each in named if each.lower() not in CHEAPER_TIERS}
    return max(dearer or (named if len(named) == 1 else {""}), default="")


def searches_in(body: dict[str, object], *, searched: bool) -> int:
    """Return the billable searches: the queries, or for models before Gemini 3 one for a grounded prompt.

    Google bills each unique query and ignores empty ones. Raises InvalidUsage for a reply that `searched` or names
    pages but lists no queries: their number is unknown.
    """
    queries = unique(grounding(body).get("webSearchQueries"))
    grounded = bool(queries or mappings(grounding(body).get("groundingChunks")))
    if BILLED_BY_PROMPT.search(text(body.get("modelVersion"))):
        return int(grounded or searched)
    if (searched or grounded) and not queries:
        raise InvalidUsage
    return len(queries)


def unique(listed: object) -> list[object]:
    """Return the entries of a list without empty ones and without repeated texts."""
    given = [each for each in listed if each] if isinstance(listed, list) else []
    texts = dict.fromkeys(each for each in given if isinstance(each, str))
    return [*texts, *(each for each in given if not isinstance(each, str))]


def generates(entry: dict[str, object]) -> bool:
    methods = entry.get("supportedGenerationMethods")
    return isinstance(methods, list) and "generateContent" in methods


def next_page(page: dict[str, object]) -> str:
    return text(page.get("nextPageToken"))


def model_info(entry: dict[str, object]) -> ModelInfo:
    model_id = text(entry.get("name")).removeprefix("models/")
    return ModelInfo(
        model_id=model_id,
        display_name=text(entry.get("displayName")) or model_id,
        max_input_tokens=model_lists.limit(entry.get("inputTokenLimit")),
        max_output_tokens=model_lists.limit(entry.get("outputTokenLimit")),
    )
