"""The digest of a daily run: who gets it, what it says, what is said once, and what a dead target costs."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from email import message_from_bytes
from email.message import Message
from email.policy import default as modern
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from llm_monitoring.app import App
from llm_monitoring.db.database import Database
from llm_monitoring.domain import Secret
from llm_monitoring.jobs import daily, digest, digest_text
from llm_monitoring.notify import delivery, outbox
from llm_monitoring.notify.outbox import Notice
from llm_monitoring.runs.reasons import StopReason
from llm_monitoring.settings.fields import load_settings
from tests.environment import Environment, open_environment
from tests.integration.webhook import TOKEN, Webhook, open_webhook

DAY = date(2026, 11, 23)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with open_webhook() as hook:
        yield hook


PATIENT = "60"  # seconds for the webhook of this process on a busy machine


@dataclass
class Mailbox:
    """A loopback mail server."""

    messages: list[Message] = field(default_factory=list)

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
        self.messages.append(message_from_bytes(envelope.content, policy=modern))
        return "250 OK"


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, str]]:
    """A mailbox and the address to notify it by."""
    box = Mailbox()
    with closing(create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, f"mailto://127.0.0.1:{port}/?from=monitor@agency.example&to=ana@agency.example"
    controller.stop()


@pytest.fixture
def dead() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with closing(create_server(("127.0.0.1", 0))) as silent:
        yield f"json://127.0.0.1:{silent.getsockname()[1]}/{TOKEN}?rto=300&cto=300"


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    with open_environment(database_url) as made:
        made.db.execute("DELETE FROM llm_model_prices")  # what is known of later prices is news, depending on the day
        yield made


@dataclass
class Job:
    """The daily job in this process, which spares the start of one."""

    environment: Environment
    caplog: pytest.LogCaptureFixture

    def run(self, extra: dict[str, str]) -> tuple[int, str]:
        self.caplog.clear()
        self.caplog.set_level(logging.INFO)
        variables = {"LLM_SENTIMENT": "false", "LLM_NOTIFY_TIMEOUT_SECONDS": PATIENT, **extra}
        settings = load_settings(self.environment.variables(variables), dotenv=False)
        code = daily.run(settings, daily.Options(None, None, dry_run=False, demo=False))
        return code, "\n".join(self.caplog.messages)


@pytest.fixture
def job(environment: Environment, caplog: pytest.LogCaptureFixture) -> Job:
    return Job(environment, caplog)


@pytest.mark.ci
def test_a_price_that_changes_is_reported_once_a_week(job: Job, webhook: Webhook) -> None:
    """A known rise of an approved model, and a price that is not the list's, are reported until the week is over."""
    job.environment.add_project(job.environment.add_user("a@example.com", ["openai"]), ["¿Qué es Quipu?"], ["openai"])
    job.environment.db.execute(
        "INSERT INTO llm_model_prices (llm_provider, model_id, valid_from, source, detail, cost_per_1m_input_tokens,"
        " cost_per_1m_output_tokens) VALUES ('google', 'gemini-3.8-flash', now()::date + 9, 'library', 'a list', 1, 5)"
    )
    job.environment.db.execute(
        "UPDATE llm_model_registry SET suggested_cost_per_1m_input_tokens = 9, suggested_source = 'a list',"
        " suggested_at = now() WHERE model_id = 'gpt-6-luna'"
    )
    for _ in range(2):
        job.run({"LLM_NOTIFY_URLS": webhook.url})
    (post,) = webhook.posts
    assert "📅 google/gemini-3.8-flash: cambia de precio el" in post["message"]
    assert "💱 openai/gpt-6-luna: el registro no tiene el precio de a list: entrada $0.1 → $9" in post["message"]


@pytest.fixture
def near(environment: Environment) -> int:
    """A user with a project and a spend that has just passed the threshold."""
    user = environment.add_user("a@example.com", ["openai"], "100.00")
    environment.add_project(user, ["¿Qué programa recomiendas?"], ["openai"])
    environment.budget.correct(user, Decimal(85), "spent elsewhere")
    return user


def test_webhook_and_mail_get_one_digest_and_no_second(
    job: Job, near: int, webhook: Webhook, mail: tuple[Mailbox, str]
) -> None:
    """Each target gets one message in plain text, the heartbeat is called, and the next run says nothing again."""
    box, address = mail
    extra = {"LLM_NOTIFY_URLS": f"{webhook.url} {address}", "LLM_HEARTBEAT_URL": webhook.heartbeat}
    code, output = job.run(extra)
    line = f"💰 User #{near} (a＠example․com): presupuesto ha alcanzado el 80 %: $85.00 / $100.00"
    assert 0 == code, output
    assert [line] == [post["message"] for post in webhook.posts], output
    assert 1 == webhook.beats, output
    assert f"LLM Monitoring, {datetime.now(UTC).date()}: 1 aviso(s)" == webhook.posts[0]["title"]
    (message,) = box.messages
    assert "text/plain" == message.get_content_type()
    assert line == message.get_payload(decode=True).decode().strip()  # type: ignore[union-attr]
    assert 2 == len(re.findall(r"📨 Resumen enviado a (?:json #1|mailto #2): 1 aviso", output))
    job.run(extra)
    assert 1 == len(webhook.posts)
    assert 1 == len(box.messages)
    assert 2 == webhook.beats


@pytest.mark.ci
def test_a_good_run_says_nothing(environment: Environment, job: Job, webhook: Webhook) -> None:
    """If there is nothing to report no target gets a message; the heartbeat says that the run was good."""
    environment.add_project(
        environment.add_user("a@example.com", ["openai"]), ["¿Qué programa recomiendas?"], ["openai"]
    )
    code, _ = job.run({"LLM_NOTIFY_URLS": webhook.url, "LLM_HEARTBEAT_URL": webhook.heartbeat})
    assert 0 == code
    assert [] == webhook.posts
    assert 1 == webhook.beats


@pytest.mark.ci
def test_a_run_that_could_not_ask_is_reported_without_heartbeat(
    environment: Environment, job: Job, webhook: Webhook
) -> None:
    """A run that ends with exit 1 is in the digest, and does not count as alive."""
    environment.add_project(environment.add_user("a@example.com", []), ["¿Qué programa recomiendas?"])
    code, _ = job.run({"LLM_NOTIFY_URLS": webhook.url, "LLM_HEARTBEAT_URL": webhook.heartbeat})
    (post,) = webhook.posts
    assert 1 == code
    assert "no hay ninguna API key utilizable" in post["message"]
    assert 0 == webhook.beats


@pytest.mark.ci
def test_a_dead_target_costs_its_timeout_and_is_reported_later(
    environment: Environment, job: Job, near: int, webhook: Webhook, dead: str
) -> None:
    """A target that never answers delays the run by no more than the timeout; the next run brings what it missed."""
    extra = {"LLM_NOTIFY_URLS": f"{dead} {webhook.url}", "LLM_NOTIFY_TIMEOUT_SECONDS": "5", "LLM_LOG_FORMAT": "json"}
    code, output = environment.run(extra=extra)
    ended = datetime.now(UTC)
    events = {event["event"]: event for event in map(json.loads, output.splitlines())}
    waited = (ended - datetime.fromisoformat(events["run.completed"]["time"])).total_seconds()
    assert 0 == code, output
    assert 1 == len(webhook.posts), output
    assert 5 <= waited < 300  # what the address of the target allows
    assert "no respondió a tiempo; se intentará en la próxima ejecución" in events["notify.undelivered"]["message"]
    assert TOKEN not in output
    job.run(extra | {"LLM_NOTIFY_URLS": webhook.url})
    assert 1 == len(webhook.posts)
    assert 1 == environment.count("llm_monitoring_news WHERE delivered_at IS NULL")
    other = webhook.url.replace("/T0", "/other-T0")
    job.run(extra | {"LLM_NOTIFY_URLS": other})
    assert 2 == len(webhook.posts)
    assert webhook.posts[0]["message"] == webhook.posts[1]["message"]


@pytest.mark.ci
def test_a_refusing_target_is_tried_again(environment: Environment, job: Job, near: int, webhook: Webhook) -> None:
    """What a target refuses stays in the outbox and is in one message with what is new at the next run."""
    webhook.status = 503
    extra = {"LLM_NOTIFY_URLS": webhook.url}
    code, output = job.run(extra)
    assert 0 == code, output
    assert "el servicio respondió 503" in output, output
    webhook.status = 200
    environment.budget.correct(near, Decimal(20), "spent elsewhere")
    environment.add_project(
        environment.add_user("b@example.com", ["openai"]), ["¿Qué programa?"], ["openai"], name="two"
    )
    job.run(extra)
    lines = webhook.posts[-1]["message"].splitlines()
    assert 2 == len(webhook.posts), lines
    assert "ha alcanzado el 80 %" in lines[0], lines
    assert [True] == ["agotado, bloqueado hasta fin de mes: $105.00" in line for line in lines[1:]], lines


@pytest.mark.ci
def test_an_outage_is_reported_as_the_providers(environment: Environment, job: Job, webhook: Webhook) -> None:
    """A provider that fails for everyone is named, with the run that stays incomplete."""
    environment.add_project(environment.add_user("a@example.com", ["openai"]), ["¿Uno?", "¿Dos?"], ["openai"])
    environment.server.faults.set([{"match": {"provider": "openai"}, "action": {"kind": "status", "status": 500}}])
    job.run({"LLM_NOTIFY_URLS": webhook.url, "LLM_MAX_ATTEMPTS": "1"})
    (post,) = webhook.posts
    assert "🔌 openai falló para todos" in post["message"]
    assert "incompleta: 2 pregunta(s) sin respuesta en 1 proyecto(s): #1 (" in post["message"]


@pytest.mark.ci
def test_a_refused_key_is_reported_as_its_users(environment: Environment, job: Job, webhook: Webhook) -> None:
    """A key that its provider refuses is news about the key, not an outage."""
    user = environment.add_user("a@example.com", ["openai"])
    environment.add_project(user, ["¿Uno?", "¿Dos?"], ["openai"])
    environment.server.faults.set([{"match": {"provider": "openai"}, "action": {"kind": "status", "status": 401}}])
    job.run({"LLM_NOTIFY_URLS": webhook.url})
    (post,) = webhook.posts
    assert f"🔑 User #{user} (a＠example․com), openai: API key rechazada o ilegible, 2 pregunta(s)" in post["message"]
    assert "falló para todos" not in post["message"]


@pytest.mark.ci
def test_a_target_that_is_no_address_is_said(webhook: Webhook) -> None:
    """An address that the library does not know harms none of the others, and a closed port is known at once."""
    letters = [
        delivery.Message(Secret(url), "T", ("text",)) for url in ("nonsense://x", webhook.url, "json://127.0.0.1:9/x")
    ]
    started = time.monotonic()
    results = delivery.send(letters, 120)
    assert ["unknown_address", None, "not_delivered"] == [each.failure and each.failure.code for each in results]
    assert [0, 1, 0] == [each.lines for each in results]
    assert time.monotonic() - started < 60


@pytest.fixture
def app(db: Database, webhook: Webhook) -> App:
    from llm_monitoring.keys.store import KeyStore
    from llm_monitoring.ledger.budget import Budget

    settings = load_settings({"LLM_NOTIFY_URLS": webhook.url, "LLM_NOTIFY_TIMEOUT_SECONDS": PATIENT}, dotenv=False)
    db.execute("DELETE FROM llm_model_prices")
    return App(db, Budget(db), KeyStore(db, None, {}), settings)


@pytest.mark.ci
def test_a_long_digest_is_cut(db: Database, app: App, webhook: Webhook) -> None:
    """A target that takes little gets a few messages of whole lines, and how many more there are."""
    news = [Notice("project", str(number), "x" * 8_000) for number in range(20)]
    digest.send(app, DAY, lambda: news, good=False)
    assert [4, 4, 4, 5] == [len(post["message"].splitlines()) for post in webhook.posts]
    assert webhook.posts[-1]["message"].splitlines()[-1].startswith("… y 4 más: ")
    assert [] == outbox.pending(db, outbox.targets(app.settings))


def test_names_are_text() -> None:
    """Nothing in a name becomes a tag, a link, a mention or a line of its own in a mail program or chat."""
    hostile = "<script>x</script>\n@everyone [a](https://evil.example) \x1b[2J" + "y" * 900
    reported = digest_text.plain(hostile)
    assert reported.startswith("‹script›x‹/script› ＠everyone ［a］(https:∕∕evil․example)")
    assert len(reported) == 300
    assert [] == re.findall(r"[<>@\n\x1b]|://", reported)


@pytest.mark.ci
def test_reports_go_with_the_digest(job: Job, near: int, webhook: Webhook, tmp_path: Path) -> None:
    """With LLM_NOTIFY_ATTACH_REPORTS the pages of the run are attached, and without it they are not."""
    extra = {"LLM_NOTIFY_URLS": webhook.url, "LLM_REPORT_DIR": str(tmp_path)}
    job.run(extra=extra | {"LLM_NOTIFY_ATTACH_REPORTS": "true"})
    (page,) = tmp_path.rglob("*.html")
    assert [page.name] == [each["filename"] for each in webhook.posts[0]["attachments"]]
    job.environment.budget.correct(near, Decimal(20), "spent elsewhere")
    job.run(extra=extra)
    assert 2 == len(webhook.posts)
    assert [] == webhook.posts[1]["attachments"]


def test_a_broken_outbox_changes_no_exit_code(database_url: str, webhook: Webhook, monkeypatch: Any) -> None:
    """A database that goes away while the digest is written is said, and nothing more."""
    with ExitStack() as stack:
        db = stack.enter_context(Database(database_url, retry_seconds=0.1))
        from llm_monitoring.keys.store import KeyStore
        from llm_monitoring.ledger.budget import Budget

        settings = load_settings({"LLM_NOTIFY_URLS": webhook.url, "LLM_NOTIFY_TIMEOUT_SECONDS": PATIENT}, dotenv=False)
        app = App(db, Budget(db), KeyStore(db, None, {}), dataclasses.replace(settings, heartbeat_url=None))
        db.close()
        assert 1 == digest.aborted(app, DAY, StopReason.NO_BUDGET)
    assert [] == webhook.posts
