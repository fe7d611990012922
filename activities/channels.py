"""How messages reach people: the port that every channel fills, its two ways to fail, and the default, a console.

A channel is given an address, our engine never is. Whatever a provider answers stays inside the channel: out of it
come only the two exceptions below, made of our own words. Which channel is tried when is no matter of a channel.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Protocol, get_args

import structlog
from temporalio.exceptions import ApplicationError

from duologue.practice.asks import Message
from duologue.practice.texts import MessageText
from duologue.vault import Contact

Reason = Literal["no_contact", "no_such_text", "refused", "bad_address", "not_set_up"]
"""Why a message can never arrive: nobody is known under that reference, there is no text of that name, the provider
will not take it for that person, the address is none, or this worker has no such channel."""

Trouble = Literal[
    "unreachable", "timeout", "busy", "not_admitted", "contacts_unreadable", "quiet_hours", "failed"
]
"""Why a message did not go out this time: no connection, no answer in time, the provider asked for patience, it does
not admit us (our password, our sender or our secret), the contacts cannot be read, the recipient's quiet hours have
begun meanwhile, or anything else."""


class Undeliverable(Exception):
    """The message cannot be delivered this way, however often it is tried; another channel may do."""

    def __init__(self, reason: Reason = "refused") -> None:
        if reason not in get_args(Reason):
            # Anything else might be what a provider said, and would stay in a history for ever.
            raise ValueError(f"a reason is one of {', '.join(get_args(Reason))}")
        super().__init__(reason)
        self.reason: Reason = reason


class TryAgain(ApplicationError):
    """Delivery did not work this time. Temporal tries again, after `after` or at its own pace."""

    def __init__(self, after: timedelta | None = None, trouble: Trouble = "failed") -> None:
        if trouble not in get_args(Trouble):
            raise ValueError(f"a trouble is one of {', '.join(get_args(Trouble))}")
        super().__init__(
            f"the message could not be delivered just now: {trouble}", type="TryAgain", next_retry_delay=after
        )
        self.trouble: Trouble = trouble


class Channel(Protocol):
    """A way to reach people."""

    @property
    def name(self) -> str:
        """What contacts call it, and what is recorded of the way a message went: a word of ours, such as `email`."""

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        """Deliver `text`, what the recipient reads, to `to`. `message` says whom and about what.

        Raises `Undeliverable` or `TryAgain`. It may be called again with the same message when a worker died in
        between, so pass `message.key` on to a provider that knows idempotency keys.
        """


class ConsoleChannel:
    """Writes a line a message into the log: for trying things out, and for platforms that read logs."""

    name = "console"

    def __init__(self) -> None:
        self._log = structlog.get_logger("duologue.messages")

    def note(self, message: Message) -> None:
        """Writes that there is something, or nothing in its place: the same line for both, and at the same moment."""
        self._log.info("message", to=message.to, programme=message.programme)

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        """Writes the line, but for what is `discreet`; see `note`."""
        if message.discreet:
            # Others read this log too; they have been told what they may know.
            return
        self._log.info(
            "message",
            to=message.to,
            programme=message.programme,
            template=message.template,
            session=message.session,
            key=message.key,
            subject=text.subject,
            says=" ".join(text.body.splitlines()),
        )
