"""What a project is: its brand, competitors and prompts, as read and as written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Json, Row
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.errors import BadInput, Invalid, NotReady
from llm_monitoring.projects.locale_codes import country_code, language_code


@dataclass(frozen=True, slots=True)
class Project:
    """One brand under watch. `user_id` is None where the host application left it without an owner."""

    id: int
    user_id: int | None
    name: str
    brand: Entity
    competitors: tuple[Entity, ...]
    industry: str
    language: str
    country: str | None
    providers: tuple[ProviderName, ...]
    web_search: bool
    samples_per_query: int
    is_active: bool


@dataclass(frozen=True, slots=True)
class NewProject:
    """What `add` needs; competitors are entities, and a name of one letter counts only in its own case."""

    user_id: int
    name: str
    brand: Entity
    industry: str
    competitors: Sequence[Entity] = ()
    language: str = "es"
    country: str | None = None
    providers: Sequence[ProviderName] = PROVIDERS
    web_search: bool = False
    samples_per_query: int = 1


@dataclass(frozen=True, slots=True)
class NewQuery:
    """A prompt to add; without `language` it has its project's."""

    text: str
    language: str | None = None
    query_type: str = "general"


class UnreadableProject(NotReady):
    """A project's row is no project that can be measured."""

    def __init__(self, project_id: int, cause: Exception) -> None:
        super().__init__("project", project_id, f"project {project_id} cannot be read: {cause}")


def read_project(row: Row) -> Project:
    """A project from its row; providers that this package does not know are left out. Raises UnreadableProject."""
    try:
        return project_of(row)
    except (BadInput, ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise UnreadableProject(row["id"], exc) from exc


def project_of(row: Row) -> Project:
    return Project(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        brand=Entity(
            name=row["brand_name"],
            aliases=tuple(row["brand_aliases"]),
            domains=tuple(row["brand_domains"]),
            exclude=tuple(row["brand_exclude"]),
            case_sensitive=row["brand_case_sensitive"],
        ),
        competitors=tuple(read_entity(item, row["id"]) for item in row["competitors"]),
        industry=row["industry"],
        language=row["language"],
        country=row["country"],
        providers=enabled(row["enabled_llms"]),
        web_search=row["web_search"],
        samples_per_query=row["samples_per_query"],
        is_active=row["is_active"],
    )


def enabled(names: Sequence[str] | None) -> tuple[ProviderName, ...]:
    """Whom a project asks: all where nothing is stored, nobody where a host stored an empty list."""
    return PROVIDERS if names is None else tuple(name for name in PROVIDERS if name in names)


def read_entity(item: Any, project_id: int) -> Entity:
    """A competitor as stored: a plain name (the older form) or an object with `name`, `aliases`, `domains`, …"""
    if isinstance(item, str):
        return Entity(item)
    if isinstance(item, Mapping) and isinstance(item.get("name"), str):
        return Entity(
            name=item["name"],
            aliases=tuple(item.get("aliases") or ()),
            domains=tuple(item.get("domains") or ()),
            exclude=tuple(item.get("exclude") or ()),
            case_sensitive=bool(item.get("case_sensitive", False)),
        )
    raise Invalid(
        "competitors", f"project {project_id}: a competitor is a name or an object with a name, not {item!r:.80}"
    )


def renamed(entity: Entity, name: str, *, keep_old_name: bool = True) -> Entity:
    """The entity under another name; the old one stays as an alias, or answers that use it would count for no one."""
    new = name.strip()
    others = [alias for alias in entity.aliases if alias.casefold() != new.casefold()]
    if keep_old_name and entity.name.casefold() not in {each.casefold() for each in (new, *others)}:
        others.append(entity.name)
    return replace(entity, name=new, aliases=tuple(others))


def write_entity(entity: Entity) -> dict[str, Any]:
    return {
        "name": entity.name,
        "aliases": list(entity.aliases),
        "domains": list(entity.domains),
        "exclude": list(entity.exclude),
        "case_sensitive": entity.case_sensitive,
    }


def definition(new: NewProject) -> dict[str, Any]:
    """A project's definition as parameters, named as its columns."""
    return {
        "user_id": new.user_id, "name": new.name, "brand_name": new.brand.name,
        "brand_aliases": list(new.brand.aliases), "brand_domains": list(new.brand.domains),
        "brand_exclude": list(new.brand.exclude), "brand_case_sensitive": new.brand.case_sensitive,
        "industry": new.industry, "competitors": Json([write_entity(entity) for entity in new.competitors]),
        "language": language_code(new.language) or new.language,
        "country": new.country and (country_code(new.country) or new.country), "enabled_llms": list(new.providers),
        "web_search": new.web_search, "samples_per_query": new.samples_per_query,
    }  # fmt: skip


def as_new(project: Project) -> NewProject:
    """The definition of a project, as `add` takes it."""
    return NewProject(
        user_id=project.user_id or 0, name=project.name, brand=project.brand, industry=project.industry,
        competitors=project.competitors, language=project.language, country=project.country,
        providers=project.providers, web_search=project.web_search, samples_per_query=project.samples_per_query,
    )  # fmt: skip
