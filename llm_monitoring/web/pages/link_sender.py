"""Sends sign-in links by mail, one after the other and apart from the requests that ask for them.

A request only leaves the address here, so that its answer and the time that it takes are the same for every address.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from llm_monitoring.access import sign_ins
from llm_monitoring.access.sign_ins import LINK_MINUTES, MOST_OPEN_LINKS
from llm_monitoring.db import Database, UserDatabase
from llm_monitoring.errors import MonitoringError
from llm_monitoring.notify.delivery import Message, send
from llm_monitoring.notify.mail import can_mail, mail_target
from llm_monitoring.settings import Settings
from llm_monitoring.web.context import Service
from llm_monitoring.web.pages.words import page_words

log = logging.getLogger(__name__)

MOST_WAITING: Final = 100


@contextmanager
def sending(service: Service) -> Iterator[LinkSender | None]:
    """What sends the service's links; None without a mail server, or if no link would lead anywhere."""
    if service.address is None or not can_mail(service.settings):
        yield None
        return
    sender = LinkSender(service.db, service.settings, service.address)
    try:
        yield sender
    finally:
        sender.close()


class LinkSender:
    """A thread that makes and sends the links that were asked for; `address` is what they begin with."""

    def __init__(self, db: Database, settings: Settings, address: str) -> None:
        self.db = db
        self.settings = settings
        self.address = address
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="sign-in-links")
        self.places = BoundedSemaphore(MOST_WAITING)

    def ask(self, email: str, language: str, query: str = "") -> Future[None] | None:
        """Leave an address; beyond MOST_WAITING it is dropped, and its person asks again."""
        if not self.places.acquire(blocking=False):
            log.warning("⚠️ Demasiados enlaces de acceso pedidos a la vez", extra={"event": "web.links_full"})
            return None
        return self.thread.submit(self.serve, email, language, query)

    def serve(self, email: str, language: str, query: str) -> None:
        try:
            self.deliver(email, language, query)
        except MonitoringError as exc:
            log.warning("⚠️ No se pudo enviar un enlace de acceso: %s", exc, extra={"event": "web.link_not_sent"})
        finally:
            self.places.release()

    def deliver(self, email: str, language: str, query: str) -> None:
        """Send a link to the address of an invited user; any other gets nothing, and nothing says so."""
        person = sign_ins.person_of_address(self.db, email)
        target = mail_target(self.settings, person.email) if person and person.may_ask else None
        if person is None or target is None:
            return
        text = sign_ins.new_link(UserDatabase(self.db, person.id), person.id, most_open=MOST_OPEN_LINKS)
        if text is None:
            return
        words = page_words(language)
        link = f"{self.address}/sign-in/{text.reveal()}{query}"
        lines = (words.say("sign_in.mail_line", minutes=LINK_MINUTES), link, words.say("sign_in.mail_ignore"))
        (result,) = send(
            [Message(target, words.say("sign_in.mail_title"), lines)], self.settings.notify_timeout_seconds
        )
        fields = {"event": "web.link_sent", "user_id": person.id}
        if result.failure is None:
            log.info("📨 Enlace de acceso enviado al usuario #%s", person.id, extra=fields)
        else:
            fields |= {"event": "web.link_not_sent", "reason": result.failure.code}
            log.warning("⚠️ El enlace de acceso del usuario #%s no llegó", person.id, extra=fields)

    def close(self) -> None:
        """Drop what waits and let the mail that is being sent end."""
        self.thread.shutdown(wait=True, cancel_futures=True)
