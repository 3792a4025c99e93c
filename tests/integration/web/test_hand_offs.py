"""Hand-offs: the host application signs who its user is, for one use within a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_monitoring.access import hand_offs, sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.domain import Secret
from llm_monitoring.errors import ConfigurationError
from llm_monitoring.host import hand_off_address
from llm_monitoring.settings.fields import load_settings
from tests.integration.web.world import World, open_world

SECRET = Secret("0123456789abcdef0123456789abcdef")


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The service with a host application."""
    with open_world(database_url, LLM_HAND_OFF_SECRET=SECRET.reveal()) as made:
        yield made


def test_a_user_of_the_host_goes_on_here(world: World) -> None:
    """The page says as whom, its form begins a session; a second time it is a missing page."""
    path = f"/hand-off/{hand_offs.sign(SECRET, world.ana)}"
    assert "ana@example.com" in world.open(path).text
    answer = world.open(path, method="POST", params={"next": "//evil.example"})
    assert 303 == answer.status_code
    assert "/" == answer.headers["location"]
    assert answer.headers["set-cookie"].startswith("__Host-llm_session=")
    assert 404 == world.open(path, method="POST").status_code
    assert [{"method": "hand_off"}] == world.db.all("SELECT method FROM llm_sessions")


def test_another_site_signs_no_one_in(world: World) -> None:
    """The form has to be our own page's."""
    path = f"/hand-off/{hand_offs.sign(SECRET, world.ana)}"
    assert 403 == world.open(path, method="POST", headers={"Sec-Fetch-Site": "cross-site"}).status_code


def test_of_two_requests_at_once_one_wins(world: World) -> None:
    """A hand-off that is sent twice at the same time begins one session."""
    text = hand_offs.sign(SECRET, world.ana)
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda _: hand_offs.spend(world.db, world.ana, text), range(8)))
    assert 1 == len([each for each in begun if each is not None])


@pytest.mark.short(every=3)
@pytest.mark.parametrize(
    "kind", ["late", "early", "of another secret", "of another user", "unsigned", "of no user", "empty"]
)
def test_what_was_not_signed_now_is_a_missing_page(world: World, kind: str) -> None:
    """Older than a minute, from the future, of another secret, changed or without a signature."""
    good = hand_offs.sign(SECRET, world.ana)
    user, rest = good.split(".", 1)
    text = {
        "late": hand_offs.sign(SECRET, world.ana, time.time() - 62),
        "early": hand_offs.sign(SECRET, world.ana, time.time() + 60),
        "of another secret": hand_offs.sign(Secret("f" * 32), world.ana),
        "of another user": f"{world.bea}.{rest}",
        "unsigned": good.rpartition(".")[0] + "." + "0" * 64,
        "of no user": hand_offs.sign(SECRET, 999_999),
        "empty": f"{user}...",
    }[kind]
    assert 404 == world.open(f"/hand-off/{text}").status_code
    assert 404 == world.open(f"/hand-off/{text}", method="POST").status_code
    assert [] == world.db.all("SELECT id FROM llm_sessions")


def test_a_disabled_user_is_not_signed_in(world: World) -> None:
    """Whatever the host says."""
    sign_ins.disable(world.db, Actor("command", world.ana))
    assert 404 == world.open(f"/hand-off/{hand_offs.sign(SECRET, world.ana)}", method="POST").status_code


def test_the_host_makes_the_address(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """By a function of ours, from the settings that the service has."""
    monkeypatch.setenv("LLM_WEB_HOST", "testserver")
    with pytest.raises(ConfigurationError, match="LLM_HAND_OFF_SECRET"):
        hand_off_address(world.ana)
    monkeypatch.setenv("LLM_HAND_OFF_SECRET", SECRET.reveal())
    address = hand_off_address(world.ana)
    assert address.startswith("https://testserver/hand-off/")
    assert 303 == world.open(address.removeprefix("https://testserver"), method="POST").status_code


def test_without_a_secret_there_is_no_hand_off(database_url: str) -> None:
    """The page is a missing one, and a short secret is refused at the start."""
    with open_world(database_url) as world:
        assert 404 == world.open(f"/hand-off/{hand_offs.sign(SECRET, world.ana)}").status_code
    with pytest.raises(ConfigurationError, match="LLM_HAND_OFF_SECRET"):
        load_settings({"LLM_HAND_OFF_SECRET": "short"}, dotenv=False)
