"""The OpenAPI document against the service: generated requests bring no server error and no undocumented answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from llm_monitoring.web.boundary import Boundary
from llm_monitoring.web.context import Service
from llm_monitoring.web.service import create_app
from tests.integration.web.world import World, open_world

APP: Final = create_app(cast(Service, None))  # the document needs no service; the fixture brings one
DOCUMENT: Final = schemathesis.openapi.from_asgi("/api/openapi.json", Boundary(APP))
# a cursor of the right form may be of another list, and a parameter that is not known changes nothing
LEFT_OUT: Final = [negative_data_rejection, positive_data_acceptance]
OPERATIONS: Final[list[Any]] = [cast(Any, found).ok() for found in DOCUMENT.get_all_operations()]


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The service with a higher rate limit, as thousands of requests come from one token."""
    with open_world(database_url, None, APP) as made:
        made.service.rate.limit = 1_000_000
        yield made


def cases() -> Iterator[Any]:
    """Each operation in both modes: `make test` has every operation in one of them, turn about."""
    for number, operation in enumerate(OPERATIONS):
        for turn, mode in enumerate(GenerationMode):
            marks = () if turn == number % 2 else pytest.mark.ci
            yield pytest.param(operation, mode, id=f"{operation.label}-{mode.name.lower()}", marks=marks)


def attack(world: World, operation: Any, mode: GenerationMode, examples: int) -> None:
    """Send generated requests to an operation, and check each answer against the document.

    Each is sent to a project of another user too.
    """
    calm = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    @calm
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        headers = {"Authorization": f"Bearer {world.texts['ana']}"}
        case.call_and_validate(headers=headers, excluded_checks=LEFT_OUT)
        if "project_id" in case.path_parameters:
            case.path_parameters["project_id"] = world.foreign
            assert 400 <= case.call(headers=headers).status_code < 500

    send()


@pytest.mark.short(every=10)
@pytest.mark.parametrize(("operation", "mode"), list(cases()))
def test_generated_requests(world: World, operation: Any, mode: GenerationMode) -> None:
    """Values that fit the document and values that do not: no 500, and each answer is as it says."""
    attack(world, operation, mode, 5)


def test_a_request_without_a_valid_token_is_refused(world: World) -> None:
    """The generator's own check, on the operation that needs no scope."""
    (operation,) = [each for each in OPERATIONS if each.label.endswith("/me")]
    attack(world, operation, GenerationMode.POSITIVE, 3)


@pytest.mark.long
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_many_generated_requests(world: World, operation: Any, mode: GenerationMode) -> None:
    """The same, at length."""
    attack(world, operation, mode, 500)
