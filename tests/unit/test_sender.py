"""Messages fit their targets: what each service takes, in whole lines, with the severity of what they say."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.pushover import NotifyPushover
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram

from llm_monitoring import settings
from llm_monitoring.jobs.digest import REST
from llm_monitoring.jobs.digest_text import plain
from llm_monitoring.notify import outbox, sender

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library, as it loads its plugins

SECONDS = 600  # no test waits for them: a loaded machine only has to answer before
LINES = [f"❌ Proyecto #{number}: {'una causa 🥇 & <x> ' * 4}" for number in range(100)]
TITLE = "LLM Monitoring, 2026-11-28: 100 aviso(s)"


@dataclass
class Service:
    """A loopback stand-in of a chat service."""

    url: str = ""
    texts: list[str] = field(default_factory=list)
    refuse_after: int = 1_000


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            made.texts.append(text_of(json.loads(raw) if raw.startswith("{") else dict(parse_qsl(raw))))
            self.send_response(200 if len(made.texts) <= made.refuse_after else 503)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"ok" if "attachments" in raw else b'{"ok": true, "status": 1}')

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield made
        server.shutdown()


def text_of(payload: dict[str, Any]) -> str:
    """What a service counts against its limit."""
    if payload.get("attachments"):
        attached = payload["attachments"][0]
        return str(attached.get("text") or [each["text"]["text"] for each in attached["blocks"] if "text" in each][-1])
    return str(payload.get("content") or payload.get("text") or payload.get("message") or "")


@pytest.mark.parametrize(
    ("url", "plugin", "attribute", "limit", "messages"),
    [
        ("discord://1234567890123456789/" + "a" * 68, NotifyDiscord, "notify_url", 2_000, 4),
        ("tgram://123456789:abcdefg_hijklmnop-ABCDEFGHIJKLMN/123", NotifyTelegram, "notify_url", 4_096, 3),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", NotifySlack, "webhook_url", 35_000, 1),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?blocks=yes", NotifySlack, "webhook_url", 3_000, 4),
        ("pover://" + "u" * 30 + "@" + "a" * 30, NotifyPushover, "notify_url", 1_024, 4),
    ],
    ids=["discord", "telegram", "slack", "slack blocks", "pushover"],
)
def test_each_service_gets_what_it_takes(
    url: str,
    plugin: type,
    attribute: str,
    limit: int,
    messages: int,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long digest goes out in a few messages, each within the service's limit; what is left over is counted."""
    monkeypatch.setattr(plugin, attribute, service.url)
    parcel = {"url": url, "title": TITLE, "lines": LINES, "rest": REST, "severity": "failure", "attach": []}
    monkeypatch.setattr(plugin, "request_rate_per_sec", 0)
    assert (None, "", 100) == sender.send(parcel, SECONDS)
    assert messages == len(service.texts)
    assert [] == [
        text for text in service.texts if sender.units(text) > limit * (1 if plugin is not NotifyTelegram else 2)
    ]


def test_what_arrived_is_not_sent_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a service stops in the middle, the lines that it has are reported, and why the others are not there."""
    monkeypatch.setattr(NotifyDiscord, "notify_url", service.url)
    monkeypatch.setattr(NotifyDiscord, "request_rate_per_sec", 0)
    service.refuse_after = 2
    url = "discord://1234567890123456789/" + "a" * 68 + "?retry=0"
    parcel = {"url": url, "title": TITLE, "lines": LINES, "rest": REST, "severity": "info", "attach": []}
    code, seen, done = sender.send(parcel, SECONDS)
    assert "status" == code
    assert "503" == seen
    packed = list(sender.parts(LINES, REST, 2_000 - len(TITLE) - sender.FRAME))
    assert packed[1][1] == done


@pytest.mark.parametrize("room", [60, 200, 1_000, 4_000, 100_000])
@pytest.mark.parametrize("count", [1, 2, 30, 100])
def test_messages_are_whole_lines(room: int, count: int) -> None:
    """Every message fits; lines are whole unless one alone is too long; all are accounted for."""
    found = list(sender.parts(LINES[:count], REST, room))
    texts = [text for text, _ in found]
    assert [] == [text for text in texts if sender.units(text) > room]
    assert count == found[-1][1]
    shown = [line for text in texts for line in text.split("\n") if not line.startswith("… y ")]
    rest = [line for line in texts[-1].split("\n") if line.startswith("… y ")]
    assert len(shown) + sum(int(line.split()[2]) for line in rest) == count


@pytest.mark.parametrize(
    "address", ["www.evil.example/login", "t.me/x", "EVIL.EXAMPLE", "evil。example", "https://evil.example",
                "10.1.2.3/x", "müller.de", "a@evil.example"]
)  # fmt: skip
def test_no_address_can_be_linked(address: str) -> None:
    """An address in a name or an answer has no dot, scheme or @ that a program would link."""
    shown = plain(f"see {address} now")
    assert [] == [mark for mark in (".", "://", "@", "。") if mark in shown]


@pytest.mark.parametrize("text", ["GPT-5.1 costs 3.50", "Acme S.L. y otros", "fin. Otra frase"])
def test_ordinary_text_stays(text: str) -> None:
    """Versions, amounts, abbreviations and sentences are as they were."""
    assert text == plain(text)


def targets(environ: dict[str, str]) -> list[outbox.Target]:
    urls = "json://127.0.0.1/secret mailto://u:p@example.com"
    return outbox.targets(settings.load_settings({"LLM_NOTIFY_URLS": urls, **environ}, dotenv=False))


KEYS = ["A" * 43 + "=", "B" * 42 + "A="]


def test_targets_are_named_by_place() -> None:
    """A target is called by its service and place, which say nothing of its address."""
    assert ["json #1", "mailto #2"] == [each.name for each in targets({})]


def test_marks_need_the_master_key() -> None:
    """The mark in the table depends on the master key; one under an earlier key of the ring still counts."""
    old, new = targets({"LLM_KEYS_ENCRYPTION_KEY": KEYS[1]})[0], targets({"LLM_KEYS_ENCRYPTION_KEY": ",".join(KEYS)})[0]
    assert old.mark in new.marks
    assert old.mark != new.mark
    assert old.url == new.url


def test_without_master_key_marks_need_the_database() -> None:
    """Without a master key the database's address, with its password, is the key of the marks."""
    marks = {targets({"DATABASE_URL": f"postgresql://u:{word}@127.0.0.1/d"})[0].mark for word in ("one", "two")}
    assert 2 == len(marks)


def test_the_sender_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that sends gets path, home, language, proxies and certificates, and nothing else."""
    for name in ("LLM_KEYS_ENCRYPTION_KEY", "OPENAI_API_KEY", "DATABASE_URL", "PGPASSWORD", "LD_PRELOAD"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    found = settings.plain_environment()
    assert "https_proxy" in found
    proxies = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    certificates = {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
    assert set() == {name.upper() for name in found} - {"PATH", "HOME", "LANG", *proxies, *certificates}


def test_the_sender_trusts_the_certificates_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy with certificates of its own, one variable serves calls, the heartbeat and notices."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/own.pem")
    assert "/etc/own.pem" == settings.plain_environment()["SSL_CERT_FILE"]
    assert "/etc/own.pem" == settings.plain_environment()["REQUESTS_CA_BUNDLE"]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/other.pem")
    assert "/etc/other.pem" == settings.plain_environment()["REQUESTS_CA_BUNDLE"]


@pytest.mark.usefixtures("service")
def test_a_heartbeat_says_what_was_seen() -> None:
    """A closed port has a code of its own."""
    assert ("refused", "", 0) == sender.call("http://127.0.0.1:9/ping", 5)


def test_an_error_of_one_message_keeps_back_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as a heartbeat's service that answers with endless headers; each message has its own line."""

    def call(url: str, timeout: float) -> sender.Outcome:
        if url == "broken":
            raise HTTPException("got more than 100 headers")
        return None, "", 0

    monkeypatch.setattr(sender, "call", call)
    messages: list[dict[str, Any]] = [{"url": url, "lines": []} for url in ("broken", "whole")]
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"messages": messages, "timeout": SECONDS})))
    sender.main()
    printed = sorted(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [[0, "not_delivered", "", 0], [1, None, "", 0]] == printed
