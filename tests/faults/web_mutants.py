"""Walls between the users of the web service, taken away one by one; each has its proof."""

from __future__ import annotations

from typing import Final

from tests.faults.mutant import PACKAGE, Edit, Mutant

WEB: Final = "tests/integration/web/"
WEB_GUARD: Final = PACKAGE + "web/guard.py"
ACCESS_SQL: Final = PACKAGE + "db/sql/access.sql"

WEB_MUTANTS: Final = (
    Mutant(
        "route-without-guard",
        WEB + "test_isolation.py::test_every_route_has_the_guard_and_its_scopes",
        (
            Edit(
                WEB_GUARD,
                "    return Security(PROJECT_CALLER, scopes=scopes)",
                "    return Security(unguarded, scopes=scopes)\n\n\n"
                "def unguarded(project_id: ProjectId, caller: Annotated[Caller, Security(identify)]) -> Any:\n"
                "    return enter(caller, project_id, ())",
            ),
        ),
    ),
    Mutant(
        "project-not-checked",
        WEB + "test_isolation.py::test_a_foreign_project_is_a_missing_one",
        (
            Edit(
                WEB_GUARD,
                "roles.role_of(caller.app.db, project_id, caller.user_id) "
                "if caller.token.reaches(project_id) else None",
                'roles.ProjectRole("owner", False)',
            ),
        ),
    ),
    Mutant(
        "narrowing-not-checked",
        WEB + "test_isolation.py::test_a_foreign_project_is_a_missing_one",
        (Edit(WEB_GUARD, " if caller.token.reaches(project_id) else None", ""),),
    ),
    Mutant(
        "scope-not-checked",
        WEB + "test_isolation.py::test_each_operation_needs_its_scopes",
        (Edit(WEB_GUARD, "    if missing:\n", "    if False:\n"),),
    ),
    Mutant(
        "viewer-not-checked",
        WEB + "test_isolation.py::test_a_viewer_sees_and_changes_nothing",
        (Edit(WEB_GUARD, ' or (found.role == "viewer" and WRITES.intersection(scopes))', ""),),
    ),
    Mutant(
        "token-never-ends",
        WEB + "test_isolation.py::test_without_a_valid_token_nothing_is_told_or_done",
        (Edit(ACCESS_SQL, " AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now());", ";"),),
    ),
    Mutant(
        "any-token-is-valid",
        WEB + "test_contract.py::test_a_request_without_a_valid_token_is_refused",
        (
            Edit(
                WEB_GUARD,
                '        service.unknown_token_rate.take(client)\n        raise Problem("unauthenticated")\n',
                "        token = tokens.tokens_of(service.db)[0]\n",
            ),
        ),
    ),
    Mutant(
        "list-without-its-user",
        WEB + "test_walls.py::test_a_canary_of_one_user_shows_to_no_other",
        (Edit(ACCESS_SQL, "WHERE (p.user_id = %(user_id)s\n", "WHERE (TRUE\n"),),
    ),
    Mutant(
        "row-security-off",
        WEB + "test_wall.py::test_without_the_guard_the_wall_stands",
        (Edit(PACKAGE + "db/web_grants.sql", "ENABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"),),
    ),
    Mutant(
        "if-match-not-checked",
        WEB + "test_prompts.py::test_a_prompt_is_changed_by_those_who_saw_it",
        (Edit(PACKAGE + "web/conditional.py", "    if given and not is_listed(", "    if False and not is_listed("),),
    ),
    Mutant(
        "order-of-a-paused-project-begun-again",
        WEB + "test_order_kills.py::test_what_changes_while_an_order_waits_ends_it",
        (Edit(PACKAGE + "runs/order_service.py", "    orders.cancel_unaskable(app.db)\n", ""),),
    ),
    Mutant(
        "export-ends-cleanly-after-an-error",
        WEB + "test_exports.py::test_an_export_that_fails_midway_is_seen_as_cut",
        (
            Edit(
                PACKAGE + "web/streaming.py",
                "            with anyio.fail_after(LONGEST_SECONDS):\n"
                "                await super().__call__(scope, receive, send)\n",
                "            await super().__call__(scope, receive, send)\n"
                "        except Exception:\n"
                '            await send({"type": "http.response.body", "body": b"", "more_body": False})\n',
            ),
        ),
    ),
    Mutant(
        "reanalysis-forgets-names-that-change-meanwhile",
        "tests/integration/test_reanalysis_jobs.py::test_names_that_change_meanwhile_are_those_of_the_result",
        (
            Edit(
                PACKAGE + "answers/reanalysis_jobs.py",
                "        if errors.found or is_present(db, plan):\n",
                "        if plan.days:\n",
            ),
        ),
    ),
    Mutant(
        "readings-of-others-are-written",
        "tests/integration/test_reanalysis_jobs.py::test_another_user_neither_sees_nor_places_nor_writes",
        (
            Edit(
                PACKAGE + "db/web_grants.sql",
                "('llm_monitoring_results', seen_project, own_project)",
                "('llm_monitoring_results', 'TRUE', 'TRUE')",
            ),
        ),
    ),
    Mutant(
        "two-lengths-are-taken",
        WEB + "test_connections.py::test_a_body_with_two_lengths_is_refused",
        (
            Edit(
                PACKAGE + "web/boundary.py",
                'if "content-length" in headers and "transfer-encoding" in headers:',
                "if False:",
            ),
        ),
    ),
    Mutant(
        "silent-connections-crowd-out-others",
        WEB + "test_connections.py::test_many_of_them_leave_room",
        (
            Edit(
                PACKAGE + "web/connections.py",
                "    if len(there) >= MOST_UNHURRIED and waiting:\n",
                "    if not there:\n",
            ),
        ),
    ),
    Mutant(
        "one-user-takes-every-thread",
        WEB + "test_measuring.py::test_one_user_leaves_threads_to_others",
        (
            Edit(
                PACKAGE + "web/stored_figures.py",
                '        with WAITING.held(getattr(db, "user_id", None)):\n',
                "        if wanted:\n",
            ),
        ),
    ),
    Mutant(
        "look-alike-address-signs-in",
        WEB + "test_oidc.py::test_an_address_that_only_looks_alike_signs_no_one_in",
        (
            Edit(
                PACKAGE + "db/sql/people.sql",
                'pg_catalog.lower(u.email::text COLLATE "C") = pg_catalog.lower(%(email)s::text COLLATE "C")',
                "pg_catalog.lower(u.email::text) = pg_catalog.lower(%(email)s::text)",
            ),
        ),
    ),
    Mutant(
        "viewer-by-own-hand",
        WEB + "test_wall_of_people.py::test_who_was_invited_becomes_a_viewer_within_the_wall",
        (
            Edit(
                PACKAGE + "db/web_grants.sql",
                "                || ' AND EXISTS (SELECT FROM llm_viewer_invitations i"
                " WHERE i.project_id = llm_project_viewers.project_id))'),",
                "                || ')'),",
            ),
        ),
    ),
    Mutant(
        "host-accepts-invitations",
        WEB + "test_people_pages.py::test_an_invitation_holds_for_who_gets_the_address_later",
        (Edit(PACKAGE + "access/sessions.py", '        if method != "hand_off":', "        if method:"),),
    ),
    Mutant(
        "who-invites-learns-who-has-an-account",
        WEB + "test_people_pages.py::test_an_owner_does_not_learn_who_has_an_account",
        (Edit(PACKAGE + "access/people.py", "object_id=email)\n        elif", "object_id=project_id)\n        elif"),),
    ),
)
