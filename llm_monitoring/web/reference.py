"""The OpenAPI document as a list of operations with their fields, and as a page for people that loads no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

STYLE_PATH: Final = "/api/docs.css"
POLICY: Final = "default-src 'none'; style-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
DEEPEST: Final = 6  # levels of a body: no schema of the document is as deep


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body: its place (`data[].id`), its type, and what it is."""

    name: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the answers of an operation."""

    status: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path; `scopes` are those that its token needs."""

    method: str
    path: str
    tag: str
    description: str
    scopes: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    answers: tuple[Answer, ...]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """The operations of an OpenAPI document, in its order."""
    schemas = document["components"]["schemas"]
    return [
        Operation(
            method=method.upper(),
            path=path,
            tag=found["tags"][0],
            description=found.get("description", ""),
            scopes=tuple(next(iter(found["security"][0].values()))),
            parameters=tuple(parameter(each) for each in found.get("parameters", ())),
            body=content_fields(found.get("requestBody", {}), schemas),
            answers=tuple(
                Answer(status, each["description"], content_fields(each, schemas))
                for status, each in found["responses"].items()
            ),
        )
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    ]


def parameter(found: Mapping[str, Any]) -> Field:
    place = f"{found['in']} {found['name']}"
    return Field(place, kind_of(found["schema"]), found.get("required", False), found.get("description", ""))


def content_fields(holder: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of the body of a request or an answer; none if it has no body."""
    contents = holder.get("content", {}).values()
    return tuple(field for each in contents for field in fields_of(each.get("schema", {}), schemas))


def fields_of(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], place: str = "", depth: int = DEEPEST
) -> Iterator[Field]:
    """Every field below a schema, each with its place."""
    for form in forms(schema, schemas):
        if form.get("type") == "array" and depth:
            yield from fields_of(form["items"], schemas, f"{place}[]", depth - 1)
        needed = form.get("required", ())
        for name, inner in form.get("properties", {}).items():
            path = f"{place}.{name}" if place else name
            yield Field(path, kind_of(inner), name in needed, inner.get("description", ""))
            if depth:
                yield from fields_of(inner, schemas, path, depth - 1)


def forms(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The schemas that a value may follow, with their references resolved."""
    if "$ref" in schema:
        return forms(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    return [form for choice in choices for form in forms(choice, schemas)] or [schema]


def kind_of(schema: Mapping[str, Any]) -> str:
    """A type in words: `integer or null`, `list of string`, `one of a, b`."""
    if "anyOf" in schema:
        return " or ".join(kind_of(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return "object"
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any value"))


def page(document: Mapping[str, Any]) -> str:
    """The document as HTML."""
    return template().render(info=document["info"], style=STYLE_PATH, operations=operations(document))


@cache
def template() -> Template:
    environment = Environment(
        loader=PackageLoader("llm_monitoring.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("reference.html")


@cache
def style() -> str:
    return (files("llm_monitoring.web") / "templates" / "reference.css").read_text("utf-8")
