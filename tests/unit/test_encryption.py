"""Encrypted keys: which user and master key decrypt them, and the message of every failure."""

from __future__ import annotations

import json
import re
import traceback

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.keys.encryption import KeyCipher, KeyUnreadable, Reason, TokenInfo, last_four, require_cipher
from llm_monitoring.logs.redaction import redact

OLD = Fernet.generate_key().decode()
NEW = Fernet.generate_key().decode()
CIPHER = KeyCipher(NEW)
CANARY = Secret("sk-canary-4F7Q2Z9XKD")

keys = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80)
owners = st.tuples(st.integers(1, 2**31 - 1), st.sampled_from(PROVIDERS))


def token_of(contents: object) -> str:
    text = contents if isinstance(contents, str) else json.dumps(contents)
    return Fernet(NEW).encrypt(text.encode()).decode()


def failure(
    token: str, user_id: int = 1, provider: ProviderName = "openai", cipher: KeyCipher = CIPHER
) -> KeyUnreadable:
    with pytest.raises(KeyUnreadable) as caught:
        cipher.decrypt(token, user_id, provider)
    shown = "".join(traceback.format_exception(caught.value))
    assert "canary" not in shown
    assert len(token) < 20 or token not in shown
    assert "\n" not in str(caught.value)
    return caught.value


@given(keys, owners)
def test_round_trip(key: str, owner: tuple[int, ProviderName]) -> None:
    """A token for a user and provider decrypts for them, and shows nothing of the key before."""
    token = CIPHER.encrypt(Secret(key), *owner)
    assert CIPHER.decrypt(token, *owner) == Secret(key)
    assert len(key) < 4 or key not in token


@given(owners, owners)
def test_token_of_another(owner: tuple[int, ProviderName], other: tuple[int, ProviderName]) -> None:
    """A token found in another user's or provider's place is refused."""
    token = CIPHER.encrypt(CANARY, *owner)
    if owner != other:
        assert failure(token, *other).reason == "not_yours"


@given(st.text(max_size=200))
def test_garbage(text: str) -> None:
    """Whatever a column holds, it is a key that cannot be read and not a crash."""
    assert failure(text).reason in ("empty", "damaged")


@given(st.integers(0, 300))
def test_cut_token(length: int) -> None:
    """A token cut anywhere does not open."""
    token = CIPHER.encrypt(CANARY, 1, "openai")
    if length < len(token.rstrip("=")):
        assert failure(token[:length]).reason in ("empty", "damaged", "sealed_otherwise")


@pytest.mark.parametrize(
    ("token", "reason", "advice"),
    [
        (" ", "empty", "set the key again or remove it"),
        ("sk-canary-in-the-clear", "damaged", "set the key again or remove it"),
        (Fernet(OLD).encrypt(b"sk-canary").decode(), "sealed_otherwise", "add the one that encrypted it"),
        (token_of("sk canary"), "not_a_key", "set the key again"),
        (token_of(""), "not_a_key", "set the key again"),
        (Fernet(NEW).encrypt(b"\xffcanary").decode(), "not_a_key", "set the key again"),
        (token_of({"v": 1, "user": 1, "provider": "openai", "key": 7}), "not_a_key", "set the key again"),
        (token_of({"v": 1, "user": 1, "provider": "openai"}), "not_a_key", "set the key again"),
        (token_of({"v": 2, "user": 1, "provider": "openai", "key": "sk-canary"}), "newer", "update"),
        (token_of({"v": 1, "user": 2, "provider": "openai", "key": "sk-canary"}), "not_yours", "refused"),
        (token_of({"v": 1, "user": 1, "provider": "google", "key": "sk-canary"}), "not_yours", "refused"),
    ],
    ids=[
        "blank",
        "clear",
        "old-ring",
        "spaces",
        "nothing",
        "binary",
        "number",
        "no-key",
        "newer",
        "user",
        "provider",
    ],
)
def test_failures(token: str, reason: Reason, advice: str) -> None:
    """Each failure names user, provider and what to do, and shows neither token nor key."""
    error = failure(token)
    assert error.reason == reason
    assert 1 == error.user_id
    assert "openai" == error.provider
    assert str(error).startswith("the openai key of user 1 cannot be read: ")
    assert advice in str(error)


def test_altered_token() -> None:
    """A token with one bit changed does not open."""
    token = CIPHER.encrypt(CANARY, 1, "openai")
    altered = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    assert failure(altered).reason == "sealed_otherwise"


def test_older_tokens() -> None:
    """A token that holds the bare key still opens, white space around either aside, and is recognised."""
    token = " " + token_of(CANARY.reveal() + "\n") + "\n"
    assert CIPHER.decrypt(token, 1, "openai") == CANARY
    assert CIPHER.inspect(token, 1, "openai") == TokenInfo(bound=False, under_newest=True, last_four="9XKD")


@pytest.mark.parametrize("bare", ["12345", "[]", '["a"]', '"quoted"', "null"])
def test_bare_key_that_reads_as_json(bare: str) -> None:
    """An older bare key is a key even where it happens to be JSON."""
    assert CIPHER.decrypt(token_of(bare), 1, "google") == Secret(bare)


def test_ring() -> None:
    """Any of the master keys decrypts what it encrypted; the newest one encrypts."""
    old, both = KeyCipher(OLD), KeyCipher(f"{NEW} ,\n {OLD}")
    token = old.encrypt(CANARY, 1, "openai")
    assert both.decrypt(token, 1, "openai") == CANARY
    assert both.inspect(token, 1, "openai") == TokenInfo(bound=True, under_newest=False, last_four="9XKD")
    assert CIPHER.decrypt(both.encrypt(CANARY, 1, "openai"), 1, "openai") == CANARY


def test_rotate() -> None:
    """Rotation encrypts under the newest key and binds; a bound token stays with its user."""
    both = KeyCipher(f"{NEW},{OLD}")
    bare = both.rotate(Fernet(OLD).encrypt(CANARY.reveal().encode()).decode(), 3, "google")
    assert CIPHER.decrypt(bare, 3, "google") == CANARY
    assert both.inspect(bare, 3, "google") == TokenInfo(bound=True, under_newest=True, last_four="9XKD")
    with pytest.raises(KeyUnreadable, match="refused"):
        both.rotate(bare, 4, "google")


@pytest.mark.parametrize(
    "ring",
    ["", " ", "canary", f"{NEW},", f"{NEW},canary", f"{NEW};{OLD}", "canaré" * 8],
    ids=["empty", "blank", "short", "last-empty", "last-short", "semicolon", "not-ascii"],
)
def test_malformed_ring(ring: str) -> None:
    """A malformed master key is one line that says how to make one and shows nothing of it."""
    with pytest.raises(ConfigurationError) as caught:
        KeyCipher(ring)
    shown = "".join(traceback.format_exception(caught.value))
    assert re.search("^LLM_KEYS_ENCRYPTION_KEY must be .*Fernet.generate_key", str(caught.value))
    assert "canar" not in shown
    assert NEW not in shown


def test_no_master_key() -> None:
    """Without a master key nothing can be encrypted, and the error says how to make one."""
    with pytest.raises(ConfigurationError, match=r"never stored in the clear: .*Fernet\.generate_key"):
        require_cipher(None)
    assert require_cipher(CIPHER) is CIPHER


def test_the_command_makes_a_ring() -> None:
    """The command that the errors quote makes a working master key."""
    with pytest.raises(ConfigurationError) as caught:
        require_cipher(None)
    command = re.search('python -c "(.*)"', str(caught.value))
    assert command is not None
    printed: list[str] = []
    exec(command[1], {"print": printed.append})
    assert KeyCipher(printed[0]).master_keys


def test_opened_and_sealed_keys_are_hidden() -> None:
    """A key is registered for redaction when it is encrypted and when it is decrypted."""
    CIPHER.encrypt(Secret("odd/form+one~11"), 1, "openai")
    CIPHER.decrypt(token_of("odd/form+two~22"), 1, "openai")
    assert redact("odd/form+one~11 form+two~22") == "*** for***"


def test_repr() -> None:
    """A cipher shows how many master keys it has and none of them."""
    assert repr(KeyCipher(f"{NEW},{OLD}")) == "KeyCipher(2 master keys)"


def test_last_four() -> None:
    """The end of a key is shown only where the rest is long enough."""
    assert "abcd" == last_four(Secret("12345678abcd"))
    assert "" == last_four(Secret("1234567abcd"))


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"a":' * 100_000], ids=["lists", "objects"])
def test_nested_text_is_no_key(nested: str) -> None:
    """What is nested deeper than a reader goes is no key, and no other error."""
    token = Fernet(NEW).encrypt(nested.encode()).decode()
    with pytest.raises(KeyUnreadable) as caught:
        CIPHER.decrypt(token, 1, "openai")
    assert "not_a_key" == caught.value.reason
