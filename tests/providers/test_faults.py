"""Every fault of a provider and of the connection: the error, whether it is billed, and its message."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.providers import (
    AuthFailed,
    BadRequest,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    open_provider,
    read_reply,
)
from llm_monitoring.providers.http_errors import retry_after
from llm_monitoring.providers.transport import certificates
from tests.providers.server import (
    KEY,
    PATHS,
    Server,
    Step,
    babbles,
    cuts,
    drips,
    hangs,
    question,
    recorded,
    resets,
    running,
    says,
)


def fault(server: Server, name: ProviderName, step: Step, *, timeout: float = 5.0, total: float = 10.0) -> Any:
    """Send one question into the fault and return the error."""
    server.script(step)
    with pytest.raises(ProviderError) as caught:
        server.open(name, timeout=timeout, total=total).send(question(name))
    return caught.value


def error_body(name: ProviderName, message: str, code: str = "some_code") -> str:
    bodies = {
        "openai": '{"error": {"message": "%s", "type": "some_type", "param": null, "code": "%s"}}',
        "anthropic": '{"type": "error", "error": {"message": "%s", "type": "%s"}, "request_id": "req_1"}',
        "google": '{"error": {"code": 400, "message": "%s", "status": "%s"}}',
        "perplexity": '{"error": {"message": "%s", "type": "%s", "code": 400}}',
    }
    return bodies[name] % (message, code)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "kind", "billed"),
    [
        (400, BadRequest, "no"),
        (401, AuthFailed, "no"),
        (402, AuthFailed, "no"),
        (403, AuthFailed, "no"),
        (404, ModelNotFound, "no"),
        (408, ProviderUnavailable, "maybe"),
        (409, ProviderUnavailable, "maybe"),
        (413, BadRequest, "maybe"),
        (422, BadRequest, "maybe"),
        (424, ProviderUnavailable, "maybe"),
        (425, ProviderUnavailable, "maybe"),
        (429, RateLimited, "no"),
        (444, ProviderUnavailable, "maybe"),
        (451, BadRequest, "maybe"),
        (460, ProviderUnavailable, "maybe"),
        (499, ProviderUnavailable, "maybe"),
        (502, ProviderUnavailable, "maybe"),
        (504, ProviderUnavailable, "maybe"),
        (529, ProviderUnavailable, "maybe"),
    ],
)
def test_statuses(server: Server, name: ProviderName, status: int, kind: type[ProviderError], billed: str) -> None:
    """Each status has its error and its charge, and the provider's words in the message."""
    error = fault(server, name, says(error_body(name, "These are the words."), status))
    assert type(error) is kind
    assert error.billed == billed
    assert error.status == status
    assert str(error) == f"{name} answered {status}: These are the words."


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("body", ["", "<html>Bad\n gateway</html>", "null", "[]", '{"error": "words"}', "{}", '"x"'])
def test_statuses_with_any_body(server: Server, name: ProviderName, body: str) -> None:
    """An error status is understood with any body."""
    error = fault(server, name, says(body, 502))
    assert type(error) is ProviderUnavailable
    assert "maybe" == error.billed
    assert str(error).startswith(f"{name} answered 502: ")
    assert str(error).isprintable()


@pytest.mark.parametrize("name", PROVIDERS)
def test_redirects_are_named(server: Server, name: ProviderName) -> None:
    """A redirect is not followed, and the message says where to look."""
    error = fault(server, name, says("", 308, location="/elsewhere"))
    assert type(error) is BadRequest
    assert "no" == error.billed
    assert 308 == error.status
    assert "check the base URL" in str(error)


@pytest.mark.short(every=4)
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after": "999999"}, 3600.0),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": ""}, None),
        ({"retry_after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry_after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry_after": "Mon, 99 Nov 2026 09:00:00 GMT"}, None),
        ({"retry_after": "Mon, 23 Nov 99999999999999 09:00:00 GMT"}, None),
        ({"retry_after": "Mon, 23 Nov 2026 09:00:00 +99999999999999"}, None),
        ({}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("status", "kind", "billed"),
    [(429, RateLimited, "no"), (503, ProviderUnavailable, "maybe"), (529, ProviderUnavailable, "maybe")],
)
def test_retry_after(
    server: Server,
    name: ProviderName,
    headers: dict[str, str],
    expected: float | None,
    status: int,
    kind: type[ProviderError],
    billed: str,
) -> None:
    """A rate limit or an overload has the provider's wait, if it is valid, and at most an hour."""
    error = fault(server, name, says("{}", status, **headers))
    assert error.billed == billed
    assert error.retry_after == expected
    assert type(error) is kind


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_retry_after_of_any_outage(server: Server, name: ProviderName, status: int) -> None:
    """Every status that stands for an outage may carry the wait, however unusual."""
    error = fault(server, name, says("{}", status, retry_after="7"))
    assert type(error) is ProviderUnavailable
    assert 7.0 == error.retry_after


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("step", [resets, cuts(b"{"), says("{}", 503)], ids=["reset", "cut", "503"])
def test_no_wait_without_a_provider_s(server: Server, name: ProviderName, step: Step) -> None:
    """An outage without a wait of the provider's has none."""
    assert fault(server, name, step).retry_after is None


def test_retry_after_as_a_date_without_the_replys_date() -> None:
    """A date is relative to our own clock if the reply has no date of its own."""
    wait = retry_after({"retry-after": formatdate(usegmt=True)}, [])
    assert wait is not None
    assert 0 <= wait <= 1


@pytest.mark.parametrize("status", [429, 503])
def test_google_retry_info(server: Server, status: int) -> None:
    """Google's wait is in the body."""
    info = '{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}'
    quota = '{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []}'
    body = f'{{"error": {{"code": {status}, "message": "Quota", "details": [{quota}, {info}]}}}}'
    assert fault(server, "google", says(body, status)).retry_after == 37.5


CUT_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "step",
    [
        resets,
        cuts(b'{"id": "x", "output": ['),
        cuts(b""),
        babbles,
        hangs(1.0),
        drips(CUT_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"not a chunk\r\n"),
        says(b"\x1f\x8b not gzip", content_encoding="gzip"),
    ],
    ids=["reset", "cut", "cut at once", "no http", "silence", "bad chunk", "bad gzip"],
)
def test_lines_that_break(server: Server, name: ProviderName, step: Step) -> None:
    """A fault after the request was sent was perhaps billed."""
    error = fault(server, name, step, timeout=0.3)
    assert type(error) is ProviderUnavailable
    assert "maybe" == error.billed
    assert error.status is None
    assert str(error).startswith(f"{name}: no reply: ")


@pytest.mark.short(every=5)
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "step",
    [
        drips(CUT_HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        drips(CUT_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        drips(CUT_HEAD, b"X-More: yes\r\n"),
        drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
    ids=["body", "chunks", "headers", "early hints"],
)
def test_drips_end(server: Server, name: ProviderName, step: Step) -> None:
    """A server that sends bytes without end is left when the call's total time is over."""
    error = fault(server, name, step, timeout=1.0, total=0.2)
    assert type(error) is ProviderUnavailable
    assert "maybe" == error.billed
    assert "total time" in str(error) or "timed out" in str(error)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_slow_reply_within_the_total_time(server: Server, name: ProviderName) -> None:
    """A reply that comes in drops but ends in time is a reply."""
    body = recorded(f"{name}_plain")
    head = CUT_HEAD + b"Content-Length: " + str(len(body) + 3).encode() + b"\r\n\r\n"
    server.script(drips(head + body, b" ", 1.0))
    reply = server.open(name, timeout=1.0, total=5.0).send(question(name))
    assert reply.body == body + b"   "
    assert reply.latency_ms >= 100


@pytest.mark.parametrize("name", PROVIDERS)
def test_refused_connection(name: ProviderName) -> None:
    """A call to a port without a server is not billed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{free.getsockname()[1]}{PATHS[name]}"
    assert unreachable(name, base_url) == "no"


@pytest.mark.parametrize("name", PROVIDERS)
def test_unknown_host(name: ProviderName, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be resolved bills nothing."""

    def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    assert unreachable(name, f"http://provider.invalid{PATHS[name]}") == "no"


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_tls(server: Server, name: ProviderName) -> None:
    """A failed TLS handshake comes before the request, and bills nothing."""
    server.script(says("{}"))
    base_url = server.url.replace("http", "https") + PATHS[name]
    assert unreachable(name, base_url) == "no"
    assert server.received == []


@pytest.mark.parametrize("name", PROVIDERS)
def test_connection_that_nobody_takes(name: ProviderName) -> None:
    """A TLS handshake that hangs ends after the time to connect, and bills nothing."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        base_url = f"https://127.0.0.1:{deaf.getsockname()[1]}{PATHS[name]}"
        assert unreachable(name, base_url, timeout=0.2) == "no"


def unreachable(name: ProviderName, base_url: str, timeout: float = 2.0) -> str:
    provider = open_provider(name, KEY, base_url=base_url, timeout_seconds=timeout)
    with pytest.raises(ProviderUnavailable) as caught:
        provider.send(question(name))
    provider.close()
    return caught.value.billed


def test_bad_base_url() -> None:
    """An invalid base URL is a clear error before anything is sent."""
    assert unreachable("openai", "ftp://127.0.0.1/v1") == "no"


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_line_heals(server: Server, name: ProviderName) -> None:
    """After every kind of broken line the same client asks again and is answered."""
    provider = server.open(name, timeout=0.3)
    for step in (resets, cuts(b"{"), hangs(0.5), babbles, says("{}", 500)):
        server.script(step)
        with pytest.raises(ProviderUnavailable):
            provider.send(question(name))
    server.script(says(recorded(f"{name}_plain")))
    assert read_reply(name, provider.send(question(name))).text


def test_threads_do_not_mix(server: Server) -> None:
    """Many threads on one client each get their own reply and their own fault."""
    bodies = [says(recorded("openai_plain").replace(b"resp_68f1a2b3", b"resp_%d" % n)) for n in range(200)]
    server.script(*bodies)
    provider = server.open("openai")
    seen: list[bytes] = []

    def work() -> None:
        seen.extend(provider.send(question("openai")).body for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == len(server.received) == 200


def test_a_hundred_calls_at_once(server: Server) -> None:
    """A hundred calls wait at the same time, none for another's connection."""
    gate = threading.Barrier(101, timeout=10)

    def meets(handler: Any) -> None:
        gate.wait()
        says(recorded("anthropic_plain"))(handler)

    server.script(meets)
    provider = server.open("anthropic", timeout=10)
    threads = [threading.Thread(target=lambda: provider.send(question("anthropic"))) for _ in range(100)]
    for thread in threads:
        thread.start()
    gate.wait()
    for thread in threads:
        thread.join()
    assert len(server.received) == 100


def certificate_for_loopback(folder: Path) -> Path:
    """Write a key and a self-signed certificate of 127.0.0.1 into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = built.add_extension(address, critical=False).sign(key, hashes.SHA256())
    file = folder / "loopback.pem"
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(plain + signed.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize("name", PROVIDERS)
def test_tls(name: ProviderName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call over TLS is answered by a server with a trusted certificate, and by no other."""
    file = certificate_for_loopback(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with running() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.script(says(recorded(f"{name}_plain")))
        base_url = server.url.replace("http", "https") + PATHS[name]
        assert unreachable(name, base_url) == "no"
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        certificates.cache_clear()
        provider = open_provider(name, KEY, base_url=base_url, timeout_seconds=2)
        certificates.cache_clear()
        assert provider.send(question(name)).body == recorded(f"{name}_plain")
        provider.close()
    assert len(server.received) == 1
