"""What is tracked: a brand or a competitor, and the words that name it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entity:
    """A brand or a competitor.

    `aliases` are other spellings, `domains` are hosts such as `holded.com`, `exclude` are phrases that contain a name
    and mean something else. Names of a `case_sensitive` entity match only in the given case; its domains and exclude
    phrases ignore case as everyone's do. Raises ValueError for a name that is empty or an entry that is not text.
    """

    name: str
    aliases: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    case_sensitive: bool = False

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or not name.strip():
            raise ValueError("an entity needs a name")
        object.__setattr__(self, "name", self.name.strip())
        for field in ("aliases", "domains", "exclude"):
            object.__setattr__(self, field, clean_entries(field, getattr(self, field)))

    @property
    def spellings(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.aliases)

    @property
    def single_letters(self) -> tuple[str, ...]:
        """Spellings of one character that ordinary text is full of: a digit, or a letter in any case."""
        if self.case_sensitive:
            return ()
        return tuple(
            text for text in self.spellings if len(text) == 1 and (text.lower() != text.upper() or not text.isalpha())
        )


def clean_entries(field: str, entries: Iterable[str] | None) -> tuple[str, ...]:
    """The entries stripped, without blanks and repetitions, in their order."""
    if entries is None:
        return ()
    if isinstance(entries, str):
        raise ValueError(f"{field} is a list of texts, not one text")
    found = list(entries)
    if not all(isinstance(entry, str) for entry in found):
        raise ValueError(f"every entry of {field} is a text")
    return tuple(dict.fromkeys(entry.strip() for entry in found if entry.strip()))
