"""A real mail server in the tests' own loop: it keeps what it is given, or refuses as it is told, quoting the address.

Certificates come from an authority of its own (`authority`). What is proved with it is in the tests.
"""

import asyncio
import email
import email.policy
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from ical.calendar import Calendar
from ical.calendar_stream import IcsCalendarStream

USER, PASSWORD = "duologue", "hunter2-canary"

authority = trustme.CA()


def trusting() -> ssl.SSLContext:
    """What a client needs to trust the server."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@dataclass
class Mailbox:
    """What arrived, and what is to happen to what comes."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    refuse_recipient: str = ""
    """An answer such as `550 5.1.1`; the address is added."""
    refuse_letter: str = ""
    tls: list[bool] = field(default_factory=list)
    """For each letter, whether it came over TLS."""
    users: list[str] = field(default_factory=list)

    def to(self, address: str) -> list[EmailMessage]:
        """The letters to an address, in the order of arrival."""
        return [letter for letter in self.letters if letter["To"] == address]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Takes or refuses a recipient."""
        if self.refuse_recipient:
            return f"{self.refuse_recipient} <{address}> is no mailbox of ours"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Takes or refuses a letter."""
        if self.refuse_letter:
            return f"{self.refuse_letter} {', '.join(envelope.rcpt_tos)} does not want this"
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        assert envelope.rcpt_tos == [letter["To"]]
        self.letters.append(letter)
        assert server.transport is not None
        self.tls.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"

    def login(self, server: SMTP, session: Session, envelope: Envelope, how: str, given: Any) -> AuthResult:
        """Admits `USER` by `PASSWORD`."""
        assert isinstance(given, LoginPassword)
        self.users.append(given.login.decode())
        admitted = given == LoginPassword(USER.encode(), PASSWORD.encode())
        # `handled` would mean that the answer has been given already.
        return AuthResult(success=admitted, handled=admitted)


def words(letter: EmailMessage) -> str:
    """What the recipient reads."""
    body = letter.get_body(("plain",))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content


def calendar_of(letter: EmailMessage) -> Calendar | None:
    """The calendar entry that came along, as another library reads it."""
    parts = [part for part in letter.walk() if part.get_content_type() == "text/calendar"]
    if not parts:
        return None
    [part] = parts
    calendar = IcsCalendarStream.calendar_from_ics(part.get_content())
    assert part.get_param("method") == calendar.method
    return calendar


@asynccontextmanager
async def mail_server(
    *, starttls: bool = False, tls: bool = False, login: bool = False
) -> AsyncIterator[Mailbox]:
    """A mail server on a free port of the loopback address."""
    box = Mailbox()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if starttls or tls else None
    if context is not None:
        authority.issue_cert("localhost").configure_cert(context)
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            # It knows TLS from the first byte on only as no TLS.
            warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
            return SMTP(
                box,
                hostname="localhost",
                loop=loop,
                tls_context=context if starttls else None,
                require_starttls=starttls,
                auth_required=login,
                authenticator=box.login,
                auth_require_tls=not tls,
            )

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if tls else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
