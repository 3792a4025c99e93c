"""The outbox: notices, each once within its quiet days, kept until every target has them."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from llm_monitoring.db import Database, Transaction, load
from llm_monitoring.domain import Secret
from llm_monitoring.notify.delivery import SEVERITIES, Severity
from llm_monitoring.notify.detectors import BudgetAlert
from llm_monitoring.settings import Settings

SQL = load("notify")

MOST_SERVICE: Final = 20

Kind = Literal["budget", "outage", "key", "run", "project", "model", "spend", "rise", "fall"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for the digest. The same kind and subject is not sent again for `quiet_days` days."""

    kind: Kind
    subject: str
    line: str
    quiet_days: int = 1
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Target:
    """One address of LLM_NOTIFY_URLS: `name` is its service and place, `marks` are what the table may hold for it.

    A mark is an HMAC of the address, first under the newest master key, then under the earlier ones; without a master
    key it is one under DATABASE_URL.
    """

    url: Secret
    name: str
    marks: tuple[str, ...]

    @property
    def mark(self) -> str:
        return self.marks[0]


@dataclass(frozen=True, slots=True)
class PendingNotices:
    """What one target does not have yet: the lines, their ids, and the gravest of their severities."""

    target: Target
    ids: tuple[int, ...]
    lines: tuple[str, ...]
    severity: Severity


def put(db: Database, day: date, notices: Iterable[Notice], alerts: Sequence[BudgetAlert]) -> None:
    """Put the notices of `day` into the outbox; `alerts`, of which some of them speak, are marked as announced."""
    rows = list(notices)

    def write(tx: Transaction) -> None:
        for notice in rows:
            tx.execute(
                SQL.add_notice,
                {
                    "kind": notice.kind,
                    "subject": notice.subject,
                    "day": day,
                    "line": notice.line,
                    "quiet_days": notice.quiet_days,
                    "severity": notice.severity,
                },
            )
        for alert in alerts:
            key = {"user_id": alert.user_id, "month": alert.month, "threshold": alert.threshold}
            tx.execute(SQL.mark_announced, key)

    db.transact(write)


def targets(settings: Settings) -> list[Target]:
    """The targets of an installation, in their order."""
    text = settings.keys_encryption_key.reveal() if settings.keys_encryption_key else ""
    keys = [key.strip() for key in text.split(",") if key.strip()] or [settings.database_url or ""]
    return [
        Target(url, name_of(url, place), tuple(mark(url, key) for key in keys))
        for place, url in enumerate(settings.notify_urls or (), start=1)
    ]


def name_of(url: Secret, place: int) -> str:
    """A target's name in logs: its service and its place in the setting."""
    return f"{url.reveal().partition('://')[0][:MOST_SERVICE]} #{place}"


def mark(url: Secret, key: str) -> str:
    """A target's mark in the table: without the key no address can be tried against it."""
    return hmac.new(key.encode(), url.reveal().encode(), "sha256").hexdigest()[:16]


def pending(db: Database, wanted: Sequence[Target]) -> list[PendingNotices]:
    """What each target still lacks; a target that lacks nothing is left out."""
    rows = db.all(SQL.pending)
    parts = []
    for target in wanted:
        lacking = [row for row in rows if not set(target.marks) & set(row["delivered_to"])]
        if lacking:
            ids, lines = (tuple(row[name] for row in lacking) for name in ("id", "line"))
            gravest = max((row["severity"] for row in lacking), key=SEVERITIES.index)
            parts.append(PendingNotices(target, ids, lines, gravest))
    return parts


def mark_delivered(db: Database, part: PendingNotices, lines: int, wanted: Sequence[Target]) -> None:
    """Store that the first `lines` lines of the notices arrived."""
    marks = [target.mark for target in wanted]
    ids = list(part.ids[:lines])
    db.execute(SQL.mark_delivered, {"ids": ids, "target": part.target.mark, "targets": marks})
