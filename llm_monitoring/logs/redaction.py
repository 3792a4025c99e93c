"""Masks secrets in text that is shown, and escapes control characters."""

from __future__ import annotations

import hashlib
import re
import threading
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from llm_monitoring.domain import Secret
from llm_monitoring.settings import Settings, database_address

HIDDEN: Final = "***"

TAIL: Final = 8

SHORTEST_SECRET: Final = 4  # hiding anything shorter would blank ordinary words

SHORTEST_IN_BASE64: Final = 12  # bytes: the eight characters of an end come from six of them

SHORTEST_PASSWORD: Final = 6  # the same for passwords, some of which are ordinary words

ESCAPE_START: Final = "\\u00"

ESCAPE: Final = re.compile(r"(?<!\\)\\++u00([2-7][0-9A-Fa-f])")  # JSON's for an ASCII character, at any depth

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,}")  # a part of an address that gives access to a webhook or a chat

# A key begins outside a word, or after an escape, which may end in a letter or a digit.
BEGINNING: Final = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=\\u00[0-9A-Fa-f]{2})|(?<=\\x[0-9A-Fa-f]{2})|(?<=%[0-9A-Fa-f]{2}))"
)

LOOKS: Final = r"(?:sk-|AIza|AQ\.)[A-Za-z0-9_-]{10,}|pplx-[A-Za-z0-9_-]{12,}|gAAAAA[A-Za-z0-9_-]{40,}={0,2}"

# Every repetition has a bound, or a long hostile line would take forever.
PATTERNS: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"(?=[sApg]){BEGINNING}(?:{LOOKS})", HIDDEN),
        (r"(?i)(\bBearer\s{1,4})[A-Za-z0-9._~+/=-]{12,}", rf"\1{HIDDEN}"),
        (r"(?i)(x-(?:goog-)?api-key['\"\s:=,]{1,8}(?:b?['\"])?)[^\s'\",)]{6,}", rf"\1{HIDDEN}"),
        (r"(?i)(postgres(?:ql)?(?:\+\w{1,20})?://[^\s:/@]{0,64}:)\S{0,300}@", rf"\1{HIDDEN}@"),
        (r"(://[^\s:/@]{0,64}:)[^\s/@]{1,300}@", rf"\1{HIDDEN}@"),
        (r"(?i)(\bpassword\s{0,4}=\s{0,4})(?:'[^']{0,300}'|[^\s'\"]{1,300})", rf"\1{HIDDEN}"),
    )
)

# C0 and C1 controls, line separators, marks that turn the direction of writing, lone surrogates
UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class SecretMasker:
    """Masks known secrets, which it recognises by their last characters and a digest: none is kept in the clear."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tails: dict[str, frozenset[tuple[int, bytes]]] = {}
        self.sizes: tuple[int, ...] = ()
        self.alphabet: frozenset[str] = frozenset()
        self.runs = re.compile(r"(?!)")

    def add(self, text: str) -> None:
        tail = text[-TAIL:]
        if len(tail) < SHORTEST_SECRET:
            return
        with self.lock:
            self.tails[tail] = self.tails.get(tail, frozenset()) | {(len(text), digest(text))}
            if not (self.alphabet.issuperset(tail) and len(tail) in self.sizes):
                self.alphabet |= set(tail)
                sizes = tuple(sorted({*self.sizes, len(tail)}))
                self.runs = re.compile(f"[{re.escape(''.join(sorted(self.alphabet)))}]{{{sizes[0]},}}")
                self.sizes = sizes

    def hide(self, text: str) -> str:
        """Return `text` without secrets, also if JSON has escaped their characters."""
        spans = [*self.spans(text), *self.escaped_spans(text)]
        if not spans:
            return text
        pieces, done = [], 0
        for start, end in sorted(spans):
            pieces += [text[done:start], HIDDEN] if start >= done else []
            done = max(done, end)
        return "".join([*pieces, text[done:]])

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the places of secrets, or of their ends, with one look-up for each position and size.

        Only runs of characters that occur in ends of secrets are searched, which leaves out most ordinary words.
        """
        for run in self.runs.finditer(text):
            for size in self.sizes:
                for start in range(run.start(), run.end() - size + 1):
                    known = self.tails.get(text[start : start + size])
                    if known:
                        yield self.beginning(text, start, start + size, known), start + size

    def escaped_spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield what `spans` finds in the text without JSON's escapes of ASCII, as places in `text`."""
        if ESCAPE_START not in text:
            return
        places, shifts = (
            [],
            [0],
        )  # of escapes in the unescaped text, and how much longer `text` is up to each
        for found in ESCAPE.finditer(text):
            places.append(found.start() - shifts[-1])
            shifts.append(shifts[-1] + len(found.group()) - 1)
        if places:
            for start, end in self.spans(ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)):
                yield start + shifts[bisect_left(places, start)], end + shifts[bisect_left(places, end)]

    def beginning(self, text: str, start: int, end: int, known: frozenset[tuple[int, bytes]]) -> int:
        whole = (end - length for length, seen in known if digest(text[max(0, end - length) : end]) == seen)
        return min(whole, default=start)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


SECRETS: Final = SecretMasker()


def register_secret(secret: Secret) -> None:
    """Mask this secret, or its last eight characters, in everything that is logged from now on.

    A service may echo it as part of what it received, so that its forms in Base64 and in addresses are masked, too.
    """
    text = secret.reveal().strip()
    for form in dict.fromkeys((text, quote(text, safe=""), *base64_forms(text))):
        SECRETS.add(form)


def base64_forms(text: str) -> Iterator[str]:
    """Yield what of a text's Base64 is the same whatever stands around it, in both alphabets; none of a short one."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) < SHORTEST_IN_BASE64:
        return
    for before in range(3):  # bytes of the same group of three that stand before it
        encoded = b64encode(bytes(before) + data + bytes(2)).decode()
        form = encoded[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
        yield form
        yield form.replace("+", "-").replace("/", "_")


def redact(text: str) -> str:
    """Return `text` without registered secrets or anything else that looks like a key or a password."""
    text = SECRETS.hide(text)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def visible(text: str) -> str:
    """Return `text` with control characters escaped: it cannot move a cursor or start a line."""
    return UNSAFE.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def register_settings(settings: Settings) -> None:
    master_keys = settings.keys_encryption_key.reveal().split(",") if settings.keys_encryption_key else []
    own = [each for each in (settings.oidc_client_secret, settings.hand_off_secret) if each is not None]
    for secret in (*settings.api_keys.values(), *map(Secret, master_keys), *own):
        register_secret(secret)
    targets = [*(settings.notify_urls or ()), *([settings.heartbeat_url] if settings.heartbeat_url else [])]
    for token in (token for target in targets for token in TOKEN.findall(target.reveal())):
        register_secret(Secret(token))
    register_passwords(settings.database_url or "")


def register_passwords(address: str) -> None:
    """Mask the passwords in a database's address, unless a public part of the address is the same word."""
    public = database_address.public_words(address)
    for text in database_address.passwords(address):
        if len(text) >= SHORTEST_PASSWORD and text not in public:
            register_secret(Secret(text))
