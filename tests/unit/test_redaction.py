"""Redaction: what is hidden by value, what by its look, and what is left alone."""

from __future__ import annotations

import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_monitoring.domain import Secret
from llm_monitoring.logs import redaction as logs


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of other tests are not known here, nor ours there."""
    monkeypatch.setattr(logs, "SECRETS", logs.SecretMasker())


def test_longest_of_keys_with_one_end() -> None:
    """Of two keys that end alike each is hidden whole."""
    for key in ("first-SAMETAIL", "the-second-SAMETAIL"):
        logs.register_secret(Secret(key))
    assert logs.redact("first-SAMETAIL/the-second-SAMETAIL/SAMETAIL") == "***/***/***"


@given(
    st.lists(st.text("ABCab1", min_size=8, max_size=14), min_size=1, max_size=4),
    st.text("ABCab1 ", max_size=40),
)
def test_no_registered_secret_survives(secrets: list[str], noise: str) -> None:
    """Whatever surrounds them, no secret and no end of one is left."""
    registry = logs.SecretMasker()
    for secret in secrets:
        registry.add(secret)
    text = registry.hide(noise.join(["", *secrets, *(each[-8:] for each in secrets), ""]))
    assert [each for each in secrets if each[-8:] in text] == []


ESCAPED_FORMS: dict[str, Callable[[str], str]] = {
    "all": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    "capitals": lambda text: "".join(f"\\u{ord(each):04X}" for each in text),
    "mixed": lambda text: "".join((f"\\u{ord(each):04x}", f"\\u{ord(each):04X}")[n % 2] for n, each in enumerate(text)),
    "one in three": lambda text: "".join(each if n % 3 else f"\\u{ord(each):04x}" for n, each in enumerate(text)),
    "one": lambda text: text[:-2] + f"\\u{ord(text[-2]):04x}" + text[-1],
    "twice": lambda text: "".join(f"\\\\u{ord(each):04x}" for each in text),
}


@pytest.mark.parametrize("form", ESCAPED_FORMS)
def test_keys_that_json_escaped(form: str) -> None:
    """A key whose characters JSON escapes, or only its end, is hidden; what stands around it is as it was."""
    key = "sk-Jk1+Zz_0-NoTail~9xK"
    logs.register_secret(Secret(key))
    for echoed in (key, key[-8:]):
        text = f'{{"a": "\\u00f1\\u003c{ESCAPED_FORMS[form](echoed)}\\u0026b\\n", "plain": "{key}"}}'
        assert '{"a": "\\u00f1\\u003c***\\u0026b\\n", "plain": "***"}' == logs.SECRETS.hide(text)


@pytest.mark.parametrize("around", [("", ""), ("u:", ""), (":", ":x"), ("user", "@host")])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_keys_in_base64(encode: Callable[[bytes], bytes], around: tuple[str, str]) -> None:
    """Wherever a key stands in what is encoded, nothing of its text can be decoded."""
    key = "sk?Jk1>Zz_0~NoTail-9xK"
    logs.register_secret(Secret(key))
    encoded = encode(key.join(around).encode()).decode()
    left = logs.redact(f"echo {encoded}").removeprefix("echo ")
    first, _, last = left.partition("***")
    assert len(first) <= -(-4 * len(around[0]) // 3)
    assert len(last.rstrip("=")) <= -(-4 * len(around[1]) // 3) + 1


def test_keys_in_addresses() -> None:
    """As a service that quotes an address shows them."""
    logs.register_secret(Secret("sk/Jk1+Zz_0=NoTail&9x"))
    assert "?key=***&a=b" == logs.redact("?key=sk%2FJk1%2BZz_0%3DNoTail%269x&a=b")


@given(st.lists(st.text("Ak_9", min_size=8, max_size=12), min_size=1, max_size=3), st.data())
def test_no_escaped_secret_survives(secrets: list[str], data: st.DataObject) -> None:
    """Whichever characters are escaped, and at whatever depth, nobody who reads the JSON finds a secret."""
    registry = logs.SecretMasker()
    for secret in secrets:
        registry.add(secret)
    depths = st.lists(st.integers(0, 3), min_size=99, max_size=99)
    marks = zip(" ".join(secrets), data.draw(depths), strict=False)
    text = "".join("\\" * depth + f"u{ord(each):04x}" if depth else each for each, depth in marks)
    read = logs.ESCAPE.sub(lambda found: chr(int(found[1], 16)), registry.hide(text))
    assert [each for each in secrets if each[-8:] in read] == []


def test_escapes_that_hide_nothing_are_kept() -> None:
    """JSON with escapes of any kind is as it was where it holds no secret."""
    logs.register_secret(Secret("sk-abcdefgh12345678"))
    text = '{"a": "\\u0031\\u0033345678 \\\\u0061 \\ud83d\\ude00 \\u00e9 \\u00", "b": "\\u0022\\\\"}'
    assert text == logs.SECRETS.hide(text)


def test_ordinary_text_is_kept() -> None:
    """Words, addresses and model names are no secrets."""
    text = "task-oriented risk-averse pplx-70b-chat https://h:443/x?mail=a@b.c AQ bearer of news; gpt-5, ñ 🎉 ⚠️"
    assert logs.redact(text) == text
    assert logs.visible(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key sk-abcdefghij0123 end", "key *** end"),
        ("sk-ant-api03-AbC_d-0123456789", "***"),
        ("'sk-proj-AbC_d-0123456789'", "'***'"),
        ("pplx-0123456789abcdef", "***"),
        ("?key=AIzaSyA-1234567890_abcd&x=1", "?key=***&x=1"),
        ("AQ.Ab8RN6I-1234567890_abcd", "***"),
        (repr("key:\nsk-proj-AbC_d-0123456789"), r"'key:\n***'"),
        (repr(b"\x0fsk-proj-AbC_d-0123456789"), r"b'\x0f***'"),
        (r"?key\u003dAIzaSyA-1234567890_abcd\u0026x=1", r"?key\u003d***\u0026x=1"),
        ("?next=%2F%3Fkey%3Dpplx-0123456789abcdef%26x", "?next=%2F%3Fkey%3D***%26x"),
        ("Authorization: Bearer abc.def-0123456789==", "Authorization: Bearer ***"),
        ("(b'x-api-key', b'0123456789')", "(b'x-api-key', b'***')"),
        ('{"x-goog-api-key": "0123456789"}', '{"x-goog-api-key": "***"}'),
        ("postgres://user:p@ss/w:ord@host/db", "postgres://user:***@host/db"),
        ("postgresql+psycopg2://user:pw@host/db", "postgresql+psycopg2://user:***@host/db"),
        ("http://user:pw@proxy:8080/a@b", "http://user:***@proxy:8080/a@b"),
        ("host=h password='a b' user=u", "host=h password=*** user=u"),
        ("gAAAAABn" + "x" * 92 + "==", "***"),
    ],
)
def test_patterns(text: str, expected: str) -> None:
    """What looks like a key, a token or a password is hidden though nobody registered it."""
    assert logs.redact(text) == expected


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "piece",
    [
        *("postgres://a:", "://a:", "password='", "Bearer ", "x-api-key: ", "sk-", "gAAAAA", "a"),
        *("\\", "\\u0061", "\\\\\\u0061", "\\u00"),
    ],
)
def test_hostile_text_is_quick(piece: str) -> None:
    """A megabyte made to slow the patterns down is read in time that grows with its length."""
    logs.register_secret(Secret("sk-0061aa\\u00uuuu"))
    text = piece * (1_000_000 // len(piece)) + "\\u0061"
    begun = time.process_time()
    logs.redact(text)
    assert time.process_time() - begun < 5
