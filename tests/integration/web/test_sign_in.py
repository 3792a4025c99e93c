"""Signing in by a link: who gets one, that it is spent once, and that answers say nothing of who exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm_monitoring.access import sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.domain import Secret
from llm_monitoring.notify import mail
from llm_monitoring.notify.delivery import Message, Result
from llm_monitoring.settings.fields import load_settings
from llm_monitoring.web.pages import link_sender
from tests.integration.web.world import World, open_world

SESSION = "__Host-llm_session"
SERVER = (
    "mailto://user:pw@mail.example/someone@else.example?to=ops@agency.example&cc=x@agency.example&from=m@agency.example"
)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The messages that were handed to the mail server."""
    found: list[Message] = []

    def send(messages: list[Message], timeout_seconds: float) -> list[Result]:
        found.extend(messages)
        return [Result(3)]

    monkeypatch.setattr(link_sender, "send", send)
    return found


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The service with a mail server; Ana is invited, Bea is not."""
    with open_world(database_url, LLM_NOTIFY_URLS=f"json://127.0.0.1/x {SERVER}") as made:
        sign_ins.invite(made.db, Actor("command", made.ana))
        yield made


def new_link(world: World, user_id: int) -> str:
    text = sign_ins.new_link(world.db, user_id)
    assert text is not None
    return f"/sign-in/{text.reveal()}"


def ask(world: World, email: str, **options: Any) -> Any:
    """Ask for a link and wait until it is sent, or not."""
    answer = world.open("/sign-in", method="POST", data={"email": email}, **options)
    world.app.state.links.thread.submit(lambda: None).result(timeout=30)
    return answer


def test_a_link_signs_in_once(world: World) -> None:
    """Opening it spends nothing; its form begins a session; afterwards it is a missing page for good."""
    link = new_link(world, world.ana)
    assert "ana@example.com" in world.open(link).text
    assert "ana@example.com" in world.open(link).text
    answer = world.open(link, method="POST")
    assert 303 == answer.status_code
    assert "/" == answer.headers["location"]
    missing = world.open("/sign-in/" + "a" * 43)
    assert 404 == world.open(link).status_code
    assert missing.content == world.open(link).content
    assert 404 == world.open(link, method="POST").status_code


def test_the_cookie_is_out_of_reach(world: World) -> None:
    """Of scripts, of other hosts, of plain http and of other sites."""
    header = world.open(new_link(world, world.ana), method="POST").headers["set-cookie"]
    name, *attributes = header.split("; ")
    assert name.startswith(f"{SESSION}=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=2592000"} == set(attributes)


def test_of_two_requests_at_once_one_wins(world: World) -> None:
    """A link that is sent twice at the same time begins one session."""
    text = sign_ins.new_link(world.db, world.ana)
    assert text is not None
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda _: sign_ins.spend(world.db, text.reveal()), range(8)))
    assert 1 == len([each for each in begun if each is not None])
    assert [{"n": 1}] == world.db.all("SELECT count(*)::int AS n FROM llm_sessions")


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE llm_sign_in_links SET created_at = now() - interval '1 hour', expires_at = now() - interval '1 second'",
        "UPDATE llm_sign_in_links SET spent_at = now()",
        "UPDATE llm_people SET disabled_at = now()",
        "DELETE FROM users WHERE email = 'ana@example.com'",
    ],
)
def test_a_link_that_cannot_be_spent_is_a_missing_page(world: World, sql: str) -> None:
    """Expired, spent, of a disabled user or of a deleted one: the same bytes, and no session begins."""
    link = new_link(world, world.ana)
    world.db.execute(sql)
    missing = world.open("/sign-in/" + "a" * 43)
    assert 404 == world.open(link).status_code
    assert missing.content == world.open(link).content
    assert 404 == world.open(link, method="POST").status_code
    assert [] == world.db.all("SELECT id FROM llm_sessions")


def test_a_session_is_never_one_that_was_there_before(world: World) -> None:
    """Each sign-in makes a new text, whatever cookie came with it, and the browser's former session ends."""
    first = cookie_of(world.open(new_link(world, world.ana), method="POST"))
    planted = {SESSION: "p" * 43}
    second = cookie_of(world.open(new_link(world, world.ana), planted, method="POST"))
    assert 3 == len({first[SESSION], second[SESSION], planted[SESSION]})
    third = cookie_of(world.open(new_link(world, world.ana), first, method="POST"))
    assert 404 != world.open("/sign-out", third, method="POST").status_code
    assert 403 == world.open("/sign-out", first, method="POST").status_code


def test_a_cookie_of_another_host_is_none_of_ours(world: World) -> None:
    """A neighbouring host can set a cookie for ours, but none with the prefix that we read."""
    cookies = cookie_of(world.open(new_link(world, world.ana), method="POST"))
    assert 403 == world.open("/sign-out", {"llm_session": cookies[SESSION]}, method="POST").status_code


def test_signing_out_ends_the_session(world: World) -> None:
    """In the browser and on the server, and the record has both ends."""
    cookies = cookie_of(world.open(new_link(world, world.ana), method="POST"))
    answer = world.open("/sign-out", cookies, method="POST")
    assert "/sign-in" == answer.headers["location"]
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert '"cache"' == answer.headers["clear-site-data"]
    assert 403 == world.open("/sign-out", cookies, method="POST").status_code
    rows = world.db.all("SELECT action FROM llm_audit_log WHERE actor_kind = 'person' ORDER BY id")
    assert ["session.begin", "session.end"] == [row["action"] for row in rows]


def test_a_link_of_another_site_signs_no_one_in(world: World) -> None:
    """So that no one finds himself in the account of somebody else."""
    link = new_link(world, world.ana)
    assert 403 == world.open(link, method="POST", headers={"Sec-Fetch-Site": "cross-site"}).status_code
    assert 303 == world.open(link, method="POST").status_code


def test_after_the_sign_in_only_our_own_pages_follow(world: World) -> None:
    """`next` leads to a path of ours or to the first page."""
    ways = {"/projects/1?lang=es": "/projects/1?lang=es", "//evil.example": "/", "https://evil.example": "/"}
    for given, target in ways.items():
        answer = world.open(new_link(world, world.ana), method="POST", params={"next": given})
        assert target == answer.headers["location"]


def test_an_invited_address_gets_a_link(world: World, sent: list[Message]) -> None:
    """At its own address alone, with the service's own name, whatever name the request came by."""
    ask(world, " Ana@Example.com ", headers={"X-Forwarded-Host": "evil.example"})
    (message,) = sent
    assert "mailto://user:pw@mail.example?from=m%40agency.example&to=ana%40example.com" == message.target.reveal()
    (link,) = re.findall(r"https://testserver(/sign-in/[A-Za-z0-9_-]{43})", message.lines[1])
    assert 303 == world.open(link, method="POST").status_code


def test_the_language_and_the_way_back_go_with_the_link(world: World, sent: list[Message]) -> None:
    """In Spanish for who asks in Spanish; a way back that leads elsewhere is left out."""
    world.open("/sign-in?lang=es", method="POST", data={"email": "ana@example.com", "next": "/projects/1"})
    ask(world, "nobody@example.com")
    assert "Tu enlace de acceso" == sent[0].title
    assert sent[0].lines[1].endswith("?next=%2Fprojects%2F1")


@pytest.mark.short(every=2)
@pytest.mark.parametrize("email", ["bea@example.com", "nobody@example.com", "ana@example.com,x@evil.example", "%", ""])
def test_any_other_address_gets_nothing(world: World, sent: list[Message], email: str) -> None:
    """Users who were not invited, strangers, two addresses in one; and the page is the same to the last byte."""
    known, other = ask(world, "ana@example.com"), ask(world, email)
    if email:
        assert 200 == other.status_code
        assert known.content == other.content
    assert 1 == len(sent)


def test_a_disabled_user_gets_nothing(world: World, sent: list[Message]) -> None:
    """Though invited once."""
    sign_ins.disable(world.db, Actor("command", world.ana))
    ask(world, "ana@example.com")
    assert [] == sent


def test_a_mailbox_is_not_flooded(world: World, sent: list[Message]) -> None:
    """Three links within a quarter of an hour, and the page says nothing of it."""
    answers = [ask(world, "ana@example.com") for _ in range(5)]
    assert 3 == len(sent)
    assert 1 == len({each.content for each in answers})


def test_sign_ins_are_limited(world: World, sent: list[Message]) -> None:
    """Ten a minute of a client and of an address, and the answer says when to come again."""
    answers = [ask(world, f"person{number}@example.com") for number in range(11)]
    assert [200] * 10 + [429] == [each.status_code for each in answers]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert 429 == world.open("/sign-in/" + "a" * 43, method="POST").status_code


def test_an_address_is_limited_whoever_asks(world: World) -> None:
    """However many clients ask for it, and in any case of its letters."""
    for _ in range(10):
        world.service.sign_in_rate.take(("address", "ana@example.com"))
    assert 429 == ask(world, "ANA@example.com").status_code


def test_without_a_mail_server_no_one_is_asked_for_an_address(database_url: str) -> None:
    """The page says how to get a link."""
    with open_world(database_url) as world:
        assert 'name="email"' not in world.open("/sign-in").text
        assert 404 == world.open("/sign-in", method="POST", data={"email": "ana@example.com"}).status_code


def test_no_line_of_the_log_has_a_link(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Paths are logged as they are declared."""
    caplog.set_level("INFO")
    link = new_link(world, world.ana)
    cookies = cookie_of(world.open(link, method="POST"))
    world.open(link, cookies)
    text = str([vars(each) for each in caplog.records if each.name != "httpx2"])  # the test's own client
    assert "/sign-in/{text}" in text
    for secret in (link.rpartition("/")[2], cookies[SESSION]):
        assert secret not in text


@pytest.mark.parametrize("address", ["a@b.example,c@d.example", "a b@c.example", '"a"@b.example', "a@b.example\nx"])
def test_mail_goes_to_plain_addresses_alone(address: str) -> None:
    """Nothing that a mail library could read as two recipients or as a header."""
    settings = load_settings({"LLM_NOTIFY_URLS": SERVER}, dotenv=False)
    assert mail.mail_target(settings, address) is None
    assert isinstance(mail.mail_target(settings, "a@b.example"), Secret)


def cookie_of(answer: Any) -> dict[str, str]:
    name, _, rest = answer.headers["set-cookie"].partition("=")
    return {name: rest.partition(";")[0]}


def test_an_error_of_a_mail_is_logged_and_stops_no_other(
    world: World, sent: list[Message], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of any kind, with its trace; its place is free again, and the next mail is sent."""

    def fail(messages: list[Message], timeout_seconds: float) -> list[Result]:
        raise BlockingIOError("no process can be started")

    free = world.app.state.links.places._value
    with monkeypatch.context() as patch:
        patch.setattr(link_sender, "send", fail)
        ask(world, "ana@example.com")
    (record,) = [each for each in caplog.records if getattr(each, "event", "") == "web.link_not_sent"]
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert "no process can be started" == str(record.exc_info[1])
    assert "mail.example" not in record.getMessage()
    ask(world, "ana@example.com")
    assert 1 == len(sent)
    assert free == world.app.state.links.places._value
