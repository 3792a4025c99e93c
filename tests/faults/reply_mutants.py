"""Faults in the reading of replies: what a reply says that it cost."""

from __future__ import annotations

from typing import Final

from tests.faults.mutant import PACKAGE, Edit, Mutant

PARSING: Final = PACKAGE + "providers/parsing.py"
GOOGLE: Final = PACKAGE + "providers/google_wire.py"
FLAWED: Final = "tests/providers/test_flawed_replies.py::"
USAGE: Final = "tests/providers/test_unusual_usage.py::"

REPLY_MUTANTS: Final = (
    Mutant(
        "queries-that-differ-in-case-are-one",
        USAGE + "test_google_bills_unique_queries",
        (
            Edit(
                GOOGLE,
                "dict.fromkeys(each for each in given if isinstance(each, str))",
                "dict.fromkeys(each.casefold().strip() for each in given if isinstance(each, str))",
            ),
        ),
    ),
    Mutant(
        "unusable-count-is-small",
        FLAWED + "test_a_count_that_cannot_be_used_is_charged_the_ceiling",
        (
            Edit(
                PARSING,
                '    """Replace NaN and Infinity, which are not JSON."""\n    return Unusable()',
                '    """Replace NaN and Infinity, which are not JSON."""\n    return 1  # type: ignore[return-value]',
            ),
        ),
    ),
    Mutant(
        "whole-reply-without-its-end-is-lost",
        "tests/providers/test_broken_ends.py::test_a_whole_reply_of_a_silent_server_is_kept",
        (Edit(PACKAGE + "providers/bodies.py", "if not holds_object(response, bytes(received)):", "if received:"),),
    ),
    Mutant(
        "unlisted-queries-are-one",
        USAGE + "test_google_pages_without_queries",
        (Edit(GOOGLE, "if (searched or grounded) and not queries:", "if searched and not grounded:"),),
    ),
)
