"""Edits of users, projects, prompts, names, keys and budgets: each with its record, in one transaction.

The command line, the REST API and the pages make their changes here, so that none is missing in the record of changes.
"""

from __future__ import annotations

from llm_monitoring.edits.accounts import correct_spend, remove_key, rotate_keys, set_limits, set_pacing, store_key
from llm_monitoring.edits.competitors import (
    add_competitor,
    add_new_competitors,
    edit_competitor,
    remove_competitor,
    replace_competitors,
)
from llm_monitoring.edits.names import dismiss_name, restore_name
from llm_monitoring.edits.projects import (
    add_project,
    archive_project,
    change_project,
    project_fields,
    remove_project,
    restore_project,
    set_active,
)
from llm_monitoring.edits.prompts import add_prompts, change_prompts, remove_prompts
from llm_monitoring.edits.records import COMMAND, By, changing
from llm_monitoring.edits.users import add_user, change_address, remove_user

__all__ = [
    "COMMAND",
    "By",
    "add_competitor",
    "add_new_competitors",
    "add_project",
    "add_prompts",
    "add_user",
    "archive_project",
    "change_address",
    "change_project",
    "change_prompts",
    "changing",
    "correct_spend",
    "dismiss_name",
    "edit_competitor",
    "project_fields",
    "remove_competitor",
    "remove_key",
    "remove_project",
    "remove_prompts",
    "remove_user",
    "replace_competitors",
    "restore_name",
    "restore_project",
    "rotate_keys",
    "set_active",
    "set_limits",
    "set_pacing",
    "store_key",
]
