"""The table of provider faults: what each does to the attempts, the charge, the failed task and the next try."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from llm_monitoring.demo.exchange import Rejection
from llm_monitoring.demo.server.service import WIRES
from llm_monitoring.domain import PROVIDERS, ProviderName

Action = Mapping[str, Any]
Charge = Literal["nothing", "bill", "ceiling", "ceiling + bill", "2 ceilings"]

MODELS: Final[dict[ProviderName, str]] = {
    "openai": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "perplexity": "perplexity/sonar",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `states` are the attempts of the task in order; `reason` is that of the failed task, None where it has its
    answer; `final` ends the task for the day; `message` stands in the first attempt; `wait` in seconds lies
    between the first attempt's end and the second's start.
    """

    name: str
    action: Action
    states: str
    charge: Charge
    message: str = ""
    reason: str | None = None
    final: bool = False
    wait: float = 0.0
    times: int = 1
    billed: bool = False
    only: Sequence[ProviderName] = PROVIDERS


def status(code: int, **more: Any) -> Action:
    return {"kind": "status", "status": code, **more}


def slow_down(**headers: str) -> Action:
    return status(429, headers={name.replace("_", "-"): value for name, value in headers.items()})


def body(text: object, code: int = 200) -> Action:
    return {"kind": "body", "body": text, "status": code}


def own_form(provider: ProviderName, rejection: Rejection) -> Action:
    return status(rejection.status, body=WIRES[provider].error(rejection, "0"))


def gone(provider: ProviderName) -> Action:
    """How the provider says that it does not serve a model (any more)."""
    return own_form(provider, WIRES[provider].unknown_model(MODELS[provider]))


def perplexity_reply(**cost: object) -> Action:
    text = {"type": "output_text", "text": "1. Holded\n2. Quipu", "annotations": []}
    message = {"type": "message", "role": "assistant", "content": [text]}
    usage = {"input_tokens": 10, "output_tokens": 10, "cost": {"currency": "USD", **cost}}
    return body({"model": MODELS["perplexity"], "status": "completed", "output": [message], "usage": usage})


RETRIED: Final = ("unknown settled", "ceiling + bill")
FINAL: Final[dict[str, Any]] = {"states": "settled", "charge": "bill", "final": True}
STOPS: Final[dict[str, Any]] = {"states": "void", "charge": "nothing"}
DOUBTFUL: Final[dict[str, Any]] = {"states": "unknown", "charge": "ceiling", "billed": True}
FOR_LOAD: Final = ("void settled", "bill")

OPENAI_FORM: Final[Sequence[ProviderName]] = ("openai", "perplexity")
QUOTING: Final = "Invalid prompt: 'what does API_KEY_INVALID, insufficient_quota, model_not_found or PerDay mean?'"
LIMITS: Final = "API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
FIREWALL: Final = "<!doctype html><title>403 Forbidden</title><p>insufficient_quota API_KEY_INVALID</p>"


def document(provider: ProviderName, status: int, message: str, mark: str = "", **more: Any) -> dict[str, Any]:
    """An error document in the provider's form; `mark` is its code, type, status or reason."""
    if provider == "anthropic":
        return {"type": "error", "error": {"type": mark or "invalid_request_error", "message": message, **more}}
    if provider == "google":
        return {"error": {"code": status, "message": message, "status": mark or "INVALID_ARGUMENT", **more}}
    if provider == "perplexity":
        return {"error": {"message": message, "type": mark or "invalid_request", "code": status, **more}}
    return {"error": {"message": message, "type": "invalid_request_error", "code": mark or None, **more}}


def reason(name: str) -> dict[str, Any]:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name, "domain": "googleapis.com"}
    return {"details": [info]}


def quota(quota_id: str) -> dict[str, Any]:
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.1s"}
    return {"details": [failure, retry]}


def refused(name: str, provider: ProviderName, status_code: int, body: dict[str, Any], failed: str, **more: Any) -> Row:
    """A refusal in the provider's own document, after which the task fails as `failed`."""
    message = str(body["error"]["message"])
    outcome = STOPS | {"message": message} | more
    return Row(f"{name}, {provider}", status(status_code, body=body), **outcome, reason=failed or None, only=[provider])


def accounts() -> Iterator[Row]:
    for provider in OPENAI_FORM:
        for code in ("insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "budget_exceeded"):
            yield refused(code, provider, 429, document(provider, 429, "No money", code), "auth_failed")
    for status_code, kind in ((402, "billing_error"), (429, "enforced_spend_limit_reached")):
        more = {} if status_code == 402 else {"details": {"error_code": kind}}
        body = document("anthropic", status_code, "Billing", kind if status_code == 402 else "rate_limit_error", **more)
        yield refused(kind, "anthropic", status_code, body, "auth_failed")
    sentences = (
        "Your credit balance is too low to access the API.",
        f"You have reached your specified {LIMITS}",
        f"You have reached your specified workspace {LIMITS}",
    )
    for number, said in enumerate(sentences):
        yield refused(f"sentence {number}", "anthropic", 400, document("anthropic", 400, said), "auth_failed")
    for provider in PROVIDERS:
        yield refused("402 otherwise", provider, 402, document(provider, 402, "No money"), "auth_failed")
    for name in ("BILLING_DISABLED", "CONSUMER_SUSPENDED", "SERVICE_DISABLED"):
        body = document("google", 403, "Denied", "PERMISSION_DENIED", **reason(name))
        yield refused(name, "google", 403, body, "auth_failed")
    for said in (
        "Your prepayment credits are depleted. Go to AI Studio.",
        "Your project has exceeded its monthly spending cap.",
    ):
        yield refused(said[:14], "google", 429, document("google", 429, said, "RESOURCE_EXHAUSTED"), "auth_failed")
    disabled = document("anthropic", 400, "This organization has been disabled.")
    yield refused("disabled", "anthropic", 400, disabled, "auth_failed")
    held = document("anthropic", 400, "On hold", details={"error_code": "organization_on_hold"})
    yield refused("on hold", "anthropic", 400, held, "auth_failed")
    said = "Gemini API free tier is not available in your country."
    yield refused("country", "google", 400, document("google", 400, said, "FAILED_PRECONDITION"), "auth_failed")


def keys_and_models() -> Iterator[Row]:
    for name in ("API_KEY_INVALID", "API_KEY_IP_ADDRESS_BLOCKED"):
        yield refused(name, "google", 400, document("google", 400, "Bad key", **reason(name)), "auth_failed")
    body = document("anthropic", 400, "Gone", details={"error_code": "claude_code_key_creator_not_member"})
    yield refused("key without creator", "anthropic", 400, body, "auth_failed")
    for provider in PROVIDERS:
        body = document(provider, 403, "No access to this model", "model_not_found")
        yield refused("403 model", provider, 403, body, "model_not_found")
    for provider in OPENAI_FORM:
        yield refused(
            "403 filtered", provider, 403, document(provider, 403, "Filtered", "content_filter"), "bad_request"
        )
        gated = document(provider, 403, "You are not allowed to sample from this model")
        yield refused("403 gated model", provider, 403, gated, "model_not_found")
    quota_id = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    body = document("google", 429, "Quota", "RESOURCE_EXHAUSTED", **quota(quota_id))
    yield refused("quota per day", "google", 429, body, "quota_exhausted")
    yield refused("a quoting 429", "google", 429, document("google", 429, QUOTING, "RESOURCE_EXHAUSTED"), "",
                  states="void settled", charge="bill")  # fmt: skip


def error_reply(fault: Row, provider: ProviderName) -> tuple[int, bytes] | None:
    """Return the status and body that a fault answers with, None where it is no error reply."""
    action = fault.action
    if action["kind"] not in ("status", "body") or int(action["status"]) < 400:
        return None
    given = action.get("body", WIRES[provider].error(Rejection(action["status"], "Simulated"), "0"))
    return int(action["status"]), given.encode() if isinstance(given, str) else json.dumps(given).encode()


TABLE: Final = (
    # slow down: never billed, asked again when the provider says so
    Row("429, seconds", slow_down(Retry_After="1"), "void settled", "bill", "{p} answered 429: ", wait=1.0),
    Row("429, a date", slow_down(Retry_After="Wed, 01 Jan 2098 00:00:00 GMT"), **STOPS, message="{p} answered 429: ",
        reason="provider_closed"),
    Row("429, a past date", slow_down(Retry_After="Mon, 02 Jan 2006 15:04:05 GMT"), "void settled", "bill", "429"),
    Row("429, milliseconds", slow_down(retry_after_ms="700"), "void settled", "bill", "429", wait=0.7),
    Row("429, absurd", slow_down(Retry_After="99999999"), **STOPS, message="429", reason="provider_closed"),
    Row("429, an impossible date", slow_down(Retry_After="Wed, 01 Jan 99999999999999 00:00:00 GMT"), "void settled",
        "bill", "429", wait=1.0),
    Row("429, unreadable", slow_down(Retry_After="soon"), "void settled", "bill", "429", wait=1.0),
    Row("429, endless", slow_down(Retry_After="inf"), "void settled", "bill", "429", wait=1.0),
    Row("429, negative", slow_down(Retry_After="-5"), "void settled", "bill", "429", wait=1.0),
    Row("429, without", status(429), "void settled", "bill", "429", wait=1.0),
    Row("429, always", slow_down(Retry_After="0"), " ".join(["void"] * 10), "nothing", "429", "rate_limited", times=99),
    Row("429, no credit", own_form("openai", Rejection(429, "You exceeded your quota", "insufficient_quota")),
        **STOPS, message="You exceeded your quota", reason="auth_failed", only=["openai"]),
    # the provider fails: it is not known whether it billed
    *(Row(f"{code}", status(code), *RETRIED, f"{{p}} answered {code}: ", billed=True)
      for code in (408, 409, 424, 425, 444, 460, 499, 502, 504, 520, 599)),
    *(Row(f"{code}", status(code), *RETRIED, f"{{p}} answered {code}: ", billed=True,
          only=[p for p in PROVIDERS if p != "google"]) for code in (500, 503)),
    *(Row(f"{code}, no document", status(code, body=FIREWALL), *RETRIED, f"{{p}} answered {code}: ", billed=True)
      for code in (500, 503, 529)),
    Row("529", status(529), *RETRIED, "529", billed=True, only=["openai", "google", "perplexity"]),
    # refused for load, as the document itself says
    Row("529 overloaded_error", status(529), *FOR_LOAD, "anthropic answered 529: ", only=["anthropic"]),
    *(Row(f"{code} for load", status(code), *FOR_LOAD, f"google answered {code}: ", only=["google"])
      for code in (500, 503)),
    Row("503 for load, with a wait", status(503, headers={"Retry-After": "1"}), *FOR_LOAD, "503", only=["google"],
        wait=1.0),
    Row("502, always", status(502), "unknown unknown", "2 ceilings", "502", "unavailable", times=99, billed=True),
    # answered in no one's name: perhaps billed, and not asked again today
    *(Row(f"{code}", status(code), **DOUBTFUL, message=f"{{p}} answered {code}: ", reason="bad_request")
      for code in (405, 413, 418, 422, 451)),
    Row("402, no document", status(402, body=FIREWALL), **DOUBTFUL, message="{p} answered 402: ", reason="bad_request"),
    Row("read timeout", {"kind": "hang"}, *RETRIED, "{p}: no reply: ReadTimeout", billed=True),
    Row("drop by drop", {"kind": "drip", "chunk_bytes": 1, "pause_ms": 900}, *RETRIED, "{p}: no reply: ReadTimeout"),
    Row("reset before the body", {"kind": "reset", "when": "before_body"}, *RETRIED, "{p}: no reply: "),
    Row("reset after the body", {"kind": "reset", "when": "after_body"}, *RETRIED, "{p}: no reply: ", billed=True),
    Row("reset in the reply", {"kind": "reset", "when": "mid_reply"}, *RETRIED, "{p}: no reply: ", billed=True),
    Row("cut, its length known", {"kind": "truncate", "content_length": "wrong"}, *RETRIED, "no reply: ", billed=True),
    # 200, and no answer in it
    Row("truncated JSON", {"kind": "truncate", "content_length": "right"}, *RETRIED, "is not JSON: ", billed=True),
    Row("HTML", {"kind": "html"}, *RETRIED, "{p}: the reply is not JSON: <!doctype html>", billed=True),
    Row("nothing", body(""), *RETRIED, "{p}: the reply is not JSON:", billed=True),
    Row("{}", body("{}"), *RETRIED, "{p}: the reply holds no text", billed=True),
    Row("null", body("null"), *RETRIED, "{p}: the reply is not a JSON object: None", billed=True),
    Row("a list", body("[]"), *RETRIED, "{p}: the reply is not a JSON object: []", billed=True),
    Row("a text", body('"ok"'), *RETRIED, "{p}: the reply is not a JSON object: ok", billed=True),
    Row("nested without end", body("[" * 200_000), *RETRIED, "{p}: the reply is not JSON: [[", billed=True),
    Row("an endless exponent", body('{"x": 1e99999999999999999999}'), *RETRIED, "the reply holds no text", billed=True),
    Row("an error object", {"kind": "error_object"}, *RETRIED, "Internal error (simulated)", billed=True),
    Row("null, always", body("null"), "unknown unknown", "2 ceilings", "None", "bad_response", times=99, billed=True),
    Row("a policy's failure", body({"status": "failed", "error": {"code": "bio_policy", "message": "No"}}), **DOUBTFUL,
        message="{p}: a content filter blocked the answer: No", reason="refused", only=OPENAI_FORM),
    # answered and paid, but no answer: not asked again that day
    Row("empty text", {"kind": "empty_text"}, **FINAL, message="{p}: the reply holds no text", reason="bad_response"),
    Row("refusal", {"kind": "refusal"}, **FINAL, message="{p}: the model refused: ", reason="refused",
        only=["openai", "anthropic", "perplexity"]),
    Row("content filter", {"kind": "content_filter"}, **FINAL, message="{p}: ", reason="refused"),
    Row("pause_turn", {"kind": "pause_turn"}, **FINAL, message="(pause_turn)", reason="bad_response",
        only=["anthropic"]),
    # an answer, whole or cut
    Row("cut at max tokens", {"kind": "max_tokens"}, "settled", "bill"),
    Row("usage missing", {"kind": "usage", "value": "missing"}, "unknown", "ceiling", billed=True),
    Row("usage null", {"kind": "usage", "value": "null"}, "unknown", "ceiling", billed=True),
    Row("usage negative", {"kind": "usage", "value": "negative"}, "unknown", "ceiling", billed=True),
    Row("an impossible bill", perplexity_reply(total_cost=1e30), "unknown", "ceiling", only=["perplexity"]),
    Row("an endless bill", perplexity_reply(total_cost=10**300), "unknown", "ceiling", only=["perplexity"]),
    # the request, the key, the model: surely not billed
    Row("400", status(400), **STOPS, message="{p} answered 400: ", reason="bad_request"),
    Row("400, quoting", status(400, body={"error": {"message": QUOTING, "type": "invalid", "status": "INVALID"}}),
        **STOPS, message="{p} answered 400: ", reason="bad_request"),
    *(Row(f"{code}, no document", status(code, body=FIREWALL), **STOPS, message=f"{{p}} answered {code}: ",
          reason="bad_request") for code in (403, 404)),
    Row("401, nested without end", status(401, body="[" * 200_000), **STOPS, message="{p} answered 401: ",
        reason="auth_failed"),
    Row("401", status(401), **STOPS, message="{p} answered 401: ", reason="auth_failed"),
    Row("402", status(402), **STOPS, message="{p} answered 402: ", reason="auth_failed"),
    Row("403", status(403), **STOPS, message="{p} answered 403: ", reason="auth_failed"),
    Row("404", status(404), **STOPS, message="{p} answered 404: ", reason="model_not_found"),
    *(Row("model gone", gone(provider), **STOPS, message=MODELS[provider], reason="model_not_found", only=[provider])
      for provider in PROVIDERS),
    *accounts(),
    *keys_and_models(),
)  # fmt: skip
