"""API keys: the users' own, encrypted in the database, and the operator's for users without one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from llm_monitoring.db import Database, Row, in_transaction, load
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.errors import Invalid, MonitoringError, NotFound
from llm_monitoring.keys.encryption import UNUSABLE, KeyCipher, KeyUnreadable, last_four, require_cipher
from llm_monitoring.settings import typed_key

SQL = load("keys")
log = logging.getLogger(__name__)

Source = Literal["user", "operator"]
Progress = Callable[[int, int], None]
OnRotated = Callable[[Database, int, ProviderName], None]
"""Called in the transaction that encrypts a key again, with its user and provider."""

PAGE_USERS: Final = 100
NAMED_AT_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class FoundKey:
    """The key to call a provider with, and its owner."""

    secret: Secret
    source: Source


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """Whether there is a usable key; `problem` is why the user's own cannot be used."""

    source: Source
    problem: KeyUnreadable | None = None

    @property
    def usable(self) -> bool:
        return self.problem is None


@dataclass(frozen=True, slots=True)
class ListedKey:
    """One key as an admin may see it. The operator's has no user; `bound` is None if it cannot be read."""

    provider: ProviderName
    source: Source
    user_id: int | None = None
    email: str | None = None
    last_four: str = ""
    bound: bool | None = None
    problem: KeyUnreadable | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """Counts of keys that were encrypted again, were up to date, or changed meanwhile; `unusable` ones are left."""

    rotated: int = 0
    current: int = 0
    changed: int = 0
    unusable: tuple[KeyUnreadable, ...] = ()

    def __add__(self, other: Rotation) -> Rotation:
        return Rotation(
            self.rotated + other.rotated,
            self.current + other.current,
            self.changed + other.changed,
            self.unusable + other.unusable,
        )


class RotationRefused(MonitoringError):
    """Some stored keys cannot be read, so none was changed."""

    def __init__(self, problems: list[KeyUnreadable]) -> None:
        named = ", ".join(f"user {each.user_id} {each.provider}" for each in problems[:NAMED_AT_MOST])
        more = f" and {len(problems) - NAMED_AT_MOST} more" if len(problems) > NAMED_AT_MOST else ""
        super().__init__(
            f"{len(problems)} stored keys cannot be read, so none was changed ({named}{more}): "
            "complete LLM_KEYS_ENCRYPTION_KEY, or set or remove those keys"
        )
        self.problems = problems


class KeyStore:
    """Finds, stores and rotates keys. Without a `cipher` stored keys cannot be read and none can be stored.

    `operator_keys_for` are the users who may use the operator's keys; None: all.
    """

    def __init__(
        self,
        db: Database,
        cipher: KeyCipher | None,
        operator_keys: Mapping[ProviderName, Secret],
        *,
        default_budget_usd: Decimal = Decimal("100.00"),
        operator_keys_for: frozenset[int] | None = None,
    ) -> None:
        self.db = db
        self.cipher = cipher
        self.operator_keys = operator_keys
        self.default_budget_usd = default_budget_usd
        self.operator_keys_for = operator_keys_for

    def operator_key(self, provider: ProviderName, user_id: int) -> Secret | None:
        """The operator's key for a provider, if there is one and this user may use it."""
        allowed = self.operator_keys_for is None or user_id in self.operator_keys_for
        return self.operator_keys.get(provider) if allowed else None

    def find(self, user_id: int, provider: ProviderName) -> FoundKey | None:
        """Return the user's own key, the operator's if the user has none and may use it, else None.

        Raises KeyUnreadable if the user has a key that cannot be read: the operator does not pay for it.
        """
        row = self.db.one(SQL.token, {"user_id": user_id, "provider": provider})
        if row is not None and row["token"] is not None:
            return FoundKey(self.decrypt(row["token"], user_id, provider), "user")
        secret = self.operator_key(provider, user_id)
        return FoundKey(secret, "operator") if secret else None

    def decrypt(self, token: str, user_id: int, provider: ProviderName) -> Secret:
        if self.cipher is None:
            raise KeyUnreadable("no_master_key", user_id, provider)
        return self.cipher.decrypt(token, user_id, provider)

    def available(self, user_ids: Iterable[int]) -> dict[int, dict[ProviderName, KeyStatus]]:
        """Return the state of each user's keys; a provider without any key is left out."""
        wanted = list(user_ids)
        rows = {row["user_id"]: row for row in self.db.all(SQL.tokens_of, {"user_ids": wanted})}
        return {user_id: self.states(user_id, rows.get(user_id, {})) for user_id in wanted}

    def states(self, user_id: int, tokens: Mapping[str, Any]) -> dict[ProviderName, KeyStatus]:
        states: dict[ProviderName, KeyStatus] = {}
        for provider in PROVIDERS:
            token = tokens.get(provider)
            if token is not None:
                states[provider] = KeyStatus("user", self.problem(token, user_id, provider))
            elif self.operator_key(provider, user_id) is not None:
                states[provider] = KeyStatus("operator")
        return states

    def problem(self, token: str, user_id: int, provider: ProviderName) -> KeyUnreadable | None:
        """Why a token cannot be decrypted, as far as that is known without decrypting it."""
        try:
            if self.cipher is None:
                raise KeyUnreadable("no_master_key", user_id, provider)
            self.cipher.check(token, user_id, provider)
        except KeyUnreadable as exc:
            return exc
        return None

    def all_for(self, user_id: int | None) -> dict[ProviderName, Secret]:
        """Return every usable key of a user, the operator's for providers that the user has none for.

        Without a user: those of the only user who has stored any, else the operator's alone, as no user may be
        charged for another. A key that cannot be read is left out, with a warning.
        """
        owner = self.only_owner() if user_id is None else user_id
        if owner is None:
            return dict(self.operator_keys)
        keys = {provider: self.usable(owner, provider) for provider in PROVIDERS}
        return {provider: secret for provider, secret in keys.items() if secret is not None}

    def only_owner(self) -> int | None:
        row = self.db.one(SQL.owners)
        return row["user_id"] if row is not None and row["users"] == 1 else None

    def usable(self, user_id: int, provider: ProviderName) -> Secret | None:
        try:
            found = self.find(user_id, provider)
        except KeyUnreadable as exc:
            fields = {
                "event": "key.unreadable",
                "user_id": user_id,
                "provider": provider,
                "reason": exc.reason,
            }
            log.warning("⚠️ API key ilegible: %s", exc, extra=fields)
            return None
        return found.secret if found else None

    def store(self, user_id: int, provider: ProviderName, secret: Secret) -> None:
        """Encrypt and store a key; raises ConfigurationError, Invalid, NotFound."""
        token = require_cipher(self.cipher).encrypt(read_key(secret), user_id, provider)
        budget = {"monthly_budget_usd": self.default_budget_usd}
        if not self.db.execute(SQL.put, {"user_id": user_id, "provider": provider, "token": token} | budget):
            raise NotFound("user", user_id)

    def has(self, user_id: int, provider: ProviderName) -> bool:
        """Whether the user has stored a key, readable or not."""
        row = self.db.one(SQL.token, {"user_id": user_id, "provider": provider})
        return row is not None and row["token"] is not None

    def remove(self, user_id: int, provider: ProviderName) -> bool:
        """Delete a key; False if there was none."""
        return self.db.execute(SQL.remove, {"user_id": user_id, "provider": provider}) > 0

    def own(self, user_id: int, provider: ProviderName) -> ListedKey | None:
        """The user's own key as it may be shown, or None if there is none."""
        row = self.db.one(SQL.token, {"user_id": user_id, "provider": provider})
        if row is None or row["token"] is None:
            return None
        return self.listed(user_id, None, provider, row["token"])

    def listing(self) -> Iterator[ListedKey]:
        """Yield the operator's keys, then the users' by id, each with its last four characters at most."""
        for provider, secret in self.operator_keys.items():
            yield ListedKey(provider, "operator", last_four=last_four(secret))
        for row in self.rows():
            for provider, token in tokens(row):
                yield self.listed(row["user_id"], row["email"], provider, token)

    def listed(self, user_id: int, email: str | None, provider: ProviderName, token: str) -> ListedKey:
        try:
            if self.cipher is None:
                raise KeyUnreadable("no_master_key", user_id, provider)
            info = self.cipher.inspect(token, user_id, provider)
        except KeyUnreadable as exc:
            return ListedKey(provider, "user", user_id, email, problem=exc)
        return ListedKey(provider, "user", user_id, email, info.last_four, info.bound)

    def rows(self) -> Iterator[Row]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[list[Row]]:
        after = 0
        while page := self.db.all(SQL.page, {"after": after, "size": PAGE_USERS}):
            yield page
            after = page[-1]["user_id"]

    def rotate(
        self,
        on_progress: Progress = lambda done, total: None,
        on_rotated: OnRotated = lambda db, user_id, provider: None,
    ) -> Rotation:
        """Encrypt every key again under the newest master key and bind it; safe to kill and to run again.

        `on_progress` gets (users done, users in all). Raises RotationRefused, with nothing changed, if some key
        needs another master key. Tokens that no master key decrypts stay as they are; the others are rotated.
        """
        cipher = require_cipher(self.cipher)
        users, problems = 0, []
        for row in self.rows():
            users += 1
            listed = (self.listed(row["user_id"], None, provider, token) for provider, token in tokens(row))
            problems += [each.problem for each in listed if each.problem and each.problem.reason not in UNUSABLE]
        if problems:
            raise RotationRefused(problems)
        total, done = Rotation(), 0
        for page in self.pages():
            total += self.rotate_page(cipher, page, on_rotated)
            done += len(page)
            on_progress(done, max(done, users))
        return total

    def rotate_page(self, cipher: KeyCipher, page: list[Row], on_rotated: OnRotated) -> Rotation:
        counted, changes = Rotation(), []
        for row in page:
            user_id = row["user_id"]
            for provider, token in tokens(row):
                try:
                    info = cipher.inspect(token, user_id, provider)
                except KeyUnreadable as exc:
                    counted += Rotation(unusable=(exc,))
                    continue
                if info.bound and info.under_newest:
                    counted += Rotation(current=1)
                    continue
                new = cipher.rotate(token, user_id, provider)
                changes.append({"user_id": user_id, "provider": provider, "seen": token, "token": new})
        replaced = in_transaction(self.db, lambda db: replace(db, changes, on_rotated))
        return counted + Rotation(rotated=replaced, changed=len(changes) - replaced)


def read_key(secret: Secret) -> Secret:
    """A key as a person gave it, without what does not belong to it; raises Invalid."""
    try:
        return typed_key(secret.reveal())
    except ValueError as exc:
        raise Invalid("key", f"this is no API key: it must be {exc}", code="no_api_key") from None


def replace(db: Database, changes: list[dict[str, Any]], on_rotated: OnRotated) -> int:
    """Write the new tokens and return how many; a key that was set meanwhile stays."""
    replaced = [change for change in changes if db.execute(SQL.replace, change)]
    for change in replaced:
        on_rotated(db, change["user_id"], change["provider"])
    return len(replaced)


def tokens(row: Row) -> list[tuple[ProviderName, str]]:
    return [(provider, row[provider]) for provider in PROVIDERS if row[provider] is not None]
