"""Reads text, refusals and status of the Responses form that OpenAI and Perplexity share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, Literal

from llm_monitoring.providers.base import Answer, Citation
from llm_monitoring.providers.parsing import ReplyMeta, join_paragraphs, mapping, mappings, shown, text

# A reply with any other status, also one that is not known yet, is an answer if it holds text: it is paid.
UNANSWERED: Final = ("failed", "cancelled", "in_progress", "queued")
ENDED: Final = ("completed", "incomplete")
FILTER_CODE: Final = re.compile(r"content_?filter|policy|invalid_prompt", re.IGNORECASE)
CITATION_TYPES: Final = ("url_citation", "citation")  # OpenAI's type, and the one of Perplexity's samples


def messages(body: dict[str, object]) -> Iterator[list[dict[str, object]]]:
    """Yield the content parts of each message in `output` that belongs to the answer, without commentary."""
    for item in mappings(body.get("output")):
        if item.get("type") == "message" and item.get("phase") != "commentary":
            yield mappings(item.get("content"))


def contents(body: dict[str, object]) -> Iterator[dict[str, object]]:
    for message in messages(body):
        yield from message


def output_text(body: dict[str, object]) -> str:
    """Return the text, each message a paragraph of its own, so that a list at its start begins a line.

    OpenAI may send a message twice, and some gateways send each with all before it: one that the next begins with is
    part of that.
    """
    passages = filter(None, map(passage, messages(body)))
    return join_paragraphs(
        each for each, after in pairwise([*passages, ""]) if not after.lstrip().startswith(each.strip())
    )


def passage(message: list[dict[str, object]]) -> str:
    return "".join(text(part.get("text")) for part in message if part.get("type") == "output_text")


def url_citations(body: dict[str, object]) -> tuple[Citation, ...]:
    """Return the pages of the text's annotations; all of them are cited."""
    notes = (note for part in contents(body) for note in mappings(part.get("annotations")))
    cited = (page_of(note) for note in notes if note.get("type", "url_citation") in CITATION_TYPES)
    return tuple(
        Citation(url=text(page.get("url")), title=text(page.get("title")) or None, cited=True)
        for page in cited
        if text(page.get("url"))
    )


def page_of(note: dict[str, object]) -> dict[str, object]:
    """Return the object with the page of an annotation; some gateways nest it, as chat completions do."""
    return mapping(note.get("url_citation")) or note


def answer_in(body: dict[str, object], meta: ReplyMeta, citations: tuple[Citation, ...]) -> Answer:
    """Return the answer of a finished or cut reply; raises Refused or BadResponse for any other."""
    answer_text = output_text(body)
    finish = finish_of(body, meta, answer_text)
    refusals = [text(part.get("refusal")) for part in contents(body) if part.get("type") == "refusal"]
    if refusals and not answer_text.strip():
        raise meta.refused(f"the model refused: {' '.join(refusals)}")
    return meta.answer(answer_text, citations, finish)


def finish_of(body: dict[str, object], meta: ReplyMeta, answer_text: str) -> Literal["stop", "max_tokens"]:
    """Return how the reply ended; raises Refused or BadResponse if it is not an answer.

    An error next to the text of a reply that has ended takes nothing from that text: it is paid.
    """
    status = body.get("status")
    error = mapping(body.get("error"))
    if error or text(body.get("error")):
        why = shown(error.get("message") or body.get("error"))
        if FILTER_CODE.search(text(error.get("code"))):
            raise meta.refused(f"a content filter blocked the answer: {why}")
        if status not in ENDED or not answer_text.strip():
            raise meta.bad(f"status {shown(status)} with the error: {why}")
    reason = text(mapping(body.get("incomplete_details")).get("reason"))
    if reason == "content_filter":
        raise meta.refused("a content filter blocked the answer")
    if status in UNANSWERED:
        raise meta.bad(f"the reply has status {shown(status)} {shown(reason)}".rstrip())
    return "max_tokens" if status == "incomplete" else "stop"
