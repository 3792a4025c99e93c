"""The definition of a project: its brand, competitors and prompts, read from rows and written to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from llm_monitoring.analysis import Entity
from llm_monitoring.db import Json, Row
from llm_monitoring.domain import PROVIDERS, Pace, ProviderName
from llm_monitoring.errors import BadInput, Invalid, NotReady
from llm_monitoring.projects.locale_codes import country_code, language_code


class Definition(Protocol):
    """The fields that a project and a new one have in common."""

    @property
    def user_id(self) -> int | None: ...
    @property
    def name(self) -> str: ...
    @property
    def brand(self) -> Entity: ...
    @property
    def competitors(self) -> Sequence[Entity]: ...
    @property
    def industry(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def country(self) -> str | None: ...
    @property
    def providers(self) -> Sequence[ProviderName]: ...
    @property
    def web_search(self) -> bool: ...
    @property
    def samples_per_query(self) -> int: ...
    @property
    def pace(self) -> Pace: ...


@dataclass(frozen=True, slots=True)
class Project:
    """A tracked brand. `user_id` is None if the host application stored no owner."""

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
    pace: Pace = "punctual"


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project to add."""

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
    pace: Pace = "punctual"


@dataclass(frozen=True, slots=True)
class NewPrompt:
    """A prompt to add; without `language` it has the language of its project. `is_active`: it is asked every day."""

    text: str
    language: str | None = None
    query_type: str = "general"
    tags: tuple[str, ...] = ()
    is_active: bool = True


class UnreadableProject(NotReady):
    """The row of a project cannot be read as a project."""

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
        providers=enabled_providers(row["enabled_llms"]),
        web_search=row["web_search"],
        samples_per_query=row["samples_per_query"],
        is_active=row["is_active"],
        pace=row["pace"],
    )


def enabled_providers(names: Sequence[str] | None) -> tuple[ProviderName, ...]:
    """The providers that a project asks: all if nothing is stored, none if a host stored an empty list."""
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
    sentence = f"project {project_id}: a competitor is a name or an object with a name, not {item!r:.80}"
    raise Invalid("competitors", sentence, code="competitor_unreadable")


def make_entity(name: str, /, **fields: Any) -> Entity:
    """A brand or competitor; raises Invalid."""
    try:
        return Entity(**({"name": name} | fields))
    except ValueError as exc:
        raise Invalid("name", f"{name!r}: {exc}", code="name_missing") from exc


def edited_entity(
    old: Entity, fields: Mapping[str, Any], new_name: str | None = None, *, keep_old_name: bool = True
) -> Entity:
    """The entity with other fields and another name; raises Invalid."""
    fresh = make_entity(old.name, **(write_entity(old) | dict(fields)))
    return fresh if new_name is None else renamed(fresh, new_name, keep_old_name=keep_old_name)


def renamed(entity: Entity, name: str, *, keep_old_name: bool = True) -> Entity:
    """The entity under another name; raises Invalid.

    The old name stays as an alias, so that answers that use it still count.
    """
    new = name.strip()
    others = [alias for alias in entity.aliases if alias.casefold() != new.casefold()]
    if keep_old_name and entity.name.casefold() not in {each.casefold() for each in (new, *others)}:
        others.append(entity.name)
    return make_entity(new, **(write_entity(entity) | {"name": new, "aliases": others}))


def write_entity(entity: Entity) -> dict[str, Any]:
    return {
        "name": entity.name,
        "aliases": list(entity.aliases),
        "domains": list(entity.domains),
        "exclude": list(entity.exclude),
        "case_sensitive": entity.case_sensitive,
    }


def definition_fields(project: Definition) -> dict[str, Any]:
    """A project's definition as parameters, named as its columns."""
    return {
        "user_id": project.user_id,
        "name": project.name,
        "brand_name": project.brand.name,
        "brand_aliases": list(project.brand.aliases),
        "brand_domains": list(project.brand.domains),
        "brand_exclude": list(project.brand.exclude),
        "brand_case_sensitive": project.brand.case_sensitive,
        "industry": project.industry,
        "competitors": Json([write_entity(entity) for entity in project.competitors]),
        "language": language_code(project.language) or project.language,
        "country": project.country and (country_code(project.country) or project.country),
        "enabled_llms": list(project.providers),
        "web_search": project.web_search,
        "samples_per_query": project.samples_per_query,
        "pace": project.pace,
    }
