"""The connection under the SDKs: one reply a request, compressed replies whole, no key in what comes back."""

from __future__ import annotations

import gzip
import json
import logging
import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_monitoring.domain import PROVIDERS, ProviderName, Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.providers import ProviderUnavailable, Reply, bodies, load_sdk, open_provider
from llm_monitoring.providers.transport import certificates
from tests.providers.server import KEY, PATHS, Handler, Server, Step, question, recorded, says

PLAIN = {name: recorded(f"{name}_plain") for name in PROVIDERS}


def raw_reply(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chunked_reply(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def sends(data: bytes) -> Step:
    def step(handler: Handler) -> None:
        handler.wfile.write(data)

    return step


@pytest.mark.parametrize("form", [raw_reply, chunked_reply])
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_second_reply_to_one_request_answers_no_other(server: Server, name: ProviderName, form: Any) -> None:
    """A connection with bytes left behind a whole reply is closed, so that they never answer the next prompt."""
    ghost = PLAIN[name].replace(b"Holded", b"GHOST!")
    server.script(sends(form(PLAIN[name]) + form(ghost)), says(PLAIN[name]))
    provider = server.open(name)
    read = [provider.send(question(name)).body for _ in range(2)]
    assert [PLAIN[name], PLAIN[name]] == read
    assert len(server.received) == 2


def test_a_connection_without_left_over_bytes_is_kept(server: Server) -> None:
    """Whole replies leave their connection open for the next request."""
    ports: list[int] = []

    def step(handler: Handler) -> None:
        ports.append(handler.client_address[1])
        says(PLAIN["openai"])(handler)

    server.script(step)
    provider = server.open("openai", timeout=4.0)
    for _ in range(3):
        provider.send(question("openai"))
    assert len(set(ports)) == 1


def sent(server: Server, body: bytes, encoding: str) -> Reply:
    server.script(says(body, 200, content_encoding=encoding))
    return server.open("openai").send(question("openai"))


HALF = len(PLAIN["openai"]) // 2
COMPRESSED = {
    "gzip": (gzip.compress(PLAIN["openai"]), "gzip"),
    "two members": (gzip.compress(PLAIN["openai"][:HALF]) + gzip.compress(PLAIN["openai"][HALF:]), "gzip"),
    "filled up with zeros": (gzip.compress(PLAIN["openai"]) + b"\0" * 512, "gzip"),
    "an empty member": (gzip.compress(b"") + gzip.compress(PLAIN["openai"]), "x-gzip"),
    "deflate": (zlib.compress(PLAIN["openai"]), "deflate"),
    "bare deflate": (zlib.compress(PLAIN["openai"])[2:-4], "deflate"),
    "twice": (gzip.compress(gzip.compress(PLAIN["openai"])), "gzip, gzip"),
    "identity": (PLAIN["openai"], "identity"),
    "not declared": (gzip.compress(PLAIN["openai"]), ""),
    "only declared": (PLAIN["openai"], "gzip"),
    "only declared, deflate": (PLAIN["openai"], "deflate"),
    "one of two": (gzip.compress(PLAIN["openai"]), "gzip, gzip"),
    "a charset": (PLAIN["openai"], "utf-8"),
    "an unknown name": (PLAIN["openai"], "br"),
}


@pytest.mark.parametrize("form", COMPRESSED)
def test_compressed_replies_are_read_whole(server: Server, form: str) -> None:
    """Compression that is asked for comes out whole, in as many members as it has, also if a header is wrong."""
    body, encoding = COMPRESSED[form]
    assert PLAIN["openai"] == sent(server, body, encoding).body


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(PLAIN["openai"])[:-9], "gzip"),
        (COMPRESSED["two members"][0][:-9], "gzip"),
        (COMPRESSED["gzip"][0] + b"rubbish", "gzip"),
        (zlib.compress(PLAIN["openai"])[:-20], "deflate"),
        (gzip.compress(PLAIN["openai"])[:-9], ""),
        (b"\x0b\x02\x80{}\x03", "gzip"),
        (b"\x0b\x02\x80{}\x03", "br"),
        (b"\x28\xb5\x2f\xfd{}", "zstd"),
        (COMPRESSED["gzip"][0], ", ".join(["gzip"] * 6)),
    ],
    ids=["cut", "cut twice", "more behind it", "deflate cut", "cut, undeclared", "not gzip", "br", "zstd", "six times"],
)
def test_broken_compression_is_perhaps_billed(server: Server, body: bytes, encoding: str) -> None:
    """A reply that cannot be decompressed whole is no reply, and its call is perhaps billed."""
    with pytest.raises(ProviderUnavailable) as caught:
        sent(server, body, encoding)
    assert caught.value.billed == "maybe"


def test_many_members_are_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a reply is not copied for each member, which would take hours for a reply full of empty ones."""
    given: list[int] = []

    class Reader:
        def __init__(self, window: int) -> None:
            self.reader = decompressobj(window)

        def decompress(self, data: bytes, most: int) -> bytes:
            given.append(len(data))
            return self.reader.decompress(data, most)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.reader, name)

    decompressobj = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Reader)
    members = 1000 * gzip.compress(b"") + gzip.compress(b"a", mtime=0) + b"\0" * 9000 + gzip.compress(b"b")
    assert b"ab" == bodies.decompressed("gzip", members)
    assert max(given) <= bodies.INPUT_BYTES


@pytest.mark.parametrize("name", PROVIDERS)
def test_only_encodings_that_are_read_are_asked_for(server: Server, name: ProviderName) -> None:
    """Other encodings that the SDK would accept are not requested."""
    server.script(says(PLAIN[name]))
    server.open(name).send(question(name))
    assert server.received[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("name", PROVIDERS)
def test_headers_that_echo_the_key_are_in_no_log(
    server: Server, name: ProviderName, caplog: pytest.LogCaptureFixture
) -> None:
    """With every logger at DEBUG under the host's own handlers, an echoed key is nowhere."""
    for logger in ("", "openai", "anthropic", "google_genai", "httpx2", "httpcore2", "httpcore2.http11"):
        caplog.set_level(logging.DEBUG, logger)
    server.script(says(PLAIN[name], 200, x_echo=f"Bearer {KEY.reveal()}", x_request_id=KEY.reveal()))
    server.open(name).send(question(name))
    text = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "send_request_headers" in text
    assert KEY.reveal()[-8:] not in text


ODD_KEY = Secret('sk-odd"4f1c\\9a7e/2b8d"Tail\\"ch')


@pytest.mark.parametrize("escape", [json.dumps, lambda key: json.dumps(key).replace("/", "\\/")], ids=["json", "slash"])
@pytest.mark.parametrize("status", [200, 400])
def test_a_key_with_quotes_is_hidden_where_json_escapes_it(server: Server, status: int, escape: Any) -> None:
    """A quote or a backslash in a key gets another one in JSON; the echo is hidden all the same."""
    body = '{"error": {"message": "your key is ' + escape(ODD_KEY.reveal())[1:-1] + '", "type": "x"}}'
    server.script(says(body, status))
    provider = open_provider("openai", ODD_KEY, base_url=server.url + PATHS["openai"], timeout_seconds=2)
    try:
        shown = provider.send(question("openai")).body.decode()
    except Exception as exc:  # noqa: BLE001 - the message of whichever error it is
        shown = str(exc)
    finally:
        provider.close()
    assert [] == [part for part in ("4f1c", "9a7e", "Tail") if part in shown]


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_client_reads_the_certificates_again(name: ProviderName, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes some 25 ms of CPU, and a run opens a client for each user's key."""
    certificates()
    read = []
    monkeypatch.setattr(ssl, "create_default_context", lambda *args, **options: read.append(args))
    open_provider(name, KEY, base_url=None, timeout_seconds=2).close()
    assert not read


@pytest.fixture
def unread() -> Iterator[None]:
    """Certificates are read again, and once more after the test."""
    certificates.cache_clear()
    yield
    certificates.cache_clear()


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    "content", [None, "", "no certificate", b"\x00\xff"], ids=["missing", "empty", "text", "binary"]
)
@pytest.mark.parametrize("name", PROVIDERS)
def test_certificates_that_cannot_be_read_are_named(
    name: ProviderName, content: str | bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale SSL_CERT_FILE is an error of the configuration, before any call and for every provider."""
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE or SSL_CERT_DIR cannot be read"):
        load_sdk(name)
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE or SSL_CERT_DIR cannot be read"):
        open_provider(name, KEY, base_url=None, timeout_seconds=2)
