"""The OpenAPI document only grows, and its page for people shows all of it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.web.openapi_snapshot import FILE, Contract, contract, losses, present
from tests.integration.web.world import World

RESULTS = "/api/llm-monitoring/projects/{project_id}/results"


def test_nothing_disappears_from_the_document() -> None:
    """Neither an operation nor a parameter nor a field; and nothing that is optional becomes required.

    `python -m tests.integration.web.openapi_snapshot` records what is new.
    """
    recorded: Contract = json.loads(FILE.read_text("utf-8"))
    assert [] == losses(recorded, present())


def forget_operation(document: Any) -> None:
    del document["paths"][RESULTS]


def forget_parameter(document: Any) -> None:
    document["paths"][RESULTS]["get"]["parameters"].remove(competitor_filter(document))


def require_parameter(document: Any) -> None:
    competitor_filter(document)["required"] = True


def competitor_filter(document: Any) -> Any:
    parameters = document["paths"][RESULTS]["get"]["parameters"]
    return next(each for each in parameters if each["name"] == "competitor")


def forget_field(document: Any) -> None:
    del document["components"]["schemas"]["ResultRow"]["properties"]["brand_cited"]


def need_scope(document: Any) -> None:
    document["paths"][RESULTS]["get"]["security"] = [{"token": ["answers:read", "keys:write"]}]


@pytest.mark.short(every=2)
@pytest.mark.parametrize(
    ("edit", "lost"),
    [
        (forget_operation, f"GET {RESULTS}"),
        (forget_parameter, f"GET {RESULTS} may be sent: query competitor"),
        (require_parameter, f"GET {RESULTS} must be sent: query competitor"),
        (forget_field, f"GET {RESULTS} answer 200: data[].brand_cited"),
        (need_scope, f"GET {RESULTS} scopes: keys:write"),
    ],
)
def test_what_a_caller_would_lose_is_named(world: World, edit: Callable[[Any], None], lost: str) -> None:
    """Each kind of loss."""
    document = copy.deepcopy(world.app.openapi())
    edit(document)
    assert lost in losses(contract(world.app.openapi()), contract(document))


@pytest.mark.ci
def test_the_page_shows_every_operation(world: World) -> None:
    """With each parameter and field, without a token."""
    shown = world.http.get("/api/docs")
    assert 200 == shown.status_code
    assert "text/html; charset=utf-8" == shown.headers["content-type"]
    for name, parts in present().items():
        method, path = name.split()
        assert f"<b>{method}</b> <code>{path}</code>" in shown.text
        fields = {each.removeprefix("body ") for part in parts.values() for each in part}
        assert [] == [each for each in fields if f"<code>{each}</code>" not in shown.text], name


def test_the_page_loads_nothing_from_elsewhere(world: World) -> None:
    """Its policy allows its own style alone; it has no script, and nothing in the line."""
    shown = world.http.get("/api/docs")
    assert "default-src 'none'; style-src 'self'" in shown.headers["content-security-policy"]
    assert [] == re.findall(r"<script|<style|\sstyle=|\son\w+=|https?://", shown.text)
    assert ["/api/docs.css"] == re.findall(r'<link[^>]*href="([^"]*)"', shown.text)
    style = world.http.get("/api/docs.css")
    assert 200 == style.status_code
    assert "text/css; charset=utf-8" == style.headers["content-type"]
    assert "url(" not in style.text
