"""Sends what is on standard input: a script of its own, so that whoever starts it can end it at any moment.

A line of JSON comes out for every parcel as soon as its fate is known. It imports nothing of the package, and the
addresses, which hold tokens, are in no argument that other processes could read.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import apprise

STATUS = re.compile(r"error[=: ]+([1-5]\d\d)\b")


def send(parcel: dict[str, Any], timeout: float) -> str | None:
    """Deliver one parcel; return what went wrong, None where nothing did."""
    if "body" not in parcel:
        return call(parcel["url"], timeout)
    sender = apprise.Apprise()
    if not sender.add(parcel["url"]):
        return "no es una dirección que Apprise conozca"
    result = sender.notify(
        title=parcel["title"],
        body=parcel["body"],
        body_format=apprise.NotifyFormat.TEXT,
        attach=parcel["attach"] or None,
        timeout=timeout,
    )
    return None if result else reason(result)


def reason(result: apprise.AppriseResult) -> str:
    """The HTTP status, where there is one: the library's own words may quote an address."""
    for entry in result.logs():
        if status := STATUS.search(str(entry.message)):
            return f"el servicio respondió {status[1]}"
    return "no se pudo entregar"


def call(url: str, timeout: float) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=timeout):  # noqa: S310 - settings take http and https alone
            return None
    except (OSError, ValueError) as exc:
        code = getattr(exc, "code", None)
        return f"el servicio respondió {code}" if code else "no se pudo llamar"


def main() -> None:
    order = json.load(sys.stdin)
    parcels = order["parcels"]
    with ThreadPoolExecutor(len(parcels)) as pool:
        sent = {pool.submit(send, each, order["timeout"]): number for number, each in enumerate(parcels)}
        for future in as_completed(sent):
            print(json.dumps([sent[future], future.result()]), flush=True)


if __name__ == "__main__":
    main()
