"""`sources`: the sites that answers cite, their kinds, and where competitors are cited and the brand is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from llm_monitoring import projects
from llm_monitoring.access import audit
from llm_monitoring.access.audit import Actor
from llm_monitoring.cli.base.command import PROJECT, LateGroup, example, json_option
from llm_monitoring.cli.base.output import Columns, say, show_json, show_rows
from llm_monitoring.cli.base.periods import Asked, period_options, periods_of
from llm_monitoring.cli.base.session import Session, pass_session
from llm_monitoring.db import Database, Row, in_transaction
from llm_monitoring.figures.periods import Period
from llm_monitoring.projects import site_kinds
from llm_monitoring.projects.site_kinds import KINDS, SETTABLE, Kind
from llm_monitoring.reporting.report_data import last_days
from llm_monitoring.reporting.sources import GapPrompt, GapSite, Share, SiteRow, SourceTally, prompt_texts, read_sources

MOST_SHOWN: Final = 50


@click.group(
    cls=LateGroup, epilog=example("sources list 1", "sources gaps 1", "sources classify 1 blog.example.com editorial")
)
def sources() -> None:
    """The sites that answers cite, by kind, and where competitors are cited and the brand is not."""


@sources.command("list", epilog=example("sources list 1", "sources list 1 --kind forum --days 7 --json"))
@click.argument("project", type=PROJECT)
@click.option("--kind", type=click.Choice(KINDS), help="Sites of this kind alone.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=MOST_SHOWN, show_default=True, help="How many sites.")
@period_options
@json_option
@pass_session
def list_sources(
    session: Session, /, project: int, *, kind: Kind | None, limit: int, as_json: bool, **asked: Any
) -> None:
    """List the sites that answers of PROJECT to prompts without the brand's name cite, the most cited first."""
    tally, period, _ = counted(session, project, asked)
    rows = [site_fields(row) for row in tally.site_rows(kind, most=limit)]
    if as_json:
        kinds = [
            {"kind": row.kind, "sites": row.sites, "pages": row.pages, **share_fields(row.share)}
            for row in tally.kind_rows()
        ]
        show_json({"from": period.first, "to": period.last, "kinds": kinds, "sites": rows})
        return
    say(f"{period}: {tally.with_sources} of {len(tally.observed)} answers have sources.")
    columns: Columns = {
        "Site": "site",
        "Kind": "kind",
        "Answers": "citing",
        "Of answers": "answers",
        "Rate %": "value",
        "95 %": bounds,
        "Pages": "pages",
        "Prompts": "prompts",
    }
    show_rows(rows, columns, as_json=False, empty="No answer of these days cites such a site.")


@sources.command(epilog=example("sources gaps 1", "sources gaps 1 --days 7 --json"))
@click.argument("project", type=PROJECT)
@period_options
@json_option
@pass_session
def gaps(session: Session, /, project: int, *, as_json: bool, **asked: Any) -> None:
    """List where competitors are named or cited and the brand of PROJECT is not: sites of others, and prompts."""
    tally, period, texts = counted(session, project, asked)
    sites = [gap_fields(row) for row in tally.gap_sites(most=MOST_SHOWN)]
    prompts = [prompt_fields(row) for row in tally.gap_prompts(texts)]
    if as_json:
        show_json({"from": period.first, "to": period.last, "sites": sites, "prompts": prompts})
        return
    say(f"{period}: sites of others in answers that name a competitor, and neither name nor cite the brand.")
    columns: Columns = {
        "Site": "site",
        "Kind": "kind",
        "Answers": "answers",
        "Prompts": "prompts",
        "Competitors": lambda row: counts(row["competitors"]),
    }
    show_rows(sites, columns, as_json=False, empty="There are none.")
    say("Prompts of which answers cite a competitor's site, and none of the brand:")
    columns = {
        "Prompt": "query_id",
        "Text": "query_text",
        "Answers": "gap",
        "Of": "answers",
        "Competitors": lambda row: counts(row["competitors"]),
    }
    show_rows(prompts, columns, as_json=False, empty="There are none, or no competitor declares a site.")


@sources.command(epilog=example("sources kinds 1"))
@click.argument("project", type=PROJECT)
@json_option
@pass_session
def kinds(session: Session, project: int, *, as_json: bool) -> None:
    """List the sites of PROJECT of which the kind was set; others have that of the list of well-known sites."""
    with session.app() as app:
        projects.find(app.db, project)
        rows = site_kinds.set_kinds(app.db, project)
    columns: Columns = {"Site": "site", "Kind": "kind", "Since": "set_at"}
    show_rows(rows, columns, as_json=as_json, empty="No kind was set: see `sources classify --help`.")


@sources.command(epilog=example("sources classify 1 blog.example.com editorial"))
@click.argument("project", type=PROJECT)
@click.argument("domain")
@click.argument("kind", type=click.Choice(SETTABLE), metavar="KIND")
@pass_session
def classify(session: Session, project: int, domain: str, kind: str) -> None:
    """Set the KIND of the site DOMAIN, with all hosts below it, in PROJECT.

    KIND is editorial, reference, forum, shop, institutional or other.
    Own sites and those of competitors are the ones that the project declares: `projects edit`, `competitors edit`.
    """
    with session.app() as app:

        def work(db: Database) -> str:
            site, before = site_kinds.set_kind(db, project, domain, kind)
            record(db, project, "site_kind.set", site, before=before and {"kind": before}, after={"kind": kind})
            return site

        site = in_transaction(app.db, work)
    say(f"{site} is of kind {kind} in project {project}.")


@sources.command(epilog=example("sources reset 1 blog.example.com"))
@click.argument("project", type=PROJECT)
@click.argument("domain")
@pass_session
def reset(session: Session, project: int, domain: str) -> None:
    """Drop the KIND that was set for DOMAIN in PROJECT: the list of well-known sites decides again."""
    with session.app() as app:

        def work(db: Database) -> str:
            site, before = site_kinds.unset_kind(db, project, domain)
            record(db, project, "site_kind.unset", site, before={"kind": before}, after=None)
            return site

        site = in_transaction(app.db, work)
    say(f"The kind of {site} is no longer set in project {project}.")


def record(db: Database, project: int, action: str, site: str, **values: Any) -> None:
    owner = projects.find(db, project).user_id
    if owner is not None:
        audit.record(db, Actor("command", owner), action, project_id=project, object_id=site, **values)


def counted(session: Session, project_id: int, asked: Mapping[str, Any]) -> tuple[SourceTally, Period, dict[int, str]]:
    """The sources of the period of the options, and the texts of the prompts."""
    from llm_monitoring.app import schedule_day

    with session.app() as app:
        project = projects.find(app.db, project_id)
        latest = last_days(app.db, project_id, 1, schedule_day(app.settings)).last
        period, _ = periods_of(Asked(**asked), latest)
        return read_sources(app.db, project, period), period, prompt_texts(app.db, project_id)


def site_fields(row: SiteRow) -> Row:
    return {
        "site": row.site.name,
        "kind": row.site.kind,
        "basis": row.site.basis,
        "owner_name": row.site.owner,
        "pages": row.pages,
        "prompts": row.prompts,
        "searched": row.searched,
        **share_fields(row.share),
        "by_provider": dict(row.by_provider),
    }


def share_fields(found: Share) -> Row:
    return {
        "citing": found.answers,
        "answers": found.of,
        "value": found.rate.value,
        "low": found.rate.low,
        "high": found.rate.high,
    }


def gap_fields(row: GapSite) -> Row:
    return {
        "site": row.site.name,
        "kind": row.site.kind,
        "answers": row.answers,
        "prompts": row.prompts,
        "competitors": dict(row.rivals),
    }


def prompt_fields(row: GapPrompt) -> Row:
    return {
        "query_id": row.query_id,
        "query_text": row.text,
        "gap": row.gap,
        "answers": row.answers,
        "competitors": dict(row.rivals),
    }


def bounds(row: Row) -> str:
    return "" if row["low"] is None else f"{row['low']} to {row['high']}"


def counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items())
