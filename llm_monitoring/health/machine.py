"""Checks of the disk, the time zone, the notifications and the settings of Railway."""

from __future__ import annotations

import json
import logging
import os
import runpy
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from llm_monitoring.errors import ConfigurationError
from llm_monitoring.health.check_result import CheckResult, green, red, yellow
from llm_monitoring.process import location
from llm_monitoring.settings import Settings, unknown_variables

GIB: Final = 2**30
LITTLE_GIB, ALMOST_NONE_GIB = 2.0, 0.5
NEEDED_ON_RAILWAY: Final = ("DATABASE_URL", "LLM_KEYS_ENCRYPTION_KEY")


def disk(settings: Settings) -> Iterator[CheckResult]:
    """The free space of the embedded database, if that is in use."""
    if not settings.may_embed_database:
        return
    from llm_monitoring.db.data_directory import own_data_directory

    try:
        data = own_data_directory(settings.data_dir)
    except ConfigurationError as exc:
        yield red("disk", str(exc), "set DATABASE_URL, or LLM_DATA_DIR to a directory that this account may write")
        return
    place = next(folder for folder in (data, *data.parents) if folder.exists())
    free = shutil.disk_usage(place).free / GIB
    message = f"{free:.1f} GiB free for the embedded database in {data}"
    if free < ALMOST_NONE_GIB:
        yield red("disk", message, "free some space, or set LLM_DATA_DIR to a larger disk, before answers are lost")
    elif free < LITTLE_GIB:
        yield yellow("disk", message, "free some space, or set LLM_DATA_DIR to a larger disk")
    else:
        yield green("disk", message)


def reports(settings: Settings) -> Iterator[CheckResult]:
    """Whether the daily run can write its reports; nothing is written."""
    folder = settings.report_dir
    if folder is None:
        return
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        yield green("reports", f"each daily run writes them into {folder}")
    else:
        fix = "set LLM_REPORT_DIR to a folder that the daily job's user may write, or give that user the right"
        yield red("reports", f"LLM_REPORT_DIR is {folder}, and nothing can be written into {place}", fix)


def unknown_settings() -> Iterator[CheckResult]:
    """The variables that look like settings and are not."""
    for name, nearest in unknown_variables().items():
        listing = "remove it; `python -m llm_monitoring.settings` lists the settings"
        fix = f"rename it to {nearest}, or remove it" if nearest else listing
        yield yellow("settings", f"{name} is no setting and changes nothing", fix)


def notifications(settings: Settings) -> Iterator[CheckResult]:
    """Whether Apprise can read the targets; nothing is sent."""
    if not settings.notify_urls:
        yield green("notifications", "off: LLM_NOTIFY_URLS is not set, so problems are not reported")
        return
    import apprise

    from llm_monitoring.notify.outbox import targets

    with without_log("apprise"):  # its lines quote the address
        plugins = [
            (target, apprise.Apprise.instantiate(target.url.reveal(), suppress_exceptions=True))
            for target in targets(settings)
        ]
    for target, plugin in plugins:
        if plugin is None:
            yield red(
                "notifications",
                f"{target.name} is no address that Apprise knows",
                "correct it in LLM_NOTIFY_URLS: https://appriseit.com",
            )
        else:
            yield green("notifications", f"{target.name} can be read (nothing was sent)")


@contextmanager
def without_log(name: str) -> Iterator[None]:
    """Disable a logger for the block alone."""
    log = logging.getLogger(name)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def railway(settings: Settings) -> Iterator[CheckResult]:
    """The schedules of this checkout for Railway and, on Railway, the variables that it needs."""
    root = location.checkout()
    if root is None:
        yield green("railway.json", "not looked at: the package is installed, and its repository is elsewhere")
    else:
        yield from railway_files(root)
    if settings.on_railway:
        yield from railway_variables(settings)


def railway_files(root: Path) -> Iterator[CheckResult]:
    """Whether railway.json lists the schedules, and .railway/railway.py has the same."""
    listed = read_railway_json(root)
    if isinstance(listed, CheckResult):
        yield listed
        return
    yield from railway_json(listed, root)
    yield from railway_code(listed, root)


def read_railway_json(root: Path) -> dict[str, Any] | CheckResult:
    try:
        found = json.loads((root / "railway.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        return red("railway.json", f"cannot be read: {exc}", "restore it from the repository: it holds the schedules")
    wrong = red("railway.json", "has no list of schedules", "give it `crons`: objects with `command` and `schedule`")
    crons = found.get("crons") if isinstance(found, dict) else None
    entries = isinstance(crons, list) and all(
        isinstance(each, dict) and {"command", "schedule"} <= set(each) for each in crons
    )
    return found if crons and entries else wrong


def railway_json(listed: Mapping[str, Any], root: Path) -> Iterator[CheckResult]:
    deploy = listed.get("deploy", {})
    missing = [each["command"] for each in listed["crons"] if not (root / each["command"].split()[-1]).is_file()]
    if missing:
        yield red("railway.json", f"starts what is not there: {', '.join(missing)}", "correct `crons`")
    policy = deploy.get("restartPolicyType")
    if policy != "NEVER":
        yield red(
            "restart policy",
            f"is {policy}: a failing run would start again and pay up to ten times more",
            'set "restartPolicyType": "NEVER" under `deploy` in railway.json',
        )
    shared = sorted({"startCommand", "cronSchedule"} & set(deploy))
    if shared:
        yield red(
            "railway.json",
            f"`deploy` sets {', '.join(shared)}, which every service would take",
            "remove it: each service has its own",
        )
    if not missing and not shared and policy == "NEVER":
        plan = ", ".join(f"{each['command'].split()[-1]} at {each['schedule']}" for each in listed["crons"])
        yield green("railway.json", f"lists for .railway/railway.py: {plan} (UTC); no restarts")


def railway_code(listed: Mapping[str, Any], root: Path) -> Iterator[CheckResult]:
    """Whether .railway/railway.py, the only file that Railway reads, has the same schedules as railway.json."""
    code = root / ".railway" / "railway.py"
    if not code.is_file():
        yield red(
            ".railway",
            "railway.py is missing: Railway reads no schedule from railway.json",
            "restore it from the repository, then `railway config plan` and `railway config apply`",
        )
    elif find_spec("railway_sdk") is None:
        yield green(".railway", "railway.py is there; not compared, as railway-sdk is not installed here")
    else:
        yield compare(listed, runpy.run_path(str(code))["main"]().to_graph()["resources"])


def compare(listed: Mapping[str, Any], resources: list[dict[str, Any]]) -> CheckResult:
    wanted = sorted((each["command"], each["schedule"], "NEVER") for each in listed["crons"])
    collecting = listed.get("collect", {})
    optional = (collecting.get("command"), collecting.get("schedule"), "NEVER")
    deploys = [each["deploy"] for each in resources if each.get("type") == "service"]
    found = sorted(
        tuple(str(deploy.get(name)) for name in ("startCommand", "cronSchedule", "restartPolicyType"))
        for deploy in deploys
        if deploy.get("cronSchedule")
    )
    if wanted in (found, [each for each in found if each != optional]):
        return green(".railway", f"{len(found)} services, as railway.json has them; apply with `railway config apply`")
    return red(".railway", f"describes {found}, railway.json {wanted}", "make .railway/railway.py read railway.json")


def railway_variables(settings: Settings) -> Iterator[CheckResult]:
    given = (settings.database_url, settings.keys_encryption_key)
    missing = [name for name, value in zip(NEEDED_ON_RAILWAY, given, strict=True) if value is None]
    for name in missing:
        yield red("variables", f"{name} is not set on Railway", f"`railway variable set {name}=…` in every service")
    if not missing:
        yield green("variables", f"{' and '.join(NEEDED_ON_RAILWAY)} are set")
