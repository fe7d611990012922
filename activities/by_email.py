"""The channel `email`: a message by SMTP, with the session's calendar entry where there is one.

How a letter looks and how a mail server's answers are understood. Its answers stay here: they quote addresses.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Literal

import aiosmtplib

from duologue.activities.channels import TryAgain, Undeliverable
from duologue.activities.hush import hushed
from duologue.activities.invitation import invitation
from duologue.practice.asks import Message
from duologue.practice.texts import MessageText
from duologue.vault import Contact

_FOR_GOOD = 500
"""From here on, a mail server's code means "never"; below, "not now"."""


@dataclass(frozen=True)
class MailServer:
    """Where and how mail is handed in. `starttls` and `tls` never fall back to a connection in the clear."""

    host: str
    sender: str
    """Whom a letter is from: `someone@example.org` or `Name <someone@example.org>`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    port: int | None = None
    """None: 587, 465 or 25, as `security` has it."""
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: timedelta = timedelta(seconds=15)
    trust: ssl.SSLContext | None = None
    """None: the certificates that this machine trusts."""

    @property
    def address(self) -> str:
        """The sender's bare address."""
        return parseaddr(self.sender)[1]

    @property
    def domain(self) -> str:
        """The sender's domain: by it we greet, since a machine's own name is nobody's business."""
        return self.address.rpartition("@")[2]


class EmailChannel:
    """Delivers by e-mail. All attempts at one message carry one Message-ID and the very same bytes."""

    name = "email"

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        """Hands the letter to the mail server."""
        server = self._server
        with hushed():
            failure = await _hand_in(letter(message, text, to, server), to, server)
        if failure is not None:
            raise failure


def letter(message: Message, text: MessageText, to: Contact, server: MailServer) -> EmailMessage:
    """The message as an e-mail."""
    digest = hashlib.sha256(message.key.encode()).hexdigest()[:32]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = server.sender
    mail["To"] = to.address
    mail["Subject"] = text.subject
    if message.at is not None:
        mail["Date"] = format_datetime(message.at)
    # Made from the key, so that whoever gets a letter twice can tell; hashed, since letters pass through many hands.
    mail["Message-ID"] = f"<{digest}@{server.domain}>"
    mail["Idempotency-Key"] = digest
    # Answering machines stay silent, and lists do not take it for a person's letter.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text.body + "\n", cte="quoted-printable")
    entry = invitation(message, organizer=f"mailto:{server.address}", attendee=f"mailto:{to.address}")
    if entry is not None:
        params = {"method": entry.method, "name": "dialogue.ics"}
        mail.add_alternative(entry.ics, subtype="calendar", cte="base64", params=params)
        mail.set_boundary(digest)
    # Last, since setting the content clears headers of this kind.
    mail["Content-Language"] = message.language
    return mail


async def _hand_in(mail: EmailMessage, to: Contact, server: MailServer) -> Undeliverable | TryAgain | None:
    """Send it; what went wrong comes back in our words, since the server's own quote addresses."""
    try:
        await aiosmtplib.send(
            mail,
            sender=server.address,
            recipients=[to.address],
            hostname=server.host,
            port=server.port,
            local_hostname=server.domain,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=server.trust,
            timeout=server.timeout.total_seconds(),
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        return _refused(max(refusal.code for refusal in error.recipients))
    except (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError) as error:
        return _refused(error.code)
    except (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPHeloError):
        # Ours to repair: the message must not be lost for it.
        return TryAgain(trouble="not_admitted")
    except aiosmtplib.SMTPNotSupported:
        # An address beyond ASCII, at a server that knows none.
        return Undeliverable("bad_address")
    except TimeoutError:
        return TryAgain(trouble="timeout")
    except OSError:
        return TryAgain(trouble="unreachable")
    except aiosmtplib.SMTPException:
        return TryAgain()
    return None


def _refused(code: int) -> Undeliverable | TryAgain:
    """What a refusal of the recipient or of the letter means."""
    return Undeliverable("refused") if code >= _FOR_GOOD else TryAgain(trouble="busy")
