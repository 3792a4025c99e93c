"""T13: rotation of the master key, killed midway, with a wrong ring and without one: no key is ever lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final

import psycopg2
import pytest
from cryptography.fernet import Fernet

from llm_monitoring.db.database import Database
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.keys.encryption import KeyCipher, KeyUnreadable
from llm_monitoring.keys.store import PAGE_USERS
from tests.environment import PREFIXES, Environment
from tests.faults.conftest import Note
from tests.faults.in_process import TODAY
from tests.fork_server import Child, fork_server

USERS: Final = 2 * PAGE_USERS + 10
LONG_USERS: Final = 2_500
LONG_KILLS: Final = 20
COLUMNS: Final = ", ".join(f"{provider}_api_key_encrypted AS {provider}" for provider in PROVIDERS)

Tokens = dict[tuple[int, ProviderName], str]


def master_key() -> str:
    return Fernet.generate_key().decode()


@dataclass
class Vault:
    """A database full of sealed keys; a third of them are older tokens that hold the bare key."""

    db: Database
    random: Random
    old: str = field(default_factory=master_key)
    new: str = field(default_factory=master_key)
    keys: dict[tuple[int, ProviderName], str] = field(default_factory=dict)

    def fill(self, users: int) -> None:
        self.db.execute(
            "INSERT INTO users (email) SELECT 'u' || n || '@example.com' FROM generate_series(1, %(users)s) n",
            {"users": users},
        )
        cipher, bare = KeyCipher(self.old), Fernet(self.old)
        for row in self.db.all("SELECT id FROM users ORDER BY id"):
            tokens: dict[str, object] = {"user": row["id"]}
            for provider in PROVIDERS:
                key = f"{PREFIXES[provider]}vault-{self.random.randbytes(16).hex()}"
                self.keys[row["id"], provider] = key
                bound = self.random.random() < 2 / 3
                token = (
                    cipher.encrypt(Secret(key), row["id"], provider) if bound else bare.encrypt(key.encode()).decode()
                )
                tokens[provider] = token
            self.db.execute(
                "INSERT INTO user_llm_api_keys (user_id, openai_api_key_encrypted, anthropic_api_key_encrypted, "
                "google_api_key_encrypted, perplexity_api_key_encrypted) "
                "VALUES (%(user)s, %(openai)s, %(anthropic)s, %(google)s, %(perplexity)s)",
                tokens,
            )

    @property
    def tokens(self) -> Tokens:
        rows = self.db.all(f"SELECT user_id, {COLUMNS} FROM user_llm_api_keys ORDER BY user_id")
        return {(row["user_id"], provider): row[provider] for row in rows for provider in PROVIDERS}

    def readable(self, ring: str) -> int:
        """How many keys open under `ring`, each as what it was; raises where one opens as anything else."""
        cipher, opened = KeyCipher(ring), 0
        for (user, provider), token in self.tokens.items():
            try:
                assert cipher.decrypt(token, user, provider).reveal() == self.keys[user, provider]
            except KeyUnreadable:
                continue
            opened += 1
        return opened

    def start(self, ring: str | None) -> Child:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        master = {"LLM_KEYS_ENCRYPTION_KEY": ring} if ring is not None else {}
        variables = {**kept, **master, "DATABASE_URL": self.db.dsn}
        return fork_server().start(variables, "keys", "rotate", program="command")

    def rotate(self, ring: str | None) -> tuple[int, str]:
        process = self.start(ring)
        return process.wait(), process.said()

    @contextmanager
    def blocked_at(self, user: int) -> Iterator[None]:
        """Hold the user's row, so that a rotation stands still there."""
        with closing(psycopg2.connect(self.db.dsn)) as holder, holder.cursor() as cursor:
            cursor.execute("SELECT FROM user_llm_api_keys WHERE user_id = %s FOR UPDATE", (user,))
            yield

    def wait_until_blocked(self) -> None:
        deadline = time.monotonic() + 30
        while not self.db.all("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            assert time.monotonic() < deadline, "the rotation never came to the row that is held"
            time.sleep(0.01)


@pytest.fixture
def vault(watched_url: str, random: Random) -> Iterator[Vault]:
    with Database(watched_url) as db:
        yield Vault(db, random)


def kill_at(vault: Vault, user: int) -> None:
    """Kill a rotation with SIGKILL while it works on the page of `user`."""
    with vault.blocked_at(user):
        process = vault.start(f"{vault.new},{vault.old}")
        vault.wait_until_blocked()
        process.kill()
        process.wait()


def rotation_survives_kills(vault: Vault, kills: int, note: Note) -> None:
    users = sorted({user for user, _ in vault.keys})
    total, both = len(vault.keys), f"{vault.new},{vault.old}"
    at_kill = []
    for user in sorted(vault.random.sample(users[PAGE_USERS:], kills)):
        kill_at(vault, user)
        at_kill.append(vault.readable(vault.new))
        assert vault.readable(both) == total
    assert 0 < at_kill[0] < total
    assert at_kill == sorted(at_kill)
    code, output = vault.rotate(both)
    assert 0 == code, output
    assert vault.readable(vault.new) == total, output
    assert 0 == vault.readable(vault.old), output
    assert not [key for key in vault.keys.values() if key[-8:] in output]
    note.add(keys=total, kills=kills, rotated_at_each_kill=at_kill)


def test_t13_a_rotation_killed_midway_is_finished_by_the_next(vault: Vault, note: Note) -> None:
    """At every moment each key opens under the two master keys; in the end all of them under the new one alone."""
    vault.fill(USERS)
    rotation_survives_kills(vault, 2, note)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_t13_a_rotation_of_ten_thousand_keys(vault: Vault, note: Note) -> None:
    """The same with 10,000 keys and twenty kills."""
    vault.fill(LONG_USERS)
    rotation_survives_kills(vault, LONG_KILLS, note)


@pytest.mark.parametrize(
    ("ring", "message"), [("wrong", "cannot be read"), (None, "LLM_KEYS_ENCRYPTION_KEY is not set")]
)
def test_t13_a_rotation_without_the_right_ring_changes_nothing(vault: Vault, ring: str | None, message: str) -> None:
    """Where one key cannot be read the rotation is refused before the first change."""
    vault.fill(3)
    before = vault.tokens
    code, output = vault.rotate(master_key() if ring else None)
    assert 1 == code, output
    assert message in output, output
    assert vault.tokens == before, output
    assert vault.readable(vault.old) == len(vault.keys)


@pytest.mark.short(every=2)
@pytest.mark.parametrize("ring", ["wrong", "missing"])
def test_t13_a_run_without_the_right_ring_is_refused(environment: Environment, ring: str) -> None:
    """No key can be read: exit 1, nothing asked, nothing lost; with the right ring the day is done as ever."""
    environment.add_operator_keys()
    environment.add_numbered_project(environment.add_user(), 2)
    right = environment.master_key
    environment.master_key = master_key() if ring == "wrong" else ""
    assert environment.run_day(TODAY) == 1
    assert "FAILED: NO API KEYS" in environment.processes[-1].said()
    assert environment.server.bill.lines == ()
    environment.master_key = right
    assert environment.run_day(TODAY) == 0
    assert environment.check(TODAY) == []
