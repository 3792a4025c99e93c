"""Stored keys on a real database: whose key is found, what is refused, and rotation under fire."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet

from llm_monitoring.db.database import Database
from llm_monitoring.db.migrations import migrate
from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.errors import BadInput, ConfigurationError, Invalid
from llm_monitoring.keys import listing
from llm_monitoring.keys.encryption import KeyCipher, KeyUnreadable
from llm_monitoring.keys.store import FoundKey, KeyStore, ListedKey, Rotation, RotationRefused
from llm_monitoring.keys.verification import store_unless_refused
from llm_monitoring.providers import AuthFailed, ModelInfo, ProviderUnavailable
from llm_monitoring.settings.fields import Settings, load_settings

OLD = Fernet.generate_key().decode()
NEW = Fernet.generate_key().decode()
OWN = Secret("sk-own-0123456789")
OTHER = Secret("sk-other-0123456789")
OPERATORS: Mapping[ProviderName, Secret] = {
    "openai": Secret("sk-operator-openai"),
    "google": Secret("AIza-operator-google"),
}

# The tests' own column names: a mistake in the product's queries must not be shared.
TOKEN = {provider: f"{provider}_api_key_encrypted" for provider in PROVIDERS}


def bare(key: str, ring: str = NEW) -> str:
    return Fernet(ring).encrypt(key.encode()).decode()


def add_user(db: Database, email: str) -> int:
    row = db.one("INSERT INTO users (email) VALUES (%(email)s) RETURNING id", {"email": email})
    assert row is not None
    return int(row["id"])


def put_token(db: Database, user_id: int, provider: ProviderName, token: str | None) -> None:
    sql = f"UPDATE user_llm_api_keys SET {TOKEN[provider]} = %(token)s WHERE user_id = %(user_id)s"
    assert db.execute(sql, {"user_id": user_id, "token": token}) == 1


def stored(db: Database, user_id: int) -> dict[str, str | None]:
    row = db.one("SELECT * FROM user_llm_api_keys WHERE user_id = %(user_id)s", {"user_id": user_id})
    return {provider: row[TOKEN[provider]] for provider in PROVIDERS} if row else {}


def changed(before: dict[str, str | None], after: dict[str, str | None]) -> list[str]:
    return [provider for provider in PROVIDERS if before[provider] != after[provider]]


@pytest.fixture
def ana(db: Database) -> int:
    return add_user(db, "ana@example.com")


@pytest.fixture
def luis(db: Database) -> int:
    return add_user(db, "luis@example.com")


@pytest.fixture
def keys(db: Database) -> KeyStore:
    return KeyStore(db, KeyCipher(NEW), OPERATORS, default_budget_usd=Decimal("25.00"))


@pytest.mark.short(every=2)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_own_key(db: Database, keys: KeyStore, ana: int, provider: ProviderName) -> None:
    """A stored key is found again, in its own column only, and the database holds no plaintext."""
    keys.store(ana, provider, OWN)
    assert keys.find(ana, provider) == FoundKey(OWN, "user")
    assert [name for name, token in stored(db, ana).items() if token] == [provider]
    assert OWN.reveal() not in str(stored(db, ana))


def test_operators_key(keys: KeyStore, ana: int) -> None:
    """The operator's key stands in where the user has none, and nothing where neither has."""
    keys.store(ana, "anthropic", OWN)
    assert keys.find(ana, "openai") == FoundKey(OPERATORS["openai"], "operator")
    assert keys.find(ana + 1, "google") == FoundKey(OPERATORS["google"], "operator")
    assert keys.find(ana, "perplexity") is None


def test_new_row_has_the_defaults(db: Database, keys: KeyStore, ana: int) -> None:
    """A user's first key opens an account with the default budget; a later one changes nothing of it."""
    keys.store(ana, "openai", OWN)
    db.execute("UPDATE user_llm_api_keys SET current_month_spend = 3, monthly_budget_usd = 7")
    keys.store(ana, "google", Secret("AIza-second"))
    row = db.one("SELECT monthly_budget_usd, current_month_spend FROM user_llm_api_keys")
    assert row == {"monthly_budget_usd": Decimal("7.00"), "current_month_spend": Decimal(3)}
    assert keys.find(ana, "openai") == FoundKey(OWN, "user")


def test_default_budget(db: Database, keys: KeyStore, ana: int) -> None:
    """The account that a first key opens has the budget of the settings."""
    keys.store(ana, "openai", OWN)
    assert db.one("SELECT monthly_budget_usd FROM user_llm_api_keys") == {"monthly_budget_usd": Decimal("25.00")}


def test_replaced_and_removed(db: Database, keys: KeyStore, ana: int) -> None:
    """A key can be replaced and removed, the other keys stay, and removing nothing says so."""
    keys.store(ana, "openai", Secret("sk-first"))
    keys.store(ana, "anthropic", Secret("sk-other"))
    keys.store(ana, "openai", OWN)
    assert keys.find(ana, "openai") == FoundKey(OWN, "user")
    assert [keys.remove(ana, "openai"), keys.remove(ana, "openai"), keys.remove(99, "openai")] == [
        True,
        False,
        False,
    ]
    assert keys.find(ana, "openai") == FoundKey(OPERATORS["openai"], "operator")
    assert keys.find(ana, "anthropic") == FoundKey(Secret("sk-other"), "user")


def test_columns_are_independent(db: Database, keys: KeyStore, ana: int) -> None:
    """A key set, sealed anew or removed for one provider leaves the other three as they were."""
    for provider in PROVIDERS:
        keys.store(ana, provider, Secret(f"key-of-{provider}"))
    for provider in PROVIDERS:
        before = stored(db, ana)
        keys.store(ana, provider, OWN)
        assert changed(before, stored(db, ana)) == [provider]
    for provider in PROVIDERS:
        before = stored(db, ana)
        put_token(db, ana, provider, bare("sk-older"))
        assert keys.rotate() == Rotation(rotated=1, current=3)
        assert changed(before, stored(db, ana)) == [provider]
        assert keys.find(ana, provider) == FoundKey(Secret("sk-older"), "user")
    for provider in PROVIDERS:
        before = stored(db, ana)
        assert keys.remove(ana, provider)
        assert changed(before, stored(db, ana)) == [provider]
        assert stored(db, ana)[provider] is None


@pytest.mark.short(every=3)
@pytest.mark.parametrize("user_id", [12345, -1, 2**40])
def test_unknown_user(db: Database, keys: KeyStore, user_id: int) -> None:
    """A key for a user who does not exist is refused and leaves no row."""
    with pytest.raises(BadInput, match=f"^user {user_id} does not exist$"):
        keys.store(user_id, "openai", OWN)
    assert db.all("SELECT 1 FROM user_llm_api_keys") == []


def test_bad_key(db: Database, keys: KeyStore, ana: int) -> None:
    """What can be no key is refused without being shown."""
    with pytest.raises(BadInput) as caught:
        keys.store(ana, "openai", Secret("sk-canary\nsecond line"))
    assert "canary" not in str(caught.value)
    assert stored(db, ana) == {}


def test_no_master_key(db: Database, keys: KeyStore, ana: int, luis: int) -> None:
    """Without a master key nothing is stored, stored keys are unreadable, and other users' runs go on."""
    keys.store(ana, "openai", OWN)
    without = KeyStore(db, None, OPERATORS)
    with pytest.raises(ConfigurationError, match="never stored in the clear"):
        without.store(ana, "google", OWN)
    with pytest.raises(ConfigurationError, match="LLM_KEYS_ENCRYPTION_KEY is not set"):
        without.rotate()
    with pytest.raises(KeyUnreadable) as caught:
        without.find(ana, "openai")
    assert caught.value.reason == "no_master_key"
    assert without.find(luis, "openai") == FoundKey(OPERATORS["openai"], "operator")
    assert [each.problem.reason for each in without.listing() if each.problem] == ["no_master_key"]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "token", ["", "garbage", "gAAAAABcut", bare("sk-x", OLD)], ids=["empty", "garbage", "cut", "sealed otherwise"]
)
def test_unreadable_key_is_never_replaced_by_the_operators(
    db: Database, keys: KeyStore, ana: int, luis: int, token: str
) -> None:
    """Where a user's own key cannot be read the operator does not pay, and nobody else is touched."""
    keys.store(ana, "google", OWN)
    keys.store(luis, "openai", Secret("sk-luis"))
    put_token(db, ana, "openai", token)
    with pytest.raises(KeyUnreadable):
        keys.find(ana, "openai")
    assert keys.find(ana, "google") == FoundKey(OWN, "user")
    assert keys.find(luis, "openai") == FoundKey(Secret("sk-luis"), "user")
    states = keys.available([ana])[ana]
    assert "user" == states["openai"].source
    assert states["openai"].usable is False


def test_swapped_tokens(db: Database, keys: KeyStore, ana: int, luis: int) -> None:
    """A token copied to another user's row, or to another column, is refused in either place."""
    keys.store(ana, "openai", Secret("sk-of-ana"))
    keys.store(luis, "openai", Secret("sk-of-luis"))
    put_token(db, luis, "openai", stored(db, ana)["openai"])
    put_token(db, ana, "google", stored(db, ana)["openai"])
    wrong: list[tuple[int, ProviderName]] = [(luis, "openai"), (ana, "google")]
    for user_id, provider in wrong:
        with pytest.raises(KeyUnreadable) as caught:
            keys.find(user_id, provider)
        assert "not_yours" == caught.value.reason
        assert caught.value.user_id == user_id
    assert keys.find(ana, "openai") == FoundKey(Secret("sk-of-ana"), "user")


def test_available(keys: KeyStore, ana: int, luis: int) -> None:
    """Each user's providers are told with their source; one without any key is left out."""
    keys.store(ana, "anthropic", OWN)
    found = keys.available([ana, luis, 77])
    told = {
        user_id: {provider: (state.source, state.usable) for provider, state in states.items()}
        for user_id, states in found.items()
    }
    operators = {"openai": ("operator", True), "google": ("operator", True)}
    assert told == {ana: {**operators, "anthropic": ("user", True)}, luis: operators, 77: operators}
    assert keys.available([]) == {}


def test_all_for(db: Database, keys: KeyStore, ana: int, luis: int, caplog: pytest.LogCaptureFixture) -> None:
    """A user's keys come with the operator's where he has none; one that is unreadable is warned of."""
    keys.store(ana, "openai", OWN)
    assert keys.all_for(ana) == {"openai": OWN, "google": OPERATORS["google"]}
    assert keys.all_for(luis) == OPERATORS
    put_token(db, ana, "openai", "garbage")
    with caplog.at_level(logging.WARNING):
        assert keys.all_for(ana) == {"google": OPERATORS["google"]}
    assert [record.__dict__["event"] for record in caplog.records] == ["key.unreadable"]


def test_all_for_nobody(keys: KeyStore, ana: int, luis: int) -> None:
    """Without a user the keys are those of the only one who has any; of two, neither is charged."""
    assert keys.all_for(None) == OPERATORS
    keys.store(ana, "anthropic", OWN)
    assert keys.all_for(None) == {**OPERATORS, "anthropic": OWN}
    keys.store(luis, "perplexity", Secret("pplx-luis"))
    assert keys.all_for(None) == OPERATORS


def test_listing(db: Database, keys: KeyStore, ana: int, luis: int) -> None:
    """The list shows whose key each is, its last four characters, and what is wrong with it."""
    keys.store(ana, "openai", OWN)
    keys.store(ana, "google", Secret("short"))
    keys.store(luis, "openai", OWN)
    put_token(db, ana, "anthropic", bare("sk-older-abcdefgh"))
    put_token(db, luis, "openai", "garbage")
    *listed, broken = keys.listing()
    assert listed == [
        ListedKey("openai", "operator", last_four="enai"),
        ListedKey("google", "operator", last_four="ogle"),
        ListedKey("openai", "user", ana, "ana@example.com", "6789", bound=True),
        ListedKey("anthropic", "user", ana, "ana@example.com", "efgh", bound=False),
        ListedKey("google", "user", ana, "ana@example.com", "", bound=True),
    ]
    assert broken.user_id == luis
    assert "" == broken.last_four
    assert broken.bound is None
    assert broken.problem is not None
    assert broken.problem.reason == "damaged"


def test_rotation(db: Database, keys: KeyStore, ana: int, luis: int) -> None:
    """Rotation seals all keys under the newest master key and binds older ones; again, it finds no work."""
    old = KeyStore(db, KeyCipher(OLD), {})
    old.store(ana, "openai", OWN)
    old.store(luis, "perplexity", Secret("pplx-luis-0123"))
    put_token(db, luis, "google", bare("AIza-luis-0123", OLD))
    ring = KeyStore(db, KeyCipher(f"{NEW},{OLD}"), {})
    seen: list[tuple[int, int]] = []
    assert ring.rotate(lambda done, total: seen.append((done, total))) == Rotation(rotated=3)
    assert seen == [(2, 2)]
    assert ring.rotate() == Rotation(current=3)
    assert keys.find(ana, "openai") == FoundKey(OWN, "user")
    assert keys.find(luis, "perplexity") == FoundKey(Secret("pplx-luis-0123"), "user")
    assert keys.find(luis, "google") == FoundKey(Secret("AIza-luis-0123"), "user")
    assert [each.bound for each in keys.listing() if each.source == "user"] == [True, True, True]


def test_rotation_is_refused(db: Database, ana: int, luis: int) -> None:
    """Keys that another master key may open stop the rotation before anything is changed, and are named."""
    old = KeyStore(db, KeyCipher(OLD), {})
    old.store(ana, "openai", OWN)
    old.store(luis, "google", OWN)
    before = [stored(db, ana), stored(db, luis)]
    with pytest.raises(RotationRefused, match=f"so none was changed.*user {luis} google") as caught:
        KeyStore(db, KeyCipher(NEW), {}).rotate()
    assert [(ana, "openai"), (luis, "google")] == [(each.user_id, each.provider) for each in caught.value.problems]
    assert before == [stored(db, ana), stored(db, luis)]


@pytest.mark.short(every=3)
@pytest.mark.parametrize("token", ["garbage", "", bare("[" * 1500, NEW)], ids=["garbage", "empty", "brackets"])
def test_rotation_goes_past_what_no_master_key_opens(db: Database, ana: int, luis: int, token: str) -> None:
    """What one user's host stored in place of a key stays as it is and is named; every other key is sealed anew."""
    old = KeyStore(db, KeyCipher(OLD), {})
    old.store(ana, "openai", OWN)
    old.store(luis, "google", OWN)
    put_token(db, luis, "anthropic", token)
    done = KeyStore(db, KeyCipher(f"{NEW},{OLD}"), {}).rotate()
    assert 2 == done.rotated
    assert [(luis, "anthropic")] == [(each.user_id, each.provider) for each in done.unusable]
    assert token == stored(db, luis)["anthropic"]


def test_key_set_during_rotation(db: Database, keys: KeyStore, ana: int, luis: int) -> None:
    """A key that is set, or removed, while rotation has the old one in hand stays as it was set."""
    old = KeyStore(db, KeyCipher(OLD), {})
    for user_id in (ana, luis):
        old.store(user_id, "openai", Secret("sk-old-0123456789"))
    ring = KeyStore(db, KeyCipher(f"{NEW},{OLD}"), OPERATORS)
    (page,) = ring.pages()
    keys.store(ana, "openai", OWN)
    keys.remove(luis, "openai")
    assert ring.rotate_page(KeyCipher(f"{NEW},{OLD}"), page, lambda *_: None) == Rotation(changed=2)
    assert keys.find(ana, "openai") == FoundKey(OWN, "user")
    assert keys.find(luis, "openai") == FoundKey(OPERATORS["openai"], "operator")


def test_legacy_database(legacy_database_url: str) -> None:
    """Keys are stored beside an older table's budgets and spending, which stay."""
    with Database(legacy_database_url) as db:
        migrate(db)
        keys = KeyStore(db, KeyCipher(NEW), {})
        put_token(db, 2, "openai", bare("sk-older-abcdefgh"))
        keys.store(1, "openai", OWN)
        assert keys.find(1, "openai") == FoundKey(OWN, "user")
        assert keys.find(2, "openai") == FoundKey(Secret("sk-older-abcdefgh"), "user")
        row = db.one("SELECT monthly_budget_usd, current_month_spend FROM user_llm_api_keys WHERE user_id = 1")
    assert row == {"monthly_budget_usd": Decimal("50.00"), "current_month_spend": Decimal("12.3456")}


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("error", "verdict", "kept"),
    [
        (None, "works", OTHER),
        (ProviderUnavailable("it did not answer", billed="no"), "not reached", OTHER),
        (AuthFailed("it refuses the key", billed="no"), "refused", OWN),
    ],
)
def test_a_key_is_stored_unless_its_provider_refuses_it(
    keys: KeyStore, ana: int, monkeypatch: pytest.MonkeyPatch, error: Exception | None, verdict: str, kept: Secret
) -> None:
    """A key that works or could not be checked replaces the stored one; a refused key leaves it as it is."""

    def listed(provider: ProviderName, secret: Secret, settings: Settings) -> list[ModelInfo]:
        assert OTHER == secret
        if error is not None:
            raise error
        return []

    monkeypatch.setattr(listing, "list_models", listed)
    keys.store(ana, "openai", OWN)
    check = store_unless_refused(keys.store, load_settings({}), ana, "openai", Secret(f" {OTHER.reveal()}\n"))
    assert verdict == check.verdict
    assert FoundKey(kept, "user") == keys.find(ana, "openai")


def test_what_is_not_a_key_is_refused_before_its_provider_is_asked(
    keys: KeyStore, ana: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is made with a text that cannot be a key."""
    monkeypatch.delattr(listing, "list_models")
    with pytest.raises(Invalid, match="this is no API key"):
        store_unless_refused(keys.store, load_settings({}), ana, "openai", Secret("two\nlines"))
