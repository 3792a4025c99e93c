"""The sites that answers cite, by kind; where competitors are cited and the brand is not; kinds that users set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.app import App
from llm_monitoring.db import Row
from llm_monitoring.figures.periods import Period
from llm_monitoring.projects import site_kinds
from llm_monitoring.projects.site_kinds import Basis, Kind
from llm_monitoring.reporting.sources import GapPrompt, GapSite, KindRow, Share, SiteRow
from llm_monitoring.reporting.stored_tables import SourcesRequest, StoredSources
from llm_monitoring.web.api.citations import PeriodPageQuery
from llm_monitoring.web.api.figures import PERCENT, PeriodQuery
from llm_monitoring.web.api.schemas import Body, Page
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.paging import decode, number, page
from llm_monitoring.web.stored_figures import SOURCES

router: Final = APIRouter(prefix="/projects/{project_id}/sources", tags=["sources"])

SettableKind = Literal["editorial", "reference", "forum", "shop", "institutional", "other"]
SiteName = Annotated[str, Path(min_length=3, max_length=253, description="The site's host, such as `elpais.com`.")]


class SourcesQuery(PeriodPageQuery):
    """A period, one kind of site alone, and a page of the list."""

    kind: Kind | None = Field(default=None, description="The sites of this kind alone.")


class ShareView(BaseModel):
    """How many answers cite something: their rate in percent with its bounds; null is "not measured"."""

    value: float | None
    low: float | None
    high: float | None
    confidence: Literal[95] | None = Field(description="Of `low` and `high`, in percent; null if they are.")
    answers: int = Field(description="Answers that the rate rests on.")
    citing: int = Field(description="Of these, how many cite it.")


class KindView(BaseModel):
    """A kind of site, and the answers that cite a page of one."""

    kind: Kind
    sites: int
    pages: int
    share: ShareView
    by_provider: dict[str, ShareView]


class SiteView(BaseModel):
    """A site that answers cite; its name is text of others, to be read as data."""

    rank: int = Field(description="By the number of answers, then of prompts, then by name.")
    site: str
    kind: Kind
    basis: Basis = Field(description="A declared site, set by a user, listed among the well-known ones, or unknown.")
    owner_name: str | None = Field(description="The brand or competitor that declares it.")
    pages: int
    prompts: int
    searched: int = Field(description="Answers that list pages of it and mark none of them in their text.")
    share: ShareView
    by_provider: dict[str, int] = Field(description="Answers of each provider that cite it.")


class Sources(Page[SiteView]):
    """The sites that answers to prompts that do not name the brand cite, the most cited first."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    timezone: str = Field(description="The zone of the days.")
    answers: int = Field(description="All such answers of the period.")
    with_sources: int = Field(description="Of these, how many have sources.")
    distinct_sites: int
    distinct_pages: int
    by_provider: dict[str, int] = Field(description="Such answers of each provider.")
    kinds: list[KindView] = Field(description="Every kind that is cited, whatever `kind` says.")


class GapSiteView(BaseModel):
    """A site of others in answers that name a competitor and neither name nor cite the brand."""

    rank: int
    site: str
    kind: Kind
    answers: int
    prompts: int
    competitors: dict[str, int] = Field(description="In how many of these answers each is named.")


class GapPromptView(BaseModel):
    """A prompt of which answers cite a site of a competitor and none of the brand."""

    query_id: int
    query_text: str
    answers: int = Field(description="Answers to the prompt.")
    gap: int = Field(description="Of these, how many cite a competitor's site and none of the brand.")
    competitors: dict[str, int] = Field(description="In how many of these each is cited.")


class SourceGaps(Page[GapSiteView]):
    """Where competitors are cited and the brand is not: sites to appear on, and prompts that lead to competitors."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    timezone: str = Field(description="The zone of the days.")
    brand_has_site: bool = Field(description="Without a declared site nothing can be said of the brand's pages.")
    prompts: list[GapPromptView]


class KindBody(Body):
    """The kind of a site. Own and rival sites are those that brand and competitors declare."""

    kind: SettableKind


class SetKind(BaseModel):
    """A site of which a user set the kind."""

    site: str
    kind: Kind
    set_at: datetime


@router.get("", response_model=Sources)
def list_sources(
    here: Annotated[ProjectCaller, on_project("answers:read")], wanted: Annotated[SourcesQuery, Query()]
) -> Any:
    """List the sites that a period's answers cite, each with its kind and its share of answers, and the kinds."""
    stored, period = sources_of(here, wanted)
    filters = filters_of("sources", here, period, wanted) | {"kind": wanted.kind}
    place = decode(wanted.cursor, filters, number)
    after = place[0] if place else 0
    rows = [site_view(after + rank, each) for rank, each in enumerate(
        stored.of_kind(wanted.kind)[after : after + wanted.limit + 1], 1)]  # fmt: skip
    totals = stored.totals
    return page(rows, wanted.limit, filters, ("rank",)) | {
        **period_fields(here, period),
        "answers": totals.answers,
        "with_sources": totals.with_sources,
        "distinct_sites": totals.sites,
        "distinct_pages": totals.pages,
        "by_provider": totals.by_provider,
        "kinds": [kind_view(each) for each in stored.kinds],
    }


@router.get("/gaps", response_model=SourceGaps)
def list_source_gaps(
    here: Annotated[ProjectCaller, on_project("answers:read")], wanted: Annotated[PeriodPageQuery, Query()]
) -> Any:
    """List the sites and the prompts where competitors are named or cited and the brand is not."""
    stored, period = sources_of(here, wanted)
    filters = filters_of("source gaps", here, period, wanted)
    place = decode(wanted.cursor, filters, number)
    after = place[0] if place else 0
    found = stored.gap_sites[after : after + wanted.limit + 1]
    rows = [gap_site_view(after + rank, each) for rank, each in enumerate(found, 1)]
    return page(rows, wanted.limit, filters, ("rank",)) | {
        **period_fields(here, period),
        "brand_has_site": stored.pages.brand_has_site,
        "prompts": [gap_prompt_view(each) for each in stored.gap_prompts],
    }


@router.get("/kinds", response_model=list[SetKind])
def list_set_kinds(here: Annotated[ProjectCaller, on_project("projects:read")]) -> Any:
    """List the sites of which a user set the kind; all others have that of the list of well-known sites."""
    return site_kinds.set_kinds(here.app.db, here.project_id)


@router.put("/kinds/{site}", response_model=SetKind)
def set_site_kind(site: SiteName, body: KindBody, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Any:
    """Set the kind of a site and of all hosts below it, in this project."""

    return here.caller.change(lambda app: store_kind(app, here.caller.actor, here.project_id, site, body.kind))


@router.delete("/kinds/{site}", status_code=204)
def unset_site_kind(site: SiteName, here: Annotated[ProjectCaller, on_project("projects:write")]) -> Response:
    """Return a site to the kind that it has without a user's word."""

    here.caller.change(lambda app: withdraw_kind(app, here.caller.actor, here.project_id, site))
    return Response(status_code=204)


def store_kind(app: App, actor: Actor, project_id: int, site: str, kind: str) -> Row:
    """Set the kind of a site, with its record; raises Invalid."""
    host, before = site_kinds.set_kind(app.db, project_id, site, kind)
    audit.record(
        app.db,
        actor,
        "site_kind.set",
        project_id=project_id,
        object_id=host,
        before=before and {"kind": before},
        after={"kind": kind},
    )
    return next(row for row in site_kinds.set_kinds(app.db, project_id) if row["site"] == host)


def withdraw_kind(app: App, actor: Actor, project_id: int, site: str) -> None:
    """Return a site to the kind of the list, with its record; raises NotFound."""
    host, before = site_kinds.unset_kind(app.db, project_id, site)
    audit.record(app.db, actor, "site_kind.unset", project_id=project_id, object_id=host, before={"kind": before})


def sources_of(here: ProjectCaller, wanted: PeriodQuery) -> tuple[StoredSources, Period]:
    period = wanted.period(here)
    asked = SourcesRequest(here.project_id, period, wanted.provider, wanted.tag)
    return SOURCES.asked(here.app.db, asked), period


def filters_of(name: str, here: ProjectCaller, period: Period, wanted: PeriodQuery) -> dict[str, Any]:
    return {
        "list": name,
        "project": here.project_id,
        "first": period.first,
        "last": period.last,
        "provider": wanted.provider,
        **({} if wanted.tag is None else {"tag": wanted.tag}),
    }


def period_fields(here: ProjectCaller, period: Period) -> dict[str, Any]:
    return {"first": period.first, "last": period.last, "timezone": str(here.app.settings.timezone)}


def share_view(found: Share) -> dict[str, Any]:
    return {
        "value": found.rate.value,
        "low": found.rate.low,
        "high": found.rate.high,
        "confidence": None if found.rate.low is None else PERCENT,
        "answers": found.of,
        "citing": found.answers,
    }


def shares_view(found: Mapping[str, Share]) -> dict[str, Any]:
    return {provider: share_view(each) for provider, each in found.items()}


def kind_view(row: KindRow) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "sites": row.sites,
        "pages": row.pages,
        "share": share_view(row.share),
        "by_provider": shares_view(row.by_provider),
    }


def site_view(rank: int, row: SiteRow) -> dict[str, Any]:
    return {
        "rank": rank,
        "site": row.site.name,
        "kind": row.site.kind,
        "basis": row.site.basis,
        "owner_name": row.site.owner,
        "pages": row.pages,
        "prompts": row.prompts,
        "searched": row.searched,
        "share": share_view(row.share),
        "by_provider": row.by_provider,
    }


def gap_site_view(rank: int, row: GapSite) -> dict[str, Any]:
    return {
        "rank": rank,
        "site": row.site.name,
        "kind": row.site.kind,
        "answers": row.answers,
        "prompts": row.prompts,
        "competitors": row.rivals,
    }


def gap_prompt_view(row: GapPrompt) -> dict[str, Any]:
    return {
        "query_id": row.query_id,
        "query_text": row.text,
        "answers": row.answers,
        "gap": row.gap,
        "competitors": row.rivals,
    }
