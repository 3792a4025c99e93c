"""API keys: encryption, storage, and what asks the providers whether a key works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_monitoring.keys.encryption import KeyCipher, KeyUnreadable, Reason, last_four, require_cipher
from llm_monitoring.keys.issuers import require_own_key
from llm_monitoring.keys.store import NAMED_AT_MOST, KeyStatus, KeyStore, ListedKey, Progress, Rotation
from llm_monitoring.process.late_names import late_names

if TYPE_CHECKING:
    from llm_monitoring.keys.clients import Clients, NoKey
    from llm_monitoring.keys.verification import KeyCheck, check_keys, store_unless_refused
else:
    __getattr__ = late_names(
        __name__, {"clients": "Clients NoKey", "verification": "KeyCheck check_keys store_unless_refused"}
    )

__all__ = [
    "NAMED_AT_MOST",
    "Clients",
    "KeyCheck",
    "KeyCipher",
    "KeyStatus",
    "KeyStore",
    "KeyUnreadable",
    "ListedKey",
    "NoKey",
    "Progress",
    "Reason",
    "Rotation",
    "check_keys",
    "last_four",
    "require_cipher",
    "require_own_key",
    "store_unless_refused",
]
