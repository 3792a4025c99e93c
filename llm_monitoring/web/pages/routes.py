"""The pages of the service: each builder of pages adds a router."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from llm_monitoring.web.pages import (
    account,
    account_settings,
    agency,
    answers,
    changes,
    downloads,
    names,
    new_project,
    oidc_sign_in,
    overview,
    people,
    portfolio,
    prompts,
    reanalysis,
    rivals,
    settings,
    shared,
    sign_in,
    sources,
    static_files,
)

ROUTERS: Final = (
    static_files.router,
    sign_in.router,
    oidc_sign_in.router,
    shared.router,
    account.router,
    account_settings.router,
    agency.router,
    new_project.router,
    people.router,
    downloads.router,
    portfolio.router,
    overview.router,
    answers.router,
    prompts.router,
    names.router,
    rivals.router,
    sources.router,
    changes.router,
    settings.router,
    reanalysis.router,
)


def install(app: FastAPI) -> None:
    """Add the pages; a project's tabs are those of `page_paths`."""
    for router in ROUTERS:
        app.include_router(router)
    routes = [route for router in ROUTERS for route in router.routes]
    app.state.page_paths = frozenset(route.path for route in routes if isinstance(route, APIRoute))
