"""The pages on which a project is shared and sessions are ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from llm_monitoring import projects
from llm_monitoring.access import people, sessions, shares, sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.notify.delivery import Message
from llm_monitoring.web.cookies import SESSION
from tests.integration.web.test_sign_in import SERVER, sent
from tests.integration.web.world import World, open_world, sign_in

__all__ = ["sent"]


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The service with a mail server."""
    with open_world(database_url, LLM_NOTIFY_URLS=SERVER) as made:
        yield made


def post(world: World, path: str, cookies: dict[str, str], **fields: str) -> Any:
    return world.open(path, cookies, "POST", data=fields)


def test_an_owner_makes_a_link_and_revokes_it(world: World) -> None:
    """The page shows it once; it opens the project until it is revoked."""
    cookies = sign_in(world, world.ana)
    path = f"/projects/{world.project}/reports"
    made = post(world, f"{path}/links", cookies, label="Acme <b>", kind="live", days="7")
    (link,) = re.findall(r'href="https://testserver(/s/[^"]+)"', made.text)
    assert 303 == world.open(link).status_code
    listed = world.open(path, cookies).text
    assert link not in listed
    assert "Acme &lt;b&gt;" in listed
    assert 303 == post(world, f"{path}/links/1/revoke", cookies).status_code
    assert 404 == world.open(link).status_code
    assert ">revoked</td>" in world.open(path, cookies).text


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    ("label", "days"),
    [("", "30"), ("x" * 101, "30"), ("x", "0"), ("x", "366"), ("x", "٣"), ("x", "-1"), ("x\x07", "1")],
)
def test_a_link_that_cannot_be_is_refused(world: World, label: str, days: str) -> None:
    """On the page, with what was typed, and nothing is made."""
    answer = post(world, f"/projects/{world.project}/reports/links", sign_in(world, world.ana), label=label, days=days)
    assert 422 == answer.status_code
    assert 'aria-invalid="true"' in answer.text
    assert [] == world.db.all("SELECT id FROM llm_share_links")


def test_a_user_has_only_so_many_links(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoking makes room the day after: each keeps its row, and a frozen one its report, for months."""
    monkeypatch.setattr(shares, "MOST_LINKS", 2)
    cookies, path = sign_in(world, world.ana), f"/projects/{world.project}/reports"
    for _ in range(2):
        assert 200 == post(world, f"{path}/links", cookies, label="a", kind="live").status_code
    post(world, f"{path}/links/1/revoke", cookies)
    refused = post(world, f"{path}/links", cookies, label="a", kind="live")
    assert 422 == refused.status_code
    assert "You have 2 links" in refused.text
    world.db.execute("UPDATE llm_share_links SET created_at = now() - interval '25 hours'")
    assert 200 == post(world, f"{path}/links", cookies, label="a", kind="live").status_code


def test_frozen_links_are_counted_as_exports_are(world: World) -> None:
    """Each makes a report."""
    world.service.export_rate.limit = 1
    cookies, path = sign_in(world, world.ana), f"/projects/{world.project}"
    assert 200 == post(world, f"{path}/reports/links", cookies, label="a", kind="frozen").status_code
    assert 429 == post(world, f"{path}/reports/links", cookies, label="a", kind="frozen").status_code
    assert 429 == world.call("POST", f"{path}/shares", json={"label": "a", "kind": "frozen"}).status_code
    assert 201 == world.call("POST", f"{path}/shares", json={"label": "a", "kind": "live"}).status_code


def test_a_user_is_invited_to_look(world: World, sent: list[Message]) -> None:
    """And gets a sign-in link at the own address; removed, the project is a missing one."""
    cookies, path = sign_in(world, world.ana), f"/projects/{world.project}/reports"
    assert 303 == post(world, f"{path}/viewers", cookies, email="bea@example.com").status_code
    world.app.state.links.thread.submit(lambda: None).result(timeout=30)
    assert ["to=bea%40example.com"] == [each.target.reveal().rpartition("&")[2] for each in sent]
    assert "bea@example.com" in world.open(path, cookies).text
    theirs = sign_in(world, world.bea)
    assert 200 == world.open(f"/projects/{world.project}", theirs).status_code
    assert "/reports/viewers" not in world.open(path, theirs).text  # a viewer downloads, and manages no one
    assert 303 == post(world, f"{path}/viewers/remove", cookies, email="bea@example.com").status_code
    assert 404 == world.open(f"/projects/{world.project}", theirs).status_code
    rows = world.db.all("SELECT action FROM llm_audit_log WHERE user_id = %(a)s ORDER BY id", {"a": world.ana})
    assert ["viewer.add", "viewer.remove"] == [row["action"] for row in rows if row["action"].startswith("viewer")]


@pytest.mark.short(every=2)
@pytest.mark.parametrize("email", ["ana@example.com", "ANA@example.com", "2", "", "%", "a b@example.com"])
def test_who_cannot_be_invited(world: World, sent: list[Message], email: str) -> None:
    """The owner is none, and a number is no address."""
    answer = post(world, f"/projects/{world.project}/reports/viewers", sign_in(world, world.ana), email=email)
    assert 422 == answer.status_code
    assert [] == world.db.all("SELECT * FROM llm_project_viewers")
    assert [] == world.db.all("SELECT * FROM llm_viewer_invitations")
    assert [] == sent


def settled(world: World) -> None:
    """Wait until what was asked of the sender is done."""
    world.app.state.links.thread.submit(lambda: None).result(timeout=30)


def test_an_owner_does_not_learn_who_has_an_account(world: World, sent: list[Message]) -> None:
    """Inviting a user and a stranger, the list and the removal are the same but for the address; no user is made."""
    users, cookies, path = (
        world.db.all("SELECT * FROM users"),
        sign_in(world, world.ana),
        f"/projects/{world.project}/reports",
    )
    seen = []
    for email in ("bea@example.com", "bob@example.com"):
        pages = [post(world, f"{path}/viewers", cookies, email=email)]
        settled(world)
        pages += [world.open(path, cookies), post(world, f"{path}/viewers/remove", cookies, email=email)]
        pages += [world.open(path, cookies), post(world, f"{path}/viewers/remove", cookies, email=email)]
        seen.append([(each.status_code, each.text.replace(email, "EMAIL")) for each in pages])
    assert [303, 200, 303, 200, 404] == [status for status, _ in seen[0]]
    assert seen[0] == seen[1]
    assert 1 == len(sent)
    assert users == world.db.all("SELECT * FROM users")
    assert [] == world.db.all("SELECT * FROM llm_project_viewers")
    rows = world.db.all("SELECT object_id FROM llm_audit_log WHERE action = 'viewer.add' ORDER BY id")
    assert ["bea@example.com", "bob@example.com"] == [row["object_id"] for row in rows]


def test_who_was_uninvited_meanwhile_is_not_let_in(world: World, sent: list[Message]) -> None:
    """An invitation that is withdrawn before its mail is sent lets no one in, and sends no mail."""
    cookies, path, sending = sign_in(world, world.ana), f"/projects/{world.project}/reports/viewers", Event()
    world.app.state.links.thread.submit(sending.wait, 30)
    post(world, path, cookies, email="bea@example.com")
    post(world, f"{path}/remove", cookies, email="bea@example.com")
    sending.set()
    settled(world)
    assert [] == world.db.all("SELECT * FROM llm_project_viewers")
    assert [] == sent


@pytest.mark.parametrize(("method", "status"), [("link", 200), ("oidc", 200), ("hand_off", 404)])
def test_an_invitation_holds_for_who_gets_the_address_later(world: World, method: Any, status: int) -> None:
    """From a sign-in that shows who has it: a host application may not have asked for a proof."""
    post(world, f"/projects/{world.project}/reports/viewers", sign_in(world, world.ana), email="Bob@example.com")
    settled(world)
    bob = projects.add_user(world.db, "bob@example.com")
    theirs = {f"__Host-{SESSION}": sessions.begin(world.db, bob, method).reveal()}
    assert status == world.open(f"/projects/{world.project}", theirs).status_code
    assert 404 == world.open(f"/projects/{world.foreign}", theirs).status_code


def test_a_project_has_only_so_many_invitations(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there is no further one."""
    monkeypatch.setattr(people, "MOST_INVITATIONS", 1)
    cookies, path = sign_in(world, world.ana), f"/projects/{world.project}/reports/viewers"
    assert [303, 422] == [post(world, path, cookies, email=f"{name}@example.com").status_code for name in ("a", "b")]


def test_who_was_disabled_is_not_let_in(world: World, sent: list[Message]) -> None:
    """Only who runs the installation lets them in again; the owner sees no difference."""
    sign_ins.disable(world.db, Actor("command", world.bea))
    path = f"/projects/{world.project}/reports/viewers"
    assert 303 == post(world, path, sign_in(world, world.ana), email="bea@example.com").status_code
    settled(world)
    assert [] == sent
    assert 303 == world.open(f"/projects/{world.project}", sign_in(world, world.bea)).status_code


def test_a_person_ends_sessions(world: World) -> None:
    """One, or all but this one; those of others are missing."""
    mine, other, third, theirs = (sign_in(world, each) for each in (world.ana, world.ana, world.ana, world.bea))
    assert 2 == world.open("/account", mine).text.count('action="/account/sessions/') - 1
    assert 404 == post(world, "/account/sessions/4/end", mine).status_code
    assert 303 == post(world, "/account/sessions/2/end", mine).status_code
    assert 303 == world.open("/account", other).status_code
    assert 303 == post(world, "/account/sessions/end-others", mine).status_code
    assert 303 == world.open("/account", third).status_code
    assert (200, 200) == tuple(world.open("/account", each).status_code for each in (mine, theirs))


def test_the_browsers_name_stays_text(world: World) -> None:
    """What a browser says of itself is untrusted."""
    text = sign_ins.new_link(world.db, world.ana)
    assert text is not None
    answer = world.open(f"/sign-in/{text.reveal()}", method="POST", headers={"User-Agent": "<script>x</script>"})
    name, _, rest = answer.headers["set-cookie"].partition("=")
    shown = world.open("/account", {name: rest.partition(";")[0]}).text
    assert "&lt;script&gt;x" in shown
    assert "<script>x" not in shown
