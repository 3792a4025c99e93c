"""The application: its routers, its errors, and what surrounds every request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp

from llm_monitoring.web import mcp_server, problems, reference, visitor
from llm_monitoring.web.api import (
    account,
    citations,
    competitors,
    economy,
    exports,
    figures,
    gaps,
    names,
    notes,
    orders,
    projects,
    prompt_figures,
    prompts,
    reanalysis,
    results,
    rivals,
    shares,
    sources,
    tokens,
    trends,
)
from llm_monitoring.web.boundary import Boundary
from llm_monitoring.web.context import CONNECTIONS, Service
from llm_monitoring.web.document import document, methods_of
from llm_monitoring.web.pages import link_sender, measuring
from llm_monitoring.web.pages import routes as pages
from llm_monitoring.web.pages.error_texts import in_spanish
from llm_monitoring.web.pages.errors import is_page, problem_page
from llm_monitoring.web.problems import Problem, document_answer, language_of

PREFIX: Final = "/api/llm-monitoring"
ROUTERS: Final = (
    projects.router,
    competitors.router,
    names.router,
    prompts.router,
    prompt_figures.router,
    figures.router,
    trends.router,
    rivals.router,
    gaps.router,
    results.router,
    citations.router,
    exports.router,
    sources.router,
    notes.router,
    shares.router,
    orders.router,
    reanalysis.router,
    account.router,
    economy.router,
    tokens.router,
)


def create_app(service: Service) -> FastAPI:
    """The application on an open service, without the boundary around it."""
    app = FastAPI(
        title="LLM brand monitoring",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # see boundary.without_slash
        lifespan=lifespan,
        description="Projects, prompts, answers, figures, keys and budget of one account. See docs/api.md.",
    )
    app.state.service = service
    problems.install(app, answer)
    visitor.install(app)
    measuring.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    pages.install(app)

    @app.get("/healthz", include_in_schema=False)
    def healthz(request: Request) -> Response:
        """Whether the service reaches its database."""
        request.app.state.service.db.one("SELECT 1")
        return Response("ok", media_type="text/plain")

    @cache
    def reference_html() -> str:
        return reference.page(app.openapi())

    @app.get("/api/docs", include_in_schema=False)
    def reference_page() -> Response:
        """The document for people."""
        return HTMLResponse(reference_html(), headers={"Content-Security-Policy": reference.POLICY})

    @app.get(reference.STYLE_PATH, include_in_schema=False)
    def reference_style() -> Response:
        return Response(reference.style(), media_type="text/css")

    mcp_server.install(app)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


def answer(request: Request, problem: Problem) -> Response:
    """A problem as a page for people, and as a document for programs."""
    if problem.code == "method_not_allowed":  # the framework names the methods of one route of the path alone
        methods = methods_of(request.app.openapi(), request.url.path)
        problem.headers |= {"Allow": ", ".join(methods)} if methods else {}
    if is_page(request):
        return problem_page(request, problem)
    return document_answer(request, in_spanish(problem) if language_of(request) == "es" else problem)


def bounded(service: Service) -> ASGIApp:
    """The application as it is served."""
    return Boundary(create_app(service), frozenset(service.settings.web_hosts or ()))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
    # a handler holds a connection: more threads than connections would only wait for one
    anyio.to_thread.current_default_thread_limiter().total_tokens = CONNECTIONS
    with link_sender.sending() as app.state.links:
        async with mcp_server.serving(app):
            yield
