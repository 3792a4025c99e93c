"""What the API takes and gives: the names are those of columns and commands."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, Literal, TypeVar
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints, field_validator

from llm_monitoring.analysis import Entity
from llm_monitoring.domain import PROVIDERS, Pace, ProviderName
from llm_monitoring.errors import Invalid
from llm_monitoring.projects import Project, write_entity
from llm_monitoring.projects import clean_tag as clean_tag_of_prompts
from llm_monitoring.web.problems import NotAccepted

Row = TypeVar("Row")
MOST_ITEMS: Final = 500  # of any list: prompts come so many at once
Usd = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str)]


def in_utc(moment: datetime | date | None) -> datetime | date | None:
    """A time as others of the API are: the column of the host has no zone, and holds UTC."""
    if isinstance(moment, datetime) and moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment


def visible(text: str) -> str:
    """The text; refuses one that no one would see, and a control character, which no name has."""
    if not any(each.isprintable() and not each.isspace() for each in text):
        raise NotAccepted("invisible", "it has no character that can be seen")
    if any(category(each) == "Cc" for each in text):
        raise NotAccepted("control_character", "it has a control character, such as a line break")
    return text


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), AfterValidator(visible)]


def clean_tag(text: str | None) -> str | None:
    """A tag as it is stored; refuses what is none."""
    try:
        return None if text is None else clean_tag_of_prompts(text)
    except Invalid as exc:
        raise NotAccepted(exc.code, str(exc), **exc.facts) from exc


Tag = Annotated[
    str | None,
    Field(max_length=100, description="Prompts with this tag alone, in any case of letters."),
    AfterValidator(clean_tag),
]


class Body(BaseModel):
    """What a request holds: a field that is not known is refused, as its misspelling would change nothing."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def without_null_characters(cls, value: Any) -> Any:
        """Refuse what the database does not store: it would answer with another text than was sent."""
        texts = value if isinstance(value, list) else [value]
        if len(texts) > MOST_ITEMS:
            raise NotAccepted("too_long", f"a list has at most {MOST_ITEMS} entries", max_length=MOST_ITEMS)
        if any(isinstance(each, str) and "\0" in each for each in texts):
            raise NotAccepted("control_character", "a text has no null characters")
        return value


class Page(BaseModel, Generic[Row]):
    """The envelope of a list."""

    data: list[Row]
    next_cursor: str | None = Field(description="Where the next page begins; null on the last one.")


class EntityBody(Body):
    """A brand or competitor: the words and sites that name it."""

    name: Text
    aliases: list[Text] = Field(default=[], max_length=50)
    domains: list[Text] = Field(default=[], max_length=50)
    exclude: list[Text] = Field(default=[], max_length=50)
    case_sensitive: bool = False

    def entity(self) -> Entity:
        return Entity(self.name, tuple(self.aliases), tuple(self.domains), tuple(self.exclude), self.case_sensitive)


class ProjectBody(Body):
    """A project's definition."""

    name: Text
    brand: EntityBody
    industry: Text
    competitors: list[EntityBody] = Field(default=[], max_length=200)
    language: str = Field(default="es", max_length=35)
    country: str | None = Field(default=None, max_length=2)
    providers: list[ProviderName] = Field(default=list(PROVIDERS), min_length=1)
    web_search: bool = False
    samples_per_query: int = Field(default=1, ge=1, le=20)
    pace: Pace = "punctual"


class ProjectView(BaseModel):
    """A project as it is shown."""

    id: int
    name: str
    industry: str
    language: str
    country: str | None
    providers: list[ProviderName]
    web_search: bool
    samples_per_query: int
    pace: Pace
    is_active: bool
    is_archived: bool
    role: Literal["owner", "viewer"]
    brand: dict[str, Any]
    competitors: list[dict[str, Any]]


class ProjectRow(BaseModel):
    """A project in a list."""

    id: int
    name: str
    brand_name: str
    language: str
    country: str | None
    is_active: bool
    is_archived: bool
    active_queries: int
    last_analysis_date: Annotated[datetime | date | None, AfterValidator(in_utc)]
    role: Literal["owner", "viewer"]


def project_view(project: Project, role: Literal["owner", "viewer"], *, is_archived: bool) -> ProjectView:
    return ProjectView(
        id=project.id,
        name=project.name,
        industry=project.industry,
        language=project.language,
        country=project.country,
        providers=list(project.providers),
        web_search=project.web_search,
        samples_per_query=project.samples_per_query,
        pace=project.pace,
        is_active=project.is_active,
        is_archived=is_archived,
        role=role,
        brand=write_entity(project.brand),
        competitors=[write_entity(each) for each in project.competitors],
    )
