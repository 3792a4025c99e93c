"""Reads a file of prompts: one a line, or a table with a column of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from llm_monitoring.errors import Invalid
from llm_monitoring.projects.definition import NewPrompt
from llm_monitoring.projects.files.columns import (
    LONGEST_SHOWN,
    Table,
    Titles,
    known_columns,
    plain_title,
    read_table,
)
from llm_monitoring.projects.files.csv_files import Sheet, at, lines, rows, several_columns
from llm_monitoring.projects.files.formulas import without_guards
from llm_monitoring.projects.prompt_tags import clean_tags
from llm_monitoring.projects.validation import check_prompt

TITLES: Final[Titles] = {
    "prompt": (
        "query",
        "prompt",
        "queries",
        "prompts",
        "search query",
        "pregunta",
        "preguntas",
        "consulta",
        "consultas",
        "question",
        "questions",
        "frage",
        "fragen",
        "anfrage",
        "anfragen",
        "suchanfrage",
        "requete",
        "requetes",
        "domanda",
        "domande",
        "richiesta",
        "pergunta",
        "perguntas",
        "keyword",
        "keywords",
        "key word",
        "search term",
        "palabra clave",
        "palabras clave",
        "suchbegriff",
        "suchbegriffe",
        "schlusselwort",
        "schluesselwort",
        "stichwort",
        "mot cle",
        "mots cles",
        "parola chiave",
        "parole chiave",
        "palavra chave",
        "palavras chave",
        "termino",
        "terme",
        "termine di ricerca",
        "termo",
        "begriff",
        "text",
        "texto",
        "texte",
        "testo",
    ),
    "language": (
        "language",
        "lang",
        "languages",
        "idioma",
        "idiomas",
        "lengua",
        "sprache",
        "langue",
        "lingua",
        "locale",
    ),
    "type": (
        "type",
        "tipo",
        "category",
        "categoria",
        "kategorie",
        "categorie",
        "typ",
        "label",
        "intent",
        "topic",
        "tema",
        "thema",
    ),
    "tags": (
        "tags",
        "tag",
        "etiqueta",
        "etiquetas",
        "schlagwort",
        "schlagworter",
        "schlagwoerter",
        "etichetta",
        "etichette",
        "etiquette",
        "etiquettes",
    ),
    "active": ("active", "is active", "activo", "activa", "aktiv", "actif", "attivo", "ativo", "ativa"),
}
YES: Final = frozenset(
    {"true", "verdadero", "wahr", "vrai", "vero", "verdadeiro", "yes", "si", "ja", "oui", "sim", "1"}
)
NO: Final = frozenset({"false", "falso", "falsch", "faux", "no", "nein", "non", "nao", "0"})
"""As spreadsheets in six languages write a cell that is true or false, and as people do."""
SEPARATORS: Final = re.compile(r"[|;,]")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """The prompts of a file with their lines, and how it was read."""

    sheet: Sheet
    prompts: tuple[tuple[int, NewPrompt], ...]
    table: Table | None = None

    @property
    def doubtful(self) -> bool:
        """Whether a guess needs a look of a person before anything is stored."""
        return self.sheet.encoding == "Windows-1252"

    def description(self) -> str:
        """How the file was read: its encoding, the columns that are used, those that are left out."""
        if self.table is None:
            return f"{self.sheet.name}: {self.sheet.encoding}, one prompt a line"
        used = ", ".join(f"{meaning} from {column}" for meaning, column in self.table.columns.items())
        left_out = f"; left out: {', '.join(self.table.left_out)}" if self.table.left_out else ""
        mark = "tabs" if self.sheet.delimiter == "\t" else f"“{self.sheet.delimiter}”"
        return f"{self.sheet.name}: {self.sheet.encoding}, columns divided by {mark}; {used}{left_out}"


def read_prompts(sheet: Sheet, choice: str | None = None, *, one_a_line: bool = False) -> PromptFile:
    """The prompts of a sheet, each checked; raises Invalid that names the line."""
    read = parse_prompts(sheet, choice, one_a_line=one_a_line)
    for line, each in read.prompts:
        with at(sheet, line):
            check_prompt(each)
            clean_tags(each.tags)
    if not read.prompts:
        raise Invalid("file", f"{sheet.name} has no prompts")
    return read


def parse_prompts(sheet: Sheet, choice: str | None = None, *, one_a_line: bool = False) -> PromptFile:
    """The prompts of a sheet as they are written; raises Invalid if its columns are ambiguous."""
    if one_a_line and choice is not None:
        raise Invalid("column", "--lines takes each line as a prompt, --column one column of it: give one of them")
    headed, single = is_titled(sheet), len(first_row(sheet)) == 1
    if not one_a_line and choice is None and headed and single and '"' not in sheet.text:
        body = [(line, NewPrompt(without_guards(text))) for line, text in list(lines(sheet))[1:]]
        return PromptFile(sheet, tuple(body))
    if not one_a_line and (choice is not None or headed or several_columns(sheet)):
        table = read_table(sheet, TITLES, "prompt", choice)
        return PromptFile(sheet, tuple((line, query(table, line, fields)) for line, fields in table.rows), table)
    return PromptFile(sheet, tuple((line, NewPrompt(text)) for line, text in lines(sheet)))


def is_titled(sheet: Sheet) -> bool:
    """Whether the first row has a title of prompts."""
    return "prompt" in known_columns(first_row(sheet), TITLES)


def first_row(sheet: Sheet) -> list[str]:
    """The fields of the first row; of text that is no CSV, none."""
    try:
        return next((fields for _, fields in rows(sheet) if any(fields)), [])
    except Invalid:
        return []


def query(table: Table, line: int, fields: tuple[str, ...]) -> NewPrompt:
    """A prompt from the columns of its row; an empty field means the default."""
    return NewPrompt(
        table.field(fields, "prompt"),
        table.field(fields, "language") or None,
        table.field(fields, "type") or "general",
        tuple(each for each in SEPARATORS.split(table.field(fields, "tags")) if each.strip()),
        is_active(table, line, table.field(fields, "active")),
    )


def is_active(table: Table, line: int, text: str) -> bool:
    """Whether a prompt is to be asked, as its row says; an empty field means yes. Raises Invalid with the line."""
    word = plain_title(text)
    if word and word not in YES | NO:
        raise Invalid(
            "file",
            f"{table.sheet.where(line)}: {text[:LONGEST_SHOWN]!r} under {table.columns['active']} is neither true nor "
            "false",
            code="neither_true_nor_false",
            line=line + table.sheet.skipped,
        )
    return word not in NO
