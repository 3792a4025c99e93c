"""Encryption of stored API keys under one or more master keys, as tokens bound to their user and provider."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.errors import ConfigurationError, MonitoringError
from llm_monitoring.logs import register_secret
from llm_monitoring.settings import api_key

Reason = Literal["no_master_key", "empty", "damaged", "sealed_otherwise", "not_a_key", "newer", "not_yours"]

FORMAT: Final = 1
GENERATE: Final = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
# Fernet: a version byte, 8 bytes of time, 16 of IV, whole AES blocks, 32 of HMAC.
FERNET_VERSION: Final = b"\x80"
FERNET_FRAME: Final = 1 + 8 + 16 + 32
FERNET_BLOCK: Final = 16
SIGNING_BYTES: Final = 16  # the first half of a master key
MARK_BYTES: Final = 32

MEANINGS: Final[dict[Reason, str]] = {
    "no_master_key": "LLM_KEYS_ENCRYPTION_KEY is not set; set it to the master key that encrypted this one",
    "empty": "the stored value is empty; set the key again or remove it",
    "damaged": "the stored value is cut or was never an encrypted key; set the key again or remove it",
    "sealed_otherwise": "no master key in LLM_KEYS_ENCRYPTION_KEY decrypts it; "
    "add the one that encrypted it to the list, or set the key again",
    "not_a_key": "its content is not an API key; set the key again",
    "newer": "a newer release encrypted it; update this installation",
    "not_yours": "it was encrypted for another user or provider and is refused; set the key again",
}


# No master key decrypts these: nothing can be lost, so they do not keep other keys from being rotated.
UNUSABLE: Final[frozenset[Reason]] = frozenset({"empty", "damaged", "not_a_key", "not_yours"})


class KeyUnreadable(MonitoringError):
    """A stored API key cannot be read."""

    def __init__(self, reason: Reason, user_id: int, provider: ProviderName) -> None:
        super().__init__(f"the {provider} key of user {user_id} cannot be read: {MEANINGS[reason]}")
        self.reason: Reason = reason
        self.user_id = user_id
        self.provider: ProviderName = provider


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What may be shown of a readable token. A token that is not `bound` is an older one: the bare key."""

    bound: bool
    under_newest: bool
    last_four: str


class KeyCipher:
    """Encrypts API keys under the newest of its master keys and decrypts them under any.

    `master_keys`: Fernet keys, separated by commas, newest first.
    """

    def __init__(self, master_keys: str) -> None:
        self.master_keys = [master_key(part.strip()) for part in master_keys.split(",")]
        self.signing = [base64.urlsafe_b64decode(part.strip())[:SIGNING_BYTES] for part in master_keys.split(",")]
        self.multi = MultiFernet(self.master_keys)

    def __repr__(self) -> str:
        return f"KeyCipher({len(self.master_keys)} master keys)"

    def encrypt(self, secret: Secret, user_id: int, provider: ProviderName) -> str:
        """Return a token that decrypts for this user and provider only."""
        register_secret(secret)
        contents = {"v": FORMAT, "user": user_id, "provider": provider, "key": secret.reveal()}
        return self.multi.encrypt(json.dumps(contents).encode()).decode()

    def decrypt(self, token: str, user_id: int, provider: ProviderName) -> Secret:
        """Return the key; raises KeyUnreadable, also for a token of another user or provider."""
        secret, _ = self.contents(token, user_id, provider)
        register_secret(secret)
        return secret

    def check(self, token: str, user_id: int, provider: ProviderName) -> None:
        """Raise KeyUnreadable unless the token was made under one of the master keys; nothing is decrypted.

        Only `decrypt` checks the user and the provider, in the worker that uses the key.
        """
        try:
            raw = base64.b64decode(token.strip(), altchars=b"-_", validate=True)
        except ValueError:
            raw = b""
        signed, mark = raw[:-MARK_BYTES], raw[-MARK_BYTES:]
        if not any(hmac.compare_digest(hmac.digest(key, signed, "sha256"), mark) for key in self.signing):
            raise KeyUnreadable(fault(token), user_id, provider)

    def inspect(self, token: str, user_id: int, provider: ProviderName) -> TokenInfo:
        """Return what may be shown of the key; raises KeyUnreadable."""
        secret, bound = self.contents(token, user_id, provider)
        return TokenInfo(bound, decrypts(self.master_keys[0], token), last_four(secret))

    def rotate(self, token: str, user_id: int, provider: ProviderName) -> str:
        """Encrypt the same key again under the newest master key, bound to its user and provider."""
        secret, _ = self.contents(token, user_id, provider)
        return self.encrypt(secret, user_id, provider)

    def contents(self, token: str, user_id: int, provider: ProviderName) -> tuple[Secret, bool]:
        try:
            plain = self.multi.decrypt(token.strip().encode())
        except (InvalidToken, UnicodeEncodeError) as exc:
            raise KeyUnreadable(fault(token), user_id, provider) from exc
        try:
            content = parsed(plain)
        except RecursionError:
            raise KeyUnreadable("not_a_key", user_id, provider) from None
        bound = isinstance(content, dict)
        if bound and content.get("v") != FORMAT:
            raise KeyUnreadable("newer", user_id, provider)
        if bound and (content.get("user"), content.get("provider")) != (user_id, provider):
            raise KeyUnreadable("not_yours", user_id, provider)
        try:
            return api_key(content["key"] if bound else plain.decode()), bound
        except (KeyError, AttributeError, ValueError, TypeError):
            # `from None`: the cause of a decoding error carries the plaintext
            raise KeyUnreadable("not_a_key", user_id, provider) from None


def require_cipher(cipher: KeyCipher | None) -> KeyCipher:
    """Return `cipher`; raises ConfigurationError without a master key, as no key is stored in the clear."""
    if cipher is None:
        raise ConfigurationError(
            f"LLM_KEYS_ENCRYPTION_KEY is not set and API keys are never stored in the clear: make one with {GENERATE}",
            code="no_master_key",
        )
    return cipher


def master_key(text: str) -> Fernet:
    try:
        base64.b64decode(text, altchars=b"-_", validate=True)  # Fernet alone ignores what follows the padding
        return Fernet(text)
    except ValueError:
        raise ConfigurationError(
            f"LLM_KEYS_ENCRYPTION_KEY must be one or more Fernet keys separated by commas: make one with {GENERATE}",
            code="master_key_invalid",
        ) from None


def parsed(plain: bytes) -> Any:
    """Return the JSON in `plain`, None if it is not JSON. Tokens hold an object; a bare key may be other JSON.

    Raises RecursionError if it is nested too deep.
    """
    try:
        return json.loads(plain)
    except ValueError:
        return None


def decrypts(master: Fernet, token: str) -> bool:
    try:
        master.decrypt(token.strip().encode())
    except InvalidToken:
        return False
    return True


def fault(token: str) -> Reason:
    """Whether another master key may decrypt the token (`sealed_otherwise`), or none ever will."""
    if not token.strip():
        return "empty"
    try:
        raw = base64.b64decode(token.strip(), altchars=b"-_", validate=True)
    except ValueError:
        return "damaged"
    blocks = len(raw) - FERNET_FRAME
    whole = raw[:1] == FERNET_VERSION and blocks > 0 and blocks % FERNET_BLOCK == 0
    return "sealed_otherwise" if whole else "damaged"


def last_four(secret: Secret) -> str:
    """Return the end of a key that is long enough to stay secret without it."""
    text = secret.reveal()
    return text[-4:] if len(text) >= 12 else ""
