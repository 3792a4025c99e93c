"""The OpenAPI document against the service: generated requests bring no server error and no undocumented answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, cast

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings

from llm_monitoring.web.boundary import Boundary
from llm_monitoring.web.context import Service
from llm_monitoring.web.service import create_app
from tests.integration.web.openapi_snapshot import FILE
from tests.integration.web.world import World, open_world

MODES: Final = ("positive", "negative")
NAMES: Final = list(json.loads(FILE.read_text(encoding="utf-8")))
"""The operations by the recorded document: making the document takes a second."""


@cache
def app() -> FastAPI:
    return create_app(cast(Service, None))  # the document needs no service; the fixture brings one


@cache
def operations() -> dict[str, Any]:
    """Return the generator's operations by name."""
    import schemathesis  # takes a second in each worker that collects

    document = schemathesis.openapi.from_asgi("/api/openapi.json", Boundary(app()))
    made = [cast(Any, found).ok() for found in document.get_all_operations()]
    return {operation.label: operation for operation in made}


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The service with a higher rate limit, as thousands of requests come from one token."""
    with open_world(database_url, None, app()) as made:
        made.service.rate.limit = 1_000_000
        yield made


def cases() -> Iterator[Any]:
    """Each operation in both modes: `make test` has every operation in one of them, turn about."""
    for number, name in enumerate(NAMES):
        for turn, mode in enumerate(MODES):
            marks = () if turn == number % 2 else pytest.mark.ci
            yield pytest.param(name, mode, id=f"{name}-{mode}", marks=marks)


def attack(world: World, name: str, mode: str, examples: int) -> None:
    """Send generated requests to an operation, and check each answer against the document.

    Each is sent to a project of another user too.
    """
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    # a cursor of the right form may be of another list, and a parameter that is not known changes nothing
    left_out = [negative_data_rejection, positive_data_acceptance]
    operation = operations()[name]
    calm = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    @calm
    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
    def send(case: Any) -> None:
        headers = {"Authorization": f"Bearer {world.texts['ana']}"}
        case.call_and_validate(headers=headers, excluded_checks=left_out)
        if "project_id" in case.path_parameters:
            case.path_parameters["project_id"] = world.foreign
            assert 400 <= case.call(headers=headers).status_code < 500

    send()


@pytest.mark.short(every=16)
@pytest.mark.parametrize(("name", "mode"), list(cases()))
def test_generated_requests(world: World, name: str, mode: str) -> None:
    """Values that fit the document and values that do not: no 500, and each answer is as it says."""
    attack(world, name, mode, 5)


def test_a_request_without_a_valid_token_is_refused(world: World) -> None:
    """The generator's own check, on the operation that needs no scope."""
    (name,) = [each for each in NAMES if each.endswith("/me")]
    attack(world, name, "positive", 3)


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_many_generated_requests(world: World, name: str, mode: str) -> None:
    """The same, at length."""
    attack(world, name, mode, 500)


def test_no_operation_is_left_out() -> None:
    """The recorded names are those of the document."""
    assert sorted(operations()) == sorted(NAMES)
