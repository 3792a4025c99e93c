"""The resources of the MCP server: a project's report as Markdown, and how the figures are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from mcp import types

from llm_monitoring import projects
from llm_monitoring.app import schedule_day
from llm_monitoring.reporting.markdown import method, render_markdown
from llm_monitoring.reporting.report_data import Access, ReportData, ReportRequest, access_of, without_reasons
from llm_monitoring.reporting.report_data import read as read_report
from llm_monitoring.reporting.showing import visible_to_all
from llm_monitoring.reporting.view import view
from llm_monitoring.reporting.words import LANGUAGES
from llm_monitoring.web.api.projects import list_projects
from llm_monitoring.web.guard import Caller, ProjectCaller, enter, require
from llm_monitoring.web.mcp_tools import InPeriods, read
from llm_monitoring.web.paging import MOST
from llm_monitoring.web.problems import FieldError, Problem
from llm_monitoring.web.stored_figures import WAITING

SCHEME: Final = "llm-monitoring"
MARKDOWN: Final = "text/markdown"
SCOPES: Final = ("figures:read", "answers:read")
"""What a report needs: it quotes answers."""

LONGEST_ANSWER: Final = 600
"""Characters of an answer in a report: all answers of a project would fill a conversation."""

REPORT: Final = types.ResourceTemplate(
    uri_template=SCHEME + "://projects/{project_id}/report{?from,to,compare_from,compare_to}",
    name="report",
    title="Report of a period",
    description="A project's report as Markdown, in its language. Without days: the last 30, and its halves compared.",
    mime_type=MARKDOWN,
)


def is_open_to(caller: Caller) -> bool:
    """Whether the caller's token may read reports."""
    return caller.token.scopes.issuperset(SCOPES)


def templates(caller: Caller) -> list[types.ResourceTemplate]:
    return [REPORT] if is_open_to(caller) else []


def listed(caller: Caller, cursor: str | None) -> types.ListResourcesResult:
    """The method in each language, then the report of each project that the caller may read."""
    found = list(methods()) if cursor is None else []
    if not is_open_to(caller) or "projects:read" not in caller.token.scopes:
        return types.ListResourcesResult(resources=found)
    rows = list_projects(caller, limit=MOST, cursor=cursor)
    found += [report_of(row["id"], row["name"]) for row in rows["data"]]
    return types.ListResourcesResult(resources=found, next_cursor=rows["next_cursor"])


def methods() -> Iterator[types.Resource]:
    for language in LANGUAGES:
        yield types.Resource(
            uri=f"{SCHEME}://method/{language}",
            name=f"method-{language}",
            title=f"How the figures are made ({language})",
            description="What each figure and its interval mean, and when a change is called one.",
            mime_type=MARKDOWN,
        )


def report_of(project_id: int, name: str) -> types.Resource:
    return types.Resource(
        uri=f"{SCHEME}://projects/{project_id}/report",
        name=f"report-{project_id}",
        title=visible_to_all(name),
        description="The report of the last 30 days as Markdown.",
        mime_type=MARKDOWN,
    )


def content(caller: Caller, uri: str) -> types.ReadResourceResult:
    """What a resource holds; raises Problem for an address that is none, or one that the caller may not read."""
    text = text_of(caller, uri)
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, text=text, mime_type=MARKDOWN)])


def text_of(caller: Caller, uri: str) -> str:
    try:
        address = urlsplit(uri)
        path = address.path.strip("/").split("/")
    except ValueError as exc:
        raise Problem("not_found", "there is no such resource") from exc
    if address.scheme == SCHEME and address.netloc == "method" and path[0] in LANGUAGES and len(path) == 1:
        return method(path[0])
    if address.scheme == SCHEME and address.netloc == "projects" and path[1:] == ["report"]:
        require(caller.token, SCOPES)
        wanted = read(InPeriods, {"project_id": path[0], **dict(parse_qsl(address.query, keep_blank_values=True))})
        return report(enter(caller, wanted.project_id, SCOPES), wanted)
    raise Problem("not_found", "there is no such resource")


def report(here: ProjectCaller, wanted: InPeriods) -> str:
    """A project's report; its viewers do not learn why something is missing."""
    app, today = here.app, schedule_day(here.app.settings)
    narrowed = [name for name in ("provider", "tag") if getattr(wanted, name) is not None]
    if narrowed:
        raise Problem("invalid", errors=[FieldError(f"/{name}", "a report is of all answers") for name in narrowed])
    period = wanted.period(here) if wanted.first or wanted.last else None
    request = ReportRequest(here.project_id, period, wanted.compared(), chosen=period is not None)
    with WAITING.held(here.caller.user_id):
        if here.role == "viewer":
            return markdown_of(without_reasons(read_report(app.db, request, today, Access())))
        access = access_of(projects.find(app.db, here.project_id), app.keys, app.budget)
        return markdown_of(read_report(app.db, request, today, access))


def markdown_of(data: ReportData) -> str:
    return render_markdown(view(data), longest_answer=LONGEST_ANSWER)
