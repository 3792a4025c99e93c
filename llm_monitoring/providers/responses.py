"""Reading of the Responses form that OpenAI defined and Perplexity shares: text, refusals, status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from llm_monitoring.providers.base import Answer, Citation
from llm_monitoring.providers.parsing import ReplyMeta, join_paragraphs, mapping, mappings, shown, text

CITATION_TYPES: Final = ("url_citation", "citation")  # OpenAI's, and the one in Perplexity's samples


def messages(body: dict[str, object]) -> Iterator[list[dict[str, object]]]:
    """Yield the content parts of each message in `output` that is the answer, not what was said on the way to it."""
    for item in mappings(body.get("output")):
        if item.get("type") == "message" and item.get("phase") != "commentary":
            yield mappings(item.get("content"))


def contents(body: dict[str, object]) -> Iterator[dict[str, object]]:
    for message in messages(body):
        yield from message


def output_text(body: dict[str, object]) -> str:
    """Return the messages' text, each apart: where two touch, a list's first item does not begin a line."""
    return join_paragraphs(
        "".join(text(part.get("text")) for part in message if part.get("type") == "output_text")
        for message in messages(body)
    )


def url_citations(body: dict[str, object]) -> tuple[Citation, ...]:
    """Return the pages that the text's annotations name: all of them are cited."""
    notes = (note for part in contents(body) for note in mappings(part.get("annotations")))
    return tuple(
        Citation(url=text(note.get("url")), title=text(note.get("title")) or None, cited=True)
        for note in notes
        if note.get("type", "url_citation") in CITATION_TYPES and text(note.get("url"))
    )


def answer_in(body: dict[str, object], bill: ReplyMeta, citations: tuple[Citation, ...]) -> Answer:
    """Return the answer of a finished or cut reply; raises Refused or BadResponse for any other."""
    said = output_text(body)
    finish = finish_of(body, bill)
    refusals = [text(part.get("refusal")) for part in contents(body) if part.get("type") == "refusal"]
    if refusals and not said.strip():
        raise bill.refused(f"the model refused: {' '.join(refusals)}")
    return bill.answer(said, citations, finish)


def finish_of(body: dict[str, object], bill: ReplyMeta) -> Literal["stop", "max_tokens"]:
    """Return how the reply ended; raises Refused or BadResponse where it says that it is no answer."""
    error = mapping(body.get("error"))
    if error or text(body.get("error")):
        why = shown(error.get("message") or body.get("error"))
        if "content_filter" in text(error.get("code")):
            raise bill.refused(f"a content filter blocked the answer: {why}")
        raise bill.bad(f"status {shown(body.get('status'))} with the error: {why}")
    status = body.get("status")
    if status in ("completed", None):
        return "stop"
    reason = text(mapping(body.get("incomplete_details")).get("reason"))
    if status == "incomplete" and reason == "max_output_tokens":
        return "max_tokens"
    if reason == "content_filter":
        raise bill.refused("a content filter blocked the answer")
    raise bill.bad(f"the reply has status {shown(status)} {shown(reason)}".rstrip())
