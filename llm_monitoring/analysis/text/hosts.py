"""The two spellings of a host, in letters (`müller.de`) and in ASCII (`xn--mller-kva.de`): one host."""

from __future__ import annotations

import re
from urllib.parse import unquote

import idna

LONGEST = 253
HOST = re.compile(r"(?:[\w-]{1,63}\.)+(?:[^\W\d_]{2,63}|xn--[a-z0-9-]{2,59})")


def ascii_host(host: str) -> str:
    """A host as hosts are compared: in ASCII and small letters; what is no such host stays as it is written."""
    lowered = (unquote(host) if "%" in host else host).lower()
    if lowered.isascii() or len(lowered) > LONGEST:
        return lowered.rstrip(".")
    try:
        return idna.encode(lowered, uts46=True).decode().rstrip(".")
    except idna.IDNAError:
        return lowered.rstrip(".")


def readable_host(host: str) -> str:
    """A host as people read it; labels that hold no letters in code stay as they are written."""
    if "xn--" not in host:
        return host
    return ".".join(readable_label(label) for label in host.split("."))


def readable_label(label: str) -> str:
    """One label in letters."""
    if not label.startswith("xn--"):
        return label
    try:
        return idna.decode(label)
    except idna.IDNAError:
        return label


def site_named(text: str | None) -> str | None:
    """The host that a text consists of, without `www.`, in any case of letters; None if it is something else."""
    named = (text or "").strip().lower().partition("://")[2] or (text or "").strip().lower()
    host = named.rstrip("/").rstrip(".").removeprefix("www.")
    return host if len(host) <= LONGEST and HOST.fullmatch(host) else None
