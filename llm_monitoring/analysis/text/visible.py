"""What of a piece of text a reader takes as text: no URLs, e-mail addresses or citation marks."""

from __future__ import annotations

import re

from llm_monitoring.analysis.text.domains import top_level_domains
from llm_monitoring.analysis.text.hosts import ascii_host
from llm_monitoring.analysis.text.scripts import UNSPACED

STOP = f'\\s<>"«»“”{UNSPACED}\u3000-\u3004\u3008-\u3020\uff01-\uff0f\uff1a-\uff1f'
LABEL = f"[^\\W{UNSPACED}]"
NOT_TEXT = re.compile(
    f"(?P<url>(?<![^\\W_{UNSPACED}])[A-Za-z][A-Za-z0-9+.-]{{1,20}}+://[^{STOP}]++)"
    f"|(?P<mail>(?<![\\w.+%-])(?:{LABEL}|[.+%-])++@(?:{LABEL}|-)++(?:\\.(?:{LABEL}|-)++)++)"
    f"|(?P<path>(?<![\\w.@/-])(?:(?:{LABEL}|-)++\\.)++(?P<ending>xn--[A-Za-z0-9-]{{2,59}}+|[^\\W\\d_{UNSPACED}]{{2,24}}+)(?::[0-9]{{1,5}}+)?/[^{STOP}]*+)"
    r"|(?P<mark>\[\^?[0-9]{1,3}(?:\s?[,;–-]\s?\^?[0-9]{1,3}){0,20}\^?\](?!\()"
    r"|【[^】【\n]{0,200}†[^】【\n]{0,200}】"
    "|\\[cite(?:_start|_end|:[^\\]\n]{1,60})\\]"
    r"|\[(?:web|page|image|memory|chart|file|attached_file):[0-9]{1,4}\]"
    r"|(?:file)?cite(?:turn[0-9]{1,4}[a-z]{2,12}[0-9]{1,4})+"
    "|\ue200[^\ue201]{0,300}\ue201|:contentReference\\[[^\\]\n]{0,60}\\](?:\\{[^}\n]{0,60}\\})?)"
)
# What every match of NOT_TEXT holds; a plain character opens each choice, by which the engine passes over all others.
HINT = re.compile(r"/(?<=[\w:]/)|@|\[(?:\^?[0-9]|cite|[a-z_]+:[0-9])|\[(?<=:contentReference\[)|†|\ue200")
TRAILING = "?!.,:;*_~'\"’”»"
BARE_LINK = re.compile(r"https?://", re.IGNORECASE)


def balanced(url: str) -> str:
    """A URL found in prose without the punctuation of the sentence around it."""
    end = len(url)
    surplus = {close: url.count(close) - url.count(opened) for opened, close in ("()", "[]", "{}")}
    while end and (url[end - 1] in TRAILING or surplus.get(url[end - 1], 0) > 0):
        end -= 1
        if url[end] in surplus:
            surplus[url[end]] -= 1
    return url[:end]


def holds_no_text(piece: str) -> bool:
    """Whether a piece may hold what is no text; most do not."""
    return HINT.search(piece) is not None or "citeturn" in piece


def readable(piece: str, links: list[str]) -> str:
    """The piece without what is no text; the web addresses found on the way are appended to `links`."""
    kept: list[str] = []
    position = 0
    for found in NOT_TEXT.finditer(piece):
        end = end_of_removal(found, links)
        if end is None:
            continue
        kept.append(piece[position : found.start()])
        if parts_words(piece, found.start(), end):
            kept.append(" ")
        position = end
    kept.append(piece[position:])
    return "".join(kept)


def end_of_removal(found: re.Match[str], links: list[str]) -> int | None:
    """Where the removed text ends, None if it is text after all."""
    if found["url"]:
        url = balanced(found["url"])
        if BARE_LINK.match(url):
            links.append(url)
        return found.start() + len(url)
    if found["path"]:
        known = ascii_host(found["ending"]) in top_level_domains()
        return found.start() + len(balanced(found["path"])) if known else None
    return found.end()


def parts_words(piece: str, start: int, end: int) -> bool:
    """Whether taking out a stretch would glue two words."""
    return 0 < start and end < len(piece) and piece[start - 1].isalnum() and piece[end].isalnum()
