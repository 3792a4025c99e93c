"""Projects: brands, competitors, prompts and their users."""

from __future__ import annotations

from llm_monitoring.projects.competitors import (
    add_competitor,
    add_new_competitors,
    edit_competitor,
    find_competitor,
    new_competitors,
    remove_competitor,
)
from llm_monitoring.projects.definition import (
    NewProject,
    NewPrompt,
    Project,
    UnreadableProject,
    edited_entity,
    enabled_providers,
    make_entity,
    read_entity,
    read_project,
    write_entity,
)
from llm_monitoring.projects.locale_codes import country_problem, language_problem
from llm_monitoring.projects.prompt_tags import MOST_TAGS, clean_tag, clean_tags, set_tags, tag_prompts, tags_of
from llm_monitoring.projects.prompts import (
    add_all_prompts,
    add_prompts,
    edit_prompt,
    find_prompt,
    list_prompts,
    match_known,
    removable_prompts,
    remove_prompts,
    set_prompts_active,
)
from llm_monitoring.projects.sites import site_problem
from llm_monitoring.projects.store import (
    active,
    add,
    change,
    existing,
    find,
    holdings,
    mark_analysed,
    overview,
    remove,
    set_active,
)
from llm_monitoring.projects.tracked import TrackedProject
from llm_monitoring.projects.users import add_user, change_address, find_user, list_users, remove_user, user_holdings
from llm_monitoring.projects.validation import check_prompt, problems

__all__ = [
    "MOST_TAGS",
    "NewProject",
    "NewPrompt",
    "Project",
    "TrackedProject",
    "UnreadableProject",
    "active",
    "add",
    "add_all_prompts",
    "add_competitor",
    "add_new_competitors",
    "add_prompts",
    "add_user",
    "change",
    "change_address",
    "check_prompt",
    "clean_tag",
    "clean_tags",
    "country_problem",
    "edit_competitor",
    "edit_prompt",
    "edited_entity",
    "enabled_providers",
    "existing",
    "find",
    "find_competitor",
    "find_prompt",
    "find_user",
    "holdings",
    "language_problem",
    "list_prompts",
    "list_users",
    "make_entity",
    "mark_analysed",
    "match_known",
    "new_competitors",
    "overview",
    "problems",
    "read_entity",
    "read_project",
    "removable_prompts",
    "remove",
    "remove_competitor",
    "remove_prompts",
    "remove_user",
    "set_active",
    "set_prompts_active",
    "set_tags",
    "site_problem",
    "tag_prompts",
    "tags_of",
    "user_holdings",
    "write_entity",
]
