"""Users' projects: the brand, its competitors, the prompts that are asked every day."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llm_monitoring.analysis import Entity
from llm_monitoring.db.database import Conflict, Database, Json, Rejected, Row, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.definitions import check, check_query, prompt_key
from llm_monitoring.domain import PROVIDERS, ProviderName, provider_name
from llm_monitoring.errors import BadInput
from llm_monitoring.locale_codes import country_code, language_code
from llm_monitoring.row_errors import RowErrors

SQL = load("projects")

EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,190}")


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


class UnreadableProject(BadInput):
    """A project's row is no project that can be measured."""

    def __init__(self, project_id: int, cause: Exception) -> None:
        super().__init__(f"project {project_id} cannot be read: {cause}")


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
    raise BadInput(f"project {project_id}: a competitor is a name or an object with a name, not {item!r:.80}")


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


def active(db: Database, project_ids: Sequence[int] | None = None) -> list[Row]:
    """The rows of active projects, these or all, to be read one by one, so that a broken one stops alone."""
    return db.all(SQL.active_projects, {"projects": None if project_ids is None else list(project_ids)})


def existing(db: Database, project_ids: Sequence[int]) -> set[int]:
    """Which of these projects there are."""
    return {row["id"] for row in db.all(SQL.existing, {"project_ids": list(project_ids)})}


def find(db: Database, project_id: int) -> Project:
    """One project; raises BadInput where there is none, or where its row is no project that can be measured."""
    row = db.one(SQL.project, {"project_id": project_id})
    if row is None:
        raise unknown(project_id)
    return read_project(row)


def unknown(project_id: int) -> BadInput:
    return BadInput(f"project {project_id} does not exist: see `python -m llm_monitoring projects list`")


def add(db: Database, new: NewProject) -> int:
    """Store a project and return its id; raises BadInput that names what is wrong."""
    check(new)
    for name in new.providers:
        provider_name(name)
    try:
        row = db.one(SQL.add_project, definition(new))
    except Conflict as exc:
        raise BadInput(f"user {new.user_id} already has a project named {new.name!r}") from exc
    except Rejected as exc:
        raise BadInput(f"project {new.name!r} was refused: {exc}") from exc
    assert row is not None
    return int(row["id"])


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


def change(db: Database, project_id: int, edit: Callable[[Project], Project]) -> Project:
    """Store what `edit` makes of a project's definition and return it; raises BadInput that names what is wrong."""

    def work(tx: Transaction) -> Project:
        row = tx.one(SQL.lock_definition, {"project_id": project_id})
        if row is None:
            raise unknown(project_id)
        before = read_project(row)
        after = edit(before)
        check(as_new(after), as_new(before))
        kept = after.providers == before.providers
        tx.execute(SQL.change_project, {**definition(as_new(after)), "project_id": project_id, "user_id": after.user_id,
                                        **({"enabled_llms": None} if kept else {})})  # fmt: skip
        return after

    try:
        return db.transact(work)
    except Conflict as exc:
        raise BadInput("the user already has another project of that name") from exc
    except Rejected as exc:
        raise BadInput(f"project {project_id} cannot be changed so: {exc}") from exc


def as_new(project: Project) -> NewProject:
    """The definition of a project, as `add` takes it."""
    return NewProject(
        user_id=project.user_id or 0, name=project.name, brand=project.brand, industry=project.industry,
        competitors=project.competitors, language=project.language, country=project.country,
        providers=project.providers, web_search=project.web_search, samples_per_query=project.samples_per_query,
    )  # fmt: skip


def holdings(db: Database, project_id: int) -> Row:
    """What `remove` takes away: `prompts`, `answers`, `days` with figures; `calls` and `charged_usd` stay."""
    row = db.one(SQL.holdings, {"project_id": project_id})
    assert row is not None
    return row


def remove(db: Database, project_id: int) -> None:
    """Delete a project, its prompts, answers and figures; the ledger keeps its calls. Raises BadInput."""
    try:
        if db.execute(SQL.remove_project, {"project_id": project_id}) == 0:
            raise unknown(project_id)
    except Rejected as exc:
        raise BadInput(f"project {project_id} is in use by the host application: {exc}") from exc


def set_active(db: Database, project_id: int, is_active: bool) -> None:
    """Pause or resume a project; raises BadInput where there is none."""
    if db.execute(SQL.set_active, {"project_id": project_id, "is_active": is_active}) == 0:
        find(db, project_id)


def overview(db: Database) -> list[Row]:
    return db.all(SQL.projects_overview)


def queries(db: Database, project_id: int) -> list[Row]:
    """A project's prompts; raises BadInput where there is no such project."""
    find(db, project_id)
    return db.all(SQL.queries, {"project_id": project_id})


def add_queries(
    db: Database,
    project_id: int,
    texts: Iterable[str],
    language: str | None = None,
    query_type: str = "general",
) -> tuple[int, int]:
    """Add prompts, all or none; return how many were new and how many the project already had."""
    return add_all_queries(db, project_id, [NewQuery(text, language, query_type) for text in texts])


def add_all_queries(
    db: Database, project_id: int, queries: Sequence[NewQuery], on_added: Callable[[int], None] = lambda done: None
) -> tuple[int, int]:
    """Add prompts in one transaction; return how many were new and how many the project already had.

    `on_added` gets the number of prompts done since its last call.
    """
    project = find(db, project_id)
    for query in queries:
        check_query(query)
    fresh = [query for query, known in recognised(db, project_id, queries) if known is None]

    def work(tx: Transaction) -> int:
        added = 0
        for query in fresh:
            added += tx.one(SQL.add_query, query_fields(project, query)) is not None
            on_added(1)
        return added

    try:
        added = db.transact(work)
    except Rejected as exc:
        raise BadInput(f"the database does not take one of the prompts, so none was added: {exc}") from exc
    return added, len(queries) - added


def query_fields(project: Project, query: NewQuery) -> dict[str, Any]:
    language = query.language and language_code(query.language)
    return {"project_id": project.id, "text": query.text.strip(), "language": language or project.language,
            "query_type": query.query_type}  # fmt: skip


def recognised(db: Database, project_id: int, new: Sequence[NewQuery]) -> list[tuple[NewQuery, str | None]]:
    """Each of these prompts, with the words of the same prompt that the project or the list has before it."""
    seen: dict[str, str] = {}
    for row in db.all(SQL.queries, {"project_id": project_id}):
        seen.setdefault(prompt_key(row["query_text"]), f"prompt {row['id']}")
    found: list[tuple[NewQuery, str | None]] = []
    for number, query in enumerate(new, start=1):
        key = prompt_key(query.text)
        found.append((query, seen.get(key)))
        seen.setdefault(key, f"entry {number} of this list")
    return found


def set_queries_active(db: Database, project_id: int, query_ids: Sequence[int], is_active: bool) -> None:
    """Pause or resume prompts, all or none; raises BadInput for one that the project does not have."""
    known = {row["id"] for row in queries(db, project_id)}
    missing = [str(each) for each in query_ids if each not in known]
    if missing:
        hint = f"see `python -m llm_monitoring queries list {project_id}`"
        raise BadInput(f"project {project_id} has no prompt {', '.join(missing)}: {hint}")
    db.execute(SQL.set_queries_active, {"project_id": project_id, "ids": list(query_ids), "is_active": is_active})


def mark_analysed(db: Database, project_ids: Sequence[int], errors: RowErrors) -> None:
    """Note that these projects were analysed now."""
    for project_id in project_ids:
        with errors.guard("mark_project", f"Proyecto #{project_id}", project_id=project_id):
            db.execute(SQL.mark_analysed, {"project_id": project_id})


def add_user(db: Database, email: str) -> int:
    """Create a user and return the id; raises BadInput on a bad or known address."""
    if not EMAIL.fullmatch(email):
        raise BadInput(f"{email!r} is no e-mail address")
    if db.one(SQL.user, {"user_id": None, "email": email}) is not None:
        raise BadInput(f"a user with the address {email} exists already")
    try:
        row = db.one(SQL.add_user, {"email": email})
    except Rejected as exc:
        raise BadInput(f"the host application's users need more than an address ({exc}): add the user there") from exc
    if row is None:
        raise BadInput(f"a user with the address {email} exists already")
    return int(row["id"])


def find_user(db: Database, who: str) -> Row:
    """A user by id or e-mail address; raises BadInput where there is none, or where several share the address."""
    user_id = int(who) if who.isascii() and who.isdigit() and len(who) < 10 else None
    rows = db.all(SQL.user, {"user_id": user_id, "email": None if user_id is not None else who})
    if not rows:
        raise BadInput(f"user {who!r} does not exist: see `python -m llm_monitoring users list`")
    if len(rows) > 1:
        raise BadInput(f"{len(rows)} users have the address {who!r}: give one's number instead")
    return rows[0]


def users(db: Database) -> list[Row]:
    return db.all(SQL.users)
