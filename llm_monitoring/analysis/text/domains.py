"""Bare domains in text: which tokens look like one, and which entity owns them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from llm_monitoring.analysis.text.folding import Folded, fold, fold_keeping_case
from llm_monitoring.analysis.text.hosts import readable_host
from llm_monitoring.analysis.text.scripts import UNSPACED

LABEL = f"[^\\W{UNSPACED}]"
LABEL_CHARACTER = re.compile(f"{LABEL}|-")
INNER_DOT = re.compile(r"\.(?=\w)")
DOTTED = re.compile(f"(?:{LABEL}|-)++(?:\\.(?:{LABEL}|-)++)++")
ENDING = re.compile(r"xn--[a-z0-9]+|[^-]*")
HOST_LABELS = 12
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@cache
def top_level_domains() -> frozenset[str]:
    """The endings that make a token a domain whatever its case."""
    path = Path(__file__).parents[1] / "data" / "top_level_domains.txt"
    return frozenset(path.read_text(encoding="ascii").split())


@dataclass(frozen=True, slots=True)
class DomainRun:
    """A token that looks like a domain, in the folded text; `owner` is the entity that declared it."""

    start: int
    end: int
    owner: int | None


def normalise_domain(domain: str) -> str:
    """A declared domain as it is compared: no scheme, path, port or `www.`."""
    host = SCHEME.sub("", domain.strip().lower()).split("/")[0].split("?")[0].split(":")[0].strip(".")
    return host.removeprefix("www.")


def domain_runs(folded: Folded, visible: str, declared: Mapping[str, int]) -> list[DomainRun]:
    """The domain-like tokens of a text, in order; a hyphen ends a domain."""
    runs = (read_run(match, folded, visible, declared) for match in dotted_tokens(folded.text))
    return [run for run in runs if run is not None]


def dotted_tokens(text: str) -> Iterator[re.Match[str]]:
    """The words joined by dots, each found from its first inner dot."""
    floor = 0
    for dot in INNER_DOT.finditer(text):
        start = dot.start()
        if start < floor:
            continue
        while start > floor and LABEL_CHARACTER.match(text[start - 1]):
            start -= 1
        found = DOTTED.match(text, start)
        if found:
            floor = found.end()
            yield found


def read_run(match: re.Match[str], folded: Folded, visible: str, declared: Mapping[str, int]) -> DomainRun | None:
    """What a dotted token is: a declared domain, some other domain, or no domain at all."""
    labels = match.group().split(".")
    ending = ENDING.match(labels[-1])
    tail = ending[0] if ending else ""
    end = match.end() - (len(labels[-1]) - len(tail))
    labels[-1] = tail
    owner = owner_of_host(readable(".".join(labels)), declared)
    written = visible[folded.start_of(end - len(tail)) : folded.end_of(end)] if tail else ""
    if owner is not None or looks_like_domain(labels, fold_keeping_case(written)):
        return DomainRun(match.start(), end, owner)
    return None


def readable(host: str) -> str:
    """A host of the folded text in letters, folded again."""
    return fold(readable_host(host)).text if "xn--" in host else host


def owner_of_host(host: str, declared: Mapping[str, int]) -> int | None:
    """The entity that declares this host or a parent domain of it; the longest declared domain wins."""
    entry = entry_of_host(host, declared)
    return None if entry is None else declared[entry]


def entry_of_host(host: str, entries: Collection[str]) -> str | None:
    """The longest of the entries that is this host or a parent domain of it."""
    labels = host.rsplit(".", HOST_LABELS)
    suffixes = (".".join(labels[place:]) for place in range(len(labels)))
    return next((suffix for suffix in suffixes if suffix in entries), None)


def looks_like_domain(labels: list[str], written_ending: str) -> bool:
    """Tell `apple.news` from the two sentences of `Holded.Es` and the item of `1.Holded`."""
    ending = labels[-1]
    if len(ending) < 2 or not ending.isalpha() or not all(labels):
        return False
    known = ending in top_level_domains()
    if all(label.isdigit() for label in labels[:-1]):
        return known and written_ending.islower()
    if written_ending.islower():
        return True
    if written_ending.isupper():
        return known or len(ending) <= 3
    return known and len(ending) > 2
