"""The command that helps with an error, by the error's code."""

from __future__ import annotations

from typing import Final

from llm_monitoring.errors import MonitoringError
from llm_monitoring.process.wording import PROGRAM

HINTS: Final = {
    "agency_not_found": "set one with `{program} agency set`",
    "answer_not_found": "see `{program} answers list`",
    "competitor_not_found": "see `{program} competitors list {project_id}`",
    "key_not_found": "see `{program} keys list`",
    "model_not_found": "see `{program} models list`",
    "name_not_found": "see `{program} competitors candidates {project_id}`",
    "note_not_found": "see `{program} notes list {project_id}`",
    "project_not_found": "see `{program} projects list`",
    "prompt_not_found": "see `{program} queries list {project_id}`",
    "run_not_found": "see `{program} runs list`",
    "site_not_found": "see `{program} sources kinds {project_id}`",
    "token_not_found": "see `{program} tokens list`",
    "user_not_found": "see `{program} users list`",
    "certificates_unreadable": "name a file of PEM certificates there, or remove the variable",
    "database_encoding": "create one with TEMPLATE template0 ENCODING 'UTF8', restore a dump of the old one into it, "
    "and give its address as DATABASE_URL",
    "day_ahead": "ask it on that day",
    "day_long_ago": "correct the day, or add `--any-past` if it is meant",
    "calls_open": "let the daily run end, or run `{program} budget audit`, then try again",
    "ids_exhausted": "as the owner of the table, with time, as it is rewritten: ALTER TABLE {table} ALTER COLUMN id "
    "TYPE BIGINT; ALTER SEQUENCE {sequence} AS BIGINT NO MAXVALUE",
    "long_form": "leave out `--long`",
    "key_missing": "store one with `{program} keys set {user_id} {provider}`",
    "mention_filter": "leave out `--mentioned`",
    "one_letter": "`--case-sensitive`",
    "payer_missing": "--user USER, or LLM_OPERATOR_USER_ID in the environment",
    "prompt_asked": "stop asking it with `{program} queries pause {project_id} {prompts}`",
    "rights_missing": "`{program} migrate --print-grants` prints what to grant, as the owner of the tables",
    "sheet_full": "`--format csv`",
    "tables_differ": "compare them with those that `{program} migrate` makes in an empty database",
    "owner_needed": "run `{program} migrate` as the owner of the tables",
    "too_many_stale": "`{program} reanalyse --project {project_id}`, then this again",
    "cap_dated": "set it without --from",
    "dated_price_partial": "--input and --output, or --suggested",
    "model_unapproved": "review it, then `{program} models approve {provider} {model_id}`",
    "model_unpriced": "set them with `{program} models price {provider} {model_id}`",
    "prices_missing": "--input, --output or another price, or --suggested",
    "search_cap_missing": "set one with `{program} models price {provider} {model_id} --max-searches N`",
    "search_price_missing": "set one with `{program} models price {provider} {model_id} --search-fee USD "
    "--reason TEXT` (USD a thousand searches)",
    "suggestion_missing": "give them as options",
    "tiers_stale": "give them again with --tier, or say --no-tiers",
}


def hint(error: MonitoringError) -> str:
    """Return the command to run next; empty if no command helps."""
    return HINTS.get(error.code, "").format(program=PROGRAM, **error.facts)


def explain(error: MonitoringError) -> str:
    """Return the error's message with the command to run next."""
    advice = hint(error)
    return f"{error}: {advice}" if advice else str(error)
