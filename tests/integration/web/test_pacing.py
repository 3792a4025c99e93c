"""Pacing over the API, on the pages and by MCP's tools: set by its user, shown to who sees the project."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from llm_monitoring.access.roles import add_viewer
from llm_monitoring.app import schedule_day
from llm_monitoring.settings import load_settings
from tests.integration.web.world import World, sign_in

ENGLISH = {"Accept-Language": "en"}


def leave_out(world: World) -> None:
    """Ana paces: today and yesterday sentiment and one of two prompts are left out of her project."""
    today = schedule_day(load_settings({}, dotenv=False))
    world.db.execute(
        "INSERT INTO llm_pacing (user_id, on_since, steps) "
        "VALUES (%(user)s, now() - interval '9 days', '{sentiment,rotation}')",
        {"user": world.ana},
    )
    for day in (today - timedelta(days=1), today):
        where = {"user": world.ana, "project": world.project, "day": day}
        world.db.execute(
            "INSERT INTO llm_paced_days (user_id, analysis_date, month, budget_usd, committed_usd, share_usd, "
            "day_usd, full_usd, expected_usd) "
            "VALUES (%(user)s, %(day)s, date_trunc('month', %(day)s::date), 10, 0, 1, 1.5, 3, 1.25)",
            where,
        )
        world.db.execute(
            "INSERT INTO llm_paced_projects (project_id, analysis_date, user_id, steps, samples, left_out, resting, "
            "prompts, expected_usd) "
            "SELECT %(project)s, %(day)s, %(user)s, '{sentiment,rotation}', 1, '{}', ARRAY[min(id)], 2, 1.25 "
            "FROM llm_monitoring_queries WHERE project_id = %(project)s",
            where,
        )


def post(world: World, **fields: Any) -> Any:
    return world.open("/settings/pacing", sign_in(world, world.ana), "POST", data=fields, headers=ENGLISH)


def pacing(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.call("GET", "/budget").json()["pacing"]
    return found


def test_a_person_sets_pacing_on_the_page(world: World) -> None:
    """On with a ladder of three, then off; each is recorded as the person's."""
    saved = post(world, last_month="on", steps=["rotation", "", "sentiment", "mode", ""])
    assert 303 == saved.status_code
    assert "/settings?saved=pacing" == saved.headers["location"]
    assert pacing(world)["is_on"] is True
    assert ["rotation", "sentiment", "mode"] == pacing(world)["steps"]
    post(world, steps=["rotation"])
    assert pacing(world)["is_on"] is False
    assert ["rotation"] == pacing(world)["steps"]
    rows = [row for row in world.call("GET", "/audit").json()["data"] if row["action"] == "pacing.set"]
    assert ["person", "person"] == [row["actor_kind"] for row in rows]


@pytest.mark.short(every=3)
@pytest.mark.parametrize("steps", [[""], ["rotation", "rotation"], ["weather"]])
def test_a_ladder_that_cannot_be_is_said_next_to_the_field(world: World, steps: list[str]) -> None:
    """The page says what is wrong, and nothing is stored."""
    refused = post(world, last_month="on", steps=steps)
    assert 422 == refused.status_code
    assert "Choose at least one, and none twice." in refused.text
    assert not pacing(world)["is_on"]


def test_the_budget_has_the_day_and_the_steps_that_hold(world: World) -> None:
    """What the day may cost, in decimal strings, and since when what is left out."""
    leave_out(world)
    found = pacing(world)
    assert "1.5000" == found["day"]["allowance_usd"]
    assert "1.2500" == found["day"]["expected_usd"]
    assert "3.0000" == found["day"]["full_usd"]
    assert found["day"]["suffices"] is True
    yesterday = (schedule_day(load_settings({}, dotenv=False)) - timedelta(days=1)).isoformat()
    assert [("sentiment", yesterday, 1, 2), ("rotation", yesterday, 1, 2)] == [
        (held["step"], held["since"], held["asked"], held["prompts"]) for held in found["held"]
    ]


def test_a_project_has_its_economy(world: World) -> None:
    """Pace, modes, saving and steps for the owner; a viewer sees what is left out and no money."""
    leave_out(world)
    add_viewer(world.db, world.project, world.bea)
    path = f"/projects/{world.project}/economy"
    own, seen = world.call("GET", path).json(), world.call("GET", path, world.texts["bea"]).json()
    assert "punctual" == own["pace"]
    assert "0" == own["saved_usd"]
    assert ["sentiment", "rotation"] == [held["step"] for held in own["held"]]
    assert seen["saved_usd"] is None
    assert own["held"] == seen["held"]
    assert {"standard"} == {each["mode"] for each in own["modes"]}


def test_the_overview_says_what_is_left_out_to_everyone_who_sees_it(world: World) -> None:
    """To the owner and to a viewer, with what it means for figures; never a cost."""
    leave_out(world)
    add_viewer(world.db, world.project, world.bea)
    for user in (world.ana, world.bea):
        page = world.open(f"/projects/{world.project}", sign_in(world, user), headers=ENGLISH).text
        assert "less is asked:" in page
        assert "prompts take turns, 1 of 2 on the last day (each about every 2.0 days), since " in page
        assert "1.25" not in page


def test_the_settings_show_the_steps(world: World) -> None:
    """With the day's allowance, and a link to the project by its name."""
    leave_out(world)
    page = world.open("/settings", sign_in(world, world.ana), headers=ENGLISH).text
    link = f'<a href="/projects/{world.project}"><bdi>Quipu</bdi></a>'
    assert f"{link}: the sentiment of answers is not judged, since " in page
    assert "about 1.25 USD of 1.50 USD; in full it would cost 3.00 USD." in page


def test_pacing_of_others_is_not_seen(world: World) -> None:
    """Bea's budget knows nothing of Ana's ladder."""
    leave_out(world)
    found = world.call("GET", "/budget", world.texts["bea"]).json()["pacing"]
    assert found["is_on"] is False
    assert found["day"] is None
    assert [] == found["held"]


def leave_google_out(world: World) -> tuple[str, str]:
    """Two planned days of which the ladder leaves one provider out; their texts."""
    leave_out(world)
    world.db.execute("UPDATE llm_paced_projects SET steps = '{providers}', left_out = '{google}'")
    today = schedule_day(load_settings({}, dotenv=False))
    return (today - timedelta(days=1)).isoformat(), today.isoformat()


def test_a_provider_that_pacing_left_out_is_no_unexplained_gap(world: World) -> None:
    """The API and the overview say on how many days, to the owner and to a viewer, and of that provider alone."""
    first, last = leave_google_out(world)
    add_viewer(world.db, world.project, world.bea)
    path = f"/projects/{world.project}/gaps?from={first}&to={last}"
    for text in (None, world.texts["bea"]):
        rows = world.call("GET", path, *([] if text is None else [text])).json()["data"]
        found = {row["provider"]: (row["days_left_out"], row["last_day_left_out"]) for row in rows}
        assert (2, last) == found.pop("google")
        assert {(0, None)} == set(found.values())
    page = world.open(f"/projects/{world.project}?from={first}&to={last}", sign_in(world, world.ana), headers=ENGLISH)
    assert 1 == page.text.count("Not asked on 2 days, so that the month&#39;s budget lasts")


def test_the_settings_of_a_project_say_what_is_left_out_of_it(world: World) -> None:
    """The owner sees the steps that hold next to what is asked, and where the budget is shared out."""
    path = f"/projects/{world.project}/settings"
    assert "so that the month" not in world.open(path, sign_in(world, world.ana), headers=ENGLISH).text.lower()
    leave_google_out(world)
    shown = world.open(path, sign_in(world, world.ana), headers=ENGLISH).text
    assert "Gemini not asked" in shown
    assert 'href="/settings#pacing"' in shown
