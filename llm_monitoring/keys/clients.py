"""Open providers, one for each key, opened when a task needs them."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event, Lock
from typing import Final

from llm_monitoring.domain import KeyId, Mode, Secret
from llm_monitoring.errors import MonitoringError
from llm_monitoring.keys.store import KeyStore
from llm_monitoring.providers import BatchClient, Provider, open_batches, open_provider
from llm_monitoring.settings import Settings

BATCH_SECONDS: Final = 900.0  # for one request of a batch, which may carry thousands of questions or answers


class NoKey(MonitoringError):
    """There is no API key for this call."""


@dataclass(frozen=True, slots=True)
class Client:
    """An open provider, and the id of the key that it holds."""

    key: KeyId
    provider: Provider


class Stop(Event):
    """Is set once it is set itself or the event that it follows is."""

    def __init__(self, followed: Event | None = None) -> None:
        super().__init__()
        self.followed = followed

    def is_set(self) -> bool:
        return super().is_set() or (self.followed is not None and self.followed.is_set())


class Clients:
    """One open provider for each key and mode; the worker that needs a key first decrypts it.

    `stop` ends the requests of batches, which may take minutes, as `end_batches` does; single calls end by themselves.
    """

    def __init__(self, keys: KeyStore, settings: Settings, stop: Event | None = None) -> None:
        self.keys = keys
        self.settings = settings
        self.stop = Stop(stop)
        self.lock = Lock()
        self.locks: dict[tuple[KeyId, Mode], Lock] = {}
        self.open: dict[tuple[KeyId, Mode], Client] = {}
        self.batches: dict[KeyId, BatchClient] = {}

    def get(self, key: KeyId, user_id: int, mode: Mode = "standard") -> Provider:
        """The provider of `key` for a call in a mode that `user_id` pays; a key of another user is refused.

        Raises KeyUnreadable, and NoKey if the key may not be used for this call or was removed meanwhile.
        """
        self.check(key, user_id)
        with self.lock:
            lock = self.locks.setdefault((key, mode), Lock())
        with lock:
            if (key, mode) not in self.open:
                self.open[key, mode] = Client(key, self.connect(key, mode))
            client = self.open[key, mode]
        if client.key != key:
            raise NoKey(f"the open {key.provider} key is another one", code="wrong_key")
        return client.provider

    def batch(self, key: KeyId, user_id: int) -> BatchClient:
        """The batch calls of `key` that `user_id` pays; raises as `get` does."""
        self.check(key, user_id)
        return self.batch_of_key(key)

    def batch_of_key(self, key: KeyId) -> BatchClient:
        """The batch calls of `key`, to collect what it has asked before, whoever may use it now."""
        with self.lock:
            if key not in self.batches:
                self.batches[key] = self.connect_batches(key)
            return self.batches[key]

    def check(self, key: KeyId, user_id: int) -> None:
        """Raise NoKey for a key that may not be used for calls of this user."""
        if key.user_id not in (None, user_id):
            raise NoKey(f"the {key.provider} key is not user {user_id}'s", code="wrong_key")
        if (
            key.user_id is None
            and key.provider in self.keys.operator_keys
            and not self.keys.operator_key(key.provider, user_id)
        ):
            raise NoKey(f"LLM_OPERATOR_KEYS_FOR does not include user {user_id}", code="wrong_key")

    def connect(self, key: KeyId, mode: Mode) -> Provider:
        """Open a provider; a flex call has one limit in all, as its first byte may come after minutes."""
        flex = self.settings.flex_timeout_seconds if mode == "flex" else None
        return open_provider(
            key.provider,
            self.secret(key),
            base_url=self.settings.base_urls.get(key.provider),
            timeout_seconds=flex or self.settings.timeout_seconds[key.provider],
            total_seconds=flex,
        )

    def connect_batches(self, key: KeyId) -> BatchClient:
        return open_batches(
            key.provider,
            self.secret(key),
            base_url=self.settings.base_urls.get(key.provider),
            timeout_seconds=self.settings.timeout_seconds[key.provider],
            total_seconds=BATCH_SECONDS,
            stop=self.stop,
        )

    def secret(self, key: KeyId) -> Secret:
        """The key itself; the operator's also if the user of the first call has stored one meanwhile."""
        if key.user_id is None:
            secret = self.keys.operator_keys.get(key.provider)
        else:
            found = self.keys.find(key.user_id, key.provider)
            secret = found.secret if found is not None and found.source == "user" else None
        if secret is None:
            raise NoKey(f"the {key.provider} key was changed during the run", code="key_changed")
        return secret

    def end_batches(self) -> None:
        """End the requests of batches that are on their way, as the run has failed."""
        self.stop.set()

    def close(self) -> None:
        for client in self.open.values():
            client.provider.close()
        for batches in self.batches.values():
            batches.close()
