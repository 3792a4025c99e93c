"""Checks a typed API key and refuses what people paste instead: quotes, placeholders, whole lines."""

from __future__ import annotations

import re
from typing import Final

from llm_monitoring.domain import ProviderName, Secret

KEY_CHARACTERS: Final = re.compile(r"[\x21-\x7e]+")
# Which provider a key's first characters name.
ISSUERS: Final[dict[str, ProviderName]] = {
    "sk-ant-": "anthropic",
    "sk-proj-": "openai",
    "sk-svcacct-": "openai",
    "AIza": "google",
    "pplx-": "perplexity",
}
LONGEST_KEY: Final = 1024
QUOTES: Final = "\"'`“”„‘’«»"
SCHEME: Final = re.compile(r"(?i)(?:authorization|proxy-authorization|x-(?:goog-)?api-key)\s*[:=]|(?:bearer|basic)\s")
ASSIGNED: Final = re.compile(r"(?:export\s+|set\s+)?[A-Z][A-Z0-9_]*(?:KEY|TOKEN)\s*[=:]")
PREFIX: Final = r"(?:sk-(?:ant-)?(?:proj-|api03-)?|pplx-|AIza(?:Sy)?|AQ\.)?"
INSTRUCTION: Final = (
    r"(?:your|my|the|insert|paste|enter|put|add|replace|change|set|fill|example|sample|dummy|fake|test)"
)
NOUN: Final = r"(?:api|key|token|secret|here|me|this|openai|anthropic|google|gemini|claude|perplexity|real|own|actual)"
PLACEHOLDER: Final = re.compile(
    rf"(?i){PREFIX}(?:{INSTRUCTION}(?:[-_. ]?(?:{INSTRUCTION}|{NOUN}))+|(?:api|secret)[-_. ]?key|key|token|secret|"
    rf"y|yes|n|no|todo|tbd|none|null|undefined|empty|placeholder|redacted|change[-_]?me|[x*.•_-]{{3,}}|1234567890?"
    rf"|abc123)[-_.x*]*"
)
MASTER_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}=")
ELIDED: Final = re.compile(r"\.{3}|…|\*{3}|(?i:x{8})")
VARIABLE: Final = re.compile(r"\$\{?\w+\}?|\$\(.*\)|\{\{.*\}\}|%\w+%|<.*>|\[.*\]|\{.*\}")


def api_key(text: str) -> Secret:
    """Return a stored key, stripped; raises ValueError, without the text, if it cannot be a key."""
    key = text.strip()
    if not KEY_CHARACTERS.fullmatch(key):
        raise ValueError("one line of printable ASCII without spaces")
    return Secret(key)


def typed_key(text: str) -> Secret:
    """Return a key that someone typed; raises ValueError with the problem and without the text."""
    key = text.strip()
    if problem := problem_of(key):
        raise ValueError(f"the key alone, and {problem}")
    return api_key(key)


def problem_of(key: str) -> str:
    """Return why a text is not a key; empty if it may be one."""
    checks = {
        "this is in quotes: leave them out": bool(key) and (key[0] in QUOTES or key[-1] in QUOTES),
        "this has several lines: give one key, on one line": len(key.splitlines()) > 1,
        "this begins like an HTTP header (“Bearer …”): leave that out": bool(SCHEME.match(key)),
        "this begins with a variable's name (“NAME=…”): leave that out": bool(ASSIGNED.match(key)),
        "this ends in a comma or a semicolon: leave it out": key.endswith((",", ";")),
        f"this is longer than {LONGEST_KEY} characters": len(key) > LONGEST_KEY,
        "this is a master key: give the key of the provider": bool(MASTER_KEY.fullmatch(key)),
        "this is a placeholder: put the real key in its place": is_placeholder(key),
    }
    return next((problem for problem, found in checks.items() if found), "")


def issuer_of(secret: Secret) -> ProviderName | None:
    """Return the provider that a key names itself; None if it names none."""
    key = secret.reveal().strip()
    return next((issuer for prefix, issuer in ISSUERS.items() if key.startswith(prefix)), None)


def is_placeholder(key: str) -> bool:
    return bool(PLACEHOLDER.fullmatch(key) or ELIDED.search(key) or VARIABLE.fullmatch(key))
