"""Every value that the installed SDKs know for the end of a reply, its blocks, its tier and its errors is decided here.

A release of an SDK with a new value fails these tests until someone has looked at it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import pytest

from llm_monitoring.domain import ProviderName
from llm_monitoring.providers import Answer, BadResponse, Refused, read_reply
from tests.providers.server import recorded, stored


def literals(kind: Any) -> Iterator[str]:
    """The texts of a type's literals."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
        return
    for inner in get_args(kind):
        yield from literals(inner)


def members(union: Any) -> Iterator[Any]:
    """The classes of a union, annotated or not."""
    if get_origin(union) is Annotated:
        yield from members(get_args(union)[0])
    elif hasattr(union, "model_fields"):
        yield union
    else:
        for inner in get_args(union):
            yield from members(inner)


def kinds(union: Any) -> set[str]:
    return {name for each in members(union) for name in literals(each.model_fields["type"].annotation)}


def field(model: Any, name: str) -> set[str]:
    return set(literals(model.model_fields[name].annotation))


def outcome(provider: ProviderName, **fields: Any) -> str:
    """How the recorded reply with these fields is read."""
    try:
        found: Answer | Refused | BadResponse = read_reply(
            provider, stored(json.loads(recorded(f"{provider}_plain")) | fields)
        )
    except (Refused, BadResponse) as error:
        found = error
    if isinstance(found, Answer):
        return "cut" if found.finish_reason == "max_tokens" else "answer"
    return "refused" if isinstance(found, Refused) else "bad"


def ended(reason: str) -> str:
    """How a reply of Gemini that ended for a reason is read."""
    candidates = json.loads(recorded("google_plain"))["candidates"]
    return outcome("google", candidates=[candidates[0] | {"finishReason": reason}])


def spread(**groups: str) -> dict[str, str]:
    """Each of the words of a group with its outcome."""
    return {value: result for result, values in groups.items() for value in values.split()}


STATUSES: Final = spread(answer="completed", cut="incomplete", bad="failed in_progress cancelled queued")
INCOMPLETE: Final = spread(cut="max_output_tokens max_messages steered", refused="content_filter")
FAILURES: Final = spread(
    refused="invalid_prompt bio_policy misalignment_policy_violation image_content_policy_violation",
    bad="server_error rate_limit_exceeded data_residency_mismatch vector_store_timeout invalid_image "
    "invalid_image_format invalid_base64_image invalid_image_url image_too_large image_too_small image_parse_error "
    "invalid_image_mode image_file_too_large unsupported_image_media_type empty_image_file failed_to_download_image "
    "image_file_not_found",
)
STOPS: Final = spread(
    answer="end_turn stop_sequence",
    cut="max_tokens model_context_window_exceeded",
    refused="refusal",
    bad="tool_use pause_turn",
)
FINISHES: Final = spread(
    answer="FINISH_REASON_UNSPECIFIED STOP IMAGE_OTHER NO_IMAGE",
    cut="MAX_TOKENS CONTINUATION",
    refused="SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT "
    "IMAGE_RECITATION ESCALATION PUP_LIMITED_DISABLED MODEL_ARMOR",
    bad="OTHER MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE "
    "MALFORMED_RESPONSE",
)
BLOCKS: Final = spread(
    text="text",
    no_text="thinking redacted_thinking tool_use server_tool_use web_search_tool_result web_fetch_tool_result "
    "code_execution_tool_result bash_code_execution_tool_result text_editor_code_execution_tool_result "
    "tool_search_tool_result container_upload",
)
ITEMS: Final = spread(
    text="message",
    search="web_search_call",
    no_text="file_search_call function_call function_call_output computer_call computer_call_output reasoning program "
    "program_output tool_search_call tool_search_output additional_tools compaction image_generation_call "
    "code_interpreter_call local_shell_call local_shell_call_output shell_call shell_call_output apply_patch_call "
    "apply_patch_call_output mcp_call mcp_list_tools mcp_approval_request mcp_approval_response custom_tool_call "
    "custom_tool_call_output",
)
NOTES: Final = spread(page="url_citation", no_page="file_citation container_file_citation file_path")
CITATIONS: Final = spread(
    page="web_search_result_location",
    no_page="char_location page_location content_block_location search_result_location",
)


BLOCKED: Final = (
    "BLOCKED_REASON_UNSPECIFIED SAFETY OTHER BLOCKLIST PROHIBITED_CONTENT IMAGE_SAFETY MODEL_ARMOR JAILBREAK".split()
)


def test_no_value_of_an_sdk_is_undecided() -> None:
    """The tables hold the values of the installed SDKs, no more and no less."""
    from anthropic.types import ContentBlock, StopReason, TextCitation
    from google.genai import types as gemini
    from openai.types.responses import Response, ResponseError, ResponseOutputItem
    from openai.types.responses.response import IncompleteDetails
    from openai.types.responses.response_output_text import Annotation

    assert field(Response, "status") == set(STATUSES)
    assert field(IncompleteDetails, "reason") == set(INCOMPLETE)
    assert field(ResponseError, "code") == set(FAILURES)
    assert kinds(ResponseOutputItem) == set(ITEMS)
    assert kinds(Annotation) == set(NOTES)
    assert set(literals(StopReason)) == set(STOPS)
    assert kinds(ContentBlock) == set(BLOCKS)
    assert kinds(TextCitation) == set(CITATIONS)
    assert {reason.value for reason in gemini.FinishReason} == set(FINISHES)
    assert {reason.value for reason in gemini.BlockedReason} == set(BLOCKED)


def test_how_a_reply_ends() -> None:
    """Each end of a reply is an answer, a cut one, a refusal, or none of them."""
    assert STATUSES == {status: outcome("openai", status=status) for status in STATUSES}
    assert INCOMPLETE == {
        reason: outcome("openai", status="incomplete", incomplete_details={"reason": reason}) for reason in INCOMPLETE
    }
    assert STOPS == {reason: outcome("anthropic", stop_reason=reason) for reason in STOPS}
    assert FINISHES == {reason: ended(reason) for reason in FINISHES}


def test_how_a_failed_reply_is_read() -> None:
    """A policy's word is a refusal, which is not asked again; any other failure may pass."""
    assert FAILURES == {
        code: outcome("openai", status="failed", output=[], error={"code": code, "message": "x"}) for code in FAILURES
    }


@pytest.mark.parametrize("reason", BLOCKED)
def test_a_blocked_prompt_is_a_refusal(reason: str) -> None:
    """Gemini gives a reason and no candidate."""
    assert "refused" == outcome("google", candidates=None, promptFeedback={"blockReason": reason})


@pytest.mark.parametrize("block", [name for name, is_text in BLOCKS.items() if is_text != "text"])
def test_a_block_between_two_texts(block: str) -> None:
    """No other block adds words, whatever it holds, and the texts around it are paragraphs of their own."""
    other = {"type": block, "text": "no", "thinking": "no", "content": [{"type": "text", "text": "no"}], "data": "no"}
    content = [{"type": "text", "text": "Uno"}, other, {"type": "text", "text": "Dos"}]
    reply = json.loads(recorded("anthropic_plain")) | {"content": content}
    assert "Uno\n\nDos" == read_reply("anthropic", stored(reply)).text


@pytest.mark.parametrize("item", [name for name, is_text in ITEMS.items() if is_text != "text"])
def test_an_item_before_the_message(item: str) -> None:
    """No other item adds words; a search alone is counted."""
    other = {"type": item, "content": [{"type": "output_text", "text": "no"}], "summary": [{"text": "no"}]}
    reply = json.loads(recorded("openai_plain"))
    plain = read_reply("openai", stored(reply)).text
    found = read_reply("openai", stored(reply | {"output": [other, *reply["output"]]}))
    assert plain == found.text
    assert found.usage is not None
    assert (ITEMS[item] == "search") == (found.usage.searches == 1)


@pytest.mark.parametrize("note", NOTES)
def test_an_annotation_of_openai(note: str) -> None:
    """Only an annotation of a page is a citation."""
    part = {"type": "output_text", "text": "Uno", "annotations": [{"type": note, "url": "https://a.example/"}]}
    found = read_reply("openai", stored({"output": [{"type": "message", "content": [part]}]}))
    assert (NOTES[note] == "page") == bool(found.citations)


@pytest.mark.parametrize("citation", CITATIONS)
def test_a_citation_of_anthropic(citation: str) -> None:
    """Only a result of a search is a page; the others are places in documents that we do not send."""
    block = {"type": "text", "text": "Uno", "citations": [{"type": citation, "url": "https://a.example/"}]}
    found = read_reply("anthropic", stored({"content": [block]}))
    assert (CITATIONS[citation] == "page") == bool(found.citations)
