"""A secret stays closed wherever Python turns a value into text or bytes."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from dataclasses import asdict

import pytest

from llm_monitoring.domain import Secret
from llm_monitoring.host import PlainKey, plain_keys
from llm_monitoring.keys.store import FoundKey
from llm_monitoring.logs.redaction import redact

CANARY = "sk-proj-canary-0123456789"


def test_no_text_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Neither f-strings, %s, repr, asdict nor a copy show it."""
    found = FoundKey(Secret(CANARY), "user")
    logging.getLogger("other").warning("%s %r", found.secret, found)
    texts = [
        f"{found.secret}",
        f"{found.secret!r}",
        f"{found}",
        str(asdict(found)),
        repr(copy.deepcopy(found)),
        caplog.text,
    ]
    assert [] == [text for text in texts if "canary" in text]
    assert not hasattr(found.secret, "__dict__")


@pytest.mark.parametrize("dump", [json.dumps, pickle.dumps])
@pytest.mark.parametrize("value", [Secret(CANARY), [Secret(CANARY)], {"key": Secret(CANARY)}])
def test_no_format_takes_a_secret(dump: object, value: object) -> None:
    """JSON and pickle refuse it."""
    with pytest.raises(TypeError):
        dump(value)  # type: ignore[operator]


def test_secrets_are_values() -> None:
    """Equal texts are equal secrets, and a secret does not change."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    with pytest.raises(AttributeError):
        Secret("a").other = 1


def test_a_plain_key_is_the_key() -> None:
    """An SDK gets the key from it in every way, and equal to it; no dict, log line of ours or pickle shows it."""
    keys = plain_keys({"openai": Secret(CANARY)})
    key = keys["openai"]
    assert CANARY == key
    assert f"Bearer {CANARY}" == f"Bearer {key}"
    assert CANARY.encode() == key.encode()
    assert "{'openai': ***}" == str(keys) == str(copy.deepcopy(keys))
    assert "***" == redact(f"{key}")
    assert isinstance(copy.copy(key), PlainKey)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(keys)
