"""Sends sign-in links by mail, one after the other and apart from the requests that ask for them.

A request only leaves the address here, so that its answer and the time that it takes are the same for every address.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import BoundedSemaphore
from typing import Final

from llm_monitoring.access import roles, sign_ins
from llm_monitoring.access.audit import Actor
from llm_monitoring.access.sign_ins import LINK_MINUTES, MOST_OPEN_LINKS
from llm_monitoring.db import UserDatabase
from llm_monitoring.errors import MonitoringError
from llm_monitoring.notify.delivery import Message, send
from llm_monitoring.notify.mail import can_mail, mail_target
from llm_monitoring.web.context import Service
from llm_monitoring.web.pages.words import page_words

log = logging.getLogger(__name__)

MOST_WAITING: Final = 100


@contextmanager
def sending() -> Iterator[LinkSender]:
    """What sends links, as long as the server runs."""
    sender = LinkSender()
    try:
        yield sender
    finally:
        sender.close()


def can_send(service: Service) -> bool:
    """Whether there is a mail server, and an address that links begin with."""
    return service.address is not None and can_mail(service.settings)


class LinkSender:
    """A thread that makes and sends the links that were asked for."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="sign-in-links")
        self.places = BoundedSemaphore(MOST_WAITING)

    def ask(self, service: Service, email: str, language: str, query: str = "") -> None:
        """Leave an address; beyond MOST_WAITING it is dropped, and its person asks again."""
        if self.places.acquire(blocking=False):
            self.submit(partial(deliver, service, email, language, query))
        else:
            log.warning("⚠️ Demasiados enlaces de acceso pedidos a la vez", extra={"event": "web.links_full"})

    def invite(self, service: Service, invitation: Invitation, language: str) -> None:
        """Let the user of an address see a project at once, if there is one, and send a link.

        Whoever invites cannot tell by the answer or its time whether there is one. Dropped beyond MOST_WAITING: the
        invitation is stored, and holds from the next sign-in on.
        """
        if self.places.acquire(blocking=False):
            self.submit(partial(admit, service, invitation, language))

    def submit(self, work: Callable[[], None]) -> None:
        """Do `work` after what waits; the caller has taken its place."""
        self.thread.submit(work).add_done_callback(self.finish)

    def finish(self, done: Future[None]) -> None:
        """Free the place of what is done or dropped, and log why it failed; what comes after it is not kept back."""
        self.places.release()
        error = None if done.cancelled() else done.exception()
        fields = {"event": "web.link_not_sent"}
        if isinstance(error, MonitoringError):
            log.warning("⚠️ No se pudo enviar un enlace de acceso: %s", error, extra=fields)
        elif error is not None:
            log.error("❌ No se pudo enviar un enlace de acceso", exc_info=error, extra=fields)

    def close(self) -> None:
        """Drop what waits and let the mail that is being sent end."""
        self.thread.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An address that was invited to a project, by a session of its owner."""

    project_id: int
    email: str
    session_id: int | None


def admit(service: Service, invitation: Invitation, language: str) -> None:
    """Let the user of an invited address see the project and ask for links, and send one; a stranger gets nothing."""
    person = sign_ins.person_of_address(service.db, invitation.email)
    if person is None or person.disabled_at is not None:
        return
    own = UserDatabase(service.db, person.id)
    roles.accept_invitations(own, person.id, invitation.project_id)
    if roles.role_of(own, invitation.project_id, person.id) is None:
        return  # it was withdrawn meanwhile
    sign_ins.invite(own, Actor("person", person.id, invitation.session_id))
    if can_send(service):
        deliver(service, person.email, language, "")


def deliver(service: Service, email: str, language: str, query: str) -> None:
    """Send a link to the address of an invited user; any other gets nothing, and nothing says so."""
    person = sign_ins.person_of_address(service.db, email)
    target = mail_target(service.settings, person.email) if person and person.may_ask else None
    if person is None or target is None:
        return
    text = sign_ins.new_link(UserDatabase(service.db, person.id), person.id, most_open=MOST_OPEN_LINKS)
    if text is None:
        return
    words = page_words(language)
    link = f"{service.address}/sign-in/{text.reveal()}{query}"
    lines = (words.say("sign_in.mail_line", minutes=LINK_MINUTES), link, words.say("sign_in.mail_ignore"))
    message = Message(target, words.say("sign_in.mail_title"), lines)
    (result,) = send([message], service.settings.notify_timeout_seconds)
    fields = {"event": "web.link_sent", "user_id": person.id}
    if result.failure is None:
        log.info("📨 Enlace de acceso enviado al usuario #%s", person.id, extra=fields)
    else:
        fields |= {"event": "web.link_not_sent", "reason": result.failure.code}
        log.warning("⚠️ El enlace de acceso del usuario #%s no llegó", person.id, extra=fields)
