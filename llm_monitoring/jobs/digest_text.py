"""Text for the digest: names and messages of others, so that no mail program or chat reads them as anything else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from llm_monitoring import logs
from llm_monitoring.db import Database
from llm_monitoring.notify import detectors
from llm_monitoring.notify.outbox import Notice

T = TypeVar("T")

LONGEST_LINE: Final = 300
SHOWN_NAMES: Final = 10
HARMLESS: Final = str.maketrans({"<": "‹", ">": "›", "@": "＠", "[": "［", "]": "］", "`": "'"})
"""For each character of which a chat or mail program makes a link, a mention or a format, one that looks alike."""
DOT: Final = "\u2024"  # a dot that no program takes for one of an address
LINKABLE: Final = re.compile(r"(?<=[\w-])[.\u3002\uff0e\uff61](?=[^\W\d_]{2})")
"""A dot that makes an address of two words, `t.me` or `www.a.example`: programs link those without a scheme too."""
NUMERIC: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of users and projects, by number."""

    users: Mapping[int, str]
    projects: Mapping[int, str]

    @classmethod
    def read(cls, db: Database) -> Self:
        users = {row["id"]: row["email"] for row in db.all(detectors.SQL.user_names)}
        return cls(users, {row["id"]: row["name"] for row in db.all(detectors.SQL.project_names)})

    def user(self, user_id: int) -> str:
        email = self.users.get(user_id)
        return f"User #{user_id}" + (f" ({plain(email)})" if email else "")

    def of(self, make: Callable[[T, Names], Notice]) -> Callable[[T], Notice]:
        """`make` with these names."""
        return lambda row: make(row, self)


def project_names(projects: Sequence[tuple[int, str]]) -> str:
    """The first projects by number and name, and how many more there are."""
    shown = [f"#{number}" + (f" ({plain(name)})" if name else "") for number, name in projects[:SHOWN_NAMES]]
    more = f" y {len(projects) - SHOWN_NAMES} más" if len(projects) > SHOWN_NAMES else ""
    return f"{', '.join(shown)}{more}"


def plain(text: str) -> str:
    """A name or message that others wrote, as text that no mail program or chat reads as anything else."""
    shown = logs.visible(logs.redact(" ".join(text.split()))).translate(HARMLESS)
    shown = LINKABLE.sub(DOT, shown.replace("://", ":∕∕"))
    shown = NUMERIC.sub(lambda match: match[0].replace(".", DOT), shown)
    return shown if len(shown) <= LONGEST_LINE else f"{shown[: LONGEST_LINE - 1]}…"
