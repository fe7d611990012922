"""The post: which of a person's channels a message goes through, and when another one has its turn.

Order and patience live here. What a channel does is its own matter, and whatever it raises ends here, in our words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import structlog
from temporalio import activity

from duologue.activities.channels import Channel, ConsoleChannel, TryAgain, Undeliverable
from duologue.activities.contacts import Contacts, ContactsError, Everyone
from duologue.activities.discreet import Pace
from duologue.practice.asks import Delivered, Message
from duologue.practice.texts import MessageText
from duologue.vault import Contact

PATIENCE = 5
"""With Temporal's backoff, about half a minute until the next channel is tried."""

_log = structlog.get_logger("duologue.delivery")


class _Nowhere:
    """Stands for a channel that this worker does not have."""

    name = "nowhere"

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        """Nothing can be sent this way."""
        raise Undeliverable("not_set_up")


class Post:
    """A worker's channels, and the contacts that say who is reached by which.

    `patience`: from this attempt on, a channel in trouble is passed over for the person's next one. `timeout`: how
    long one channel may take for one message. `pace`: the motions of what must not be told from padding.
    """

    def __init__(
        self,
        contacts: Contacts,
        channels: Iterable[Channel],
        *,
        patience: int = PATIENCE,
        timeout: timedelta = timedelta(seconds=15),
        pace: Pace | None = None,
    ) -> None:
        self._contacts = contacts
        self._channels = {channel.name: channel for channel in channels}
        self._patience = patience
        self._timeout = timeout
        self.pace = pace or Pace()

    @classmethod
    def through(cls, channel: Channel, pace: Pace | None = None) -> Post:
        """A post that reaches everybody by one channel, which knows by itself who is meant."""
        return cls(Everyone(Contact(channel=channel.name)), [channel], pace=pace)

    async def deliver(
        self, message: Message, text: MessageText, *, attempt: int, within: timedelta
    ) -> Delivered:
        """Try the recipient's channels in their order, and say which one took the message.

        A permanent refusal leads to the next channel at once, trouble only once patience is at its end; before that,
        and when trouble is all there is, it raises `TryAgain`. `within` is the time there is for all of it.
        """
        contacts = await self._reaching(message, attempt)
        span = min(self._timeout, within / max(len(contacts), 1))
        last = Delivered(key=message.key, outcome="undeliverable", reason="no_contact")
        troubles: list[TryAgain] = []
        for contact in contacts:
            failure = await self._send(message, text, contact, span, attempt)
            if failure is None:
                return Delivered(key=message.key, outcome="delivered", channel=contact.channel)
            if isinstance(failure, Undeliverable):
                last = last.with_(channel=contact.channel, reason=failure.reason)
                continue
            troubles.append(failure)
            if attempt < self._patience:
                break
        if troubles:
            after = [t.next_retry_delay for t in troubles if t.next_retry_delay is not None]
            raise TryAgain(min(after, default=None), troubles[-1].trouble)
        return last

    async def pretend(self, message: Message, attempt: int) -> Delivered:
        """What `deliver` would most likely have said, without sending anything."""
        last = Delivered(key=message.key, outcome="undeliverable", reason="no_contact")
        for contact in await self._reaching(message, attempt):
            if contact.channel in self._channels:
                return Delivered(key=message.key, outcome="delivered", channel=contact.channel)
            last = last.with_(channel=contact.channel, reason="not_set_up")
        return last

    async def _reaching(self, message: Message, attempt: int) -> tuple[Contact, ...]:
        """The recipient's contacts. What is discreet is noted in the log before it is tried, whatever it is."""
        contacts = await self._of(message)
        if message.discreet and attempt == 1:
            for channel in {contact.channel for contact in contacts}:
                if isinstance(console := self._channels.get(channel), ConsoleChannel):
                    console.note(message)
        return contacts

    async def _of(self, message: Message) -> tuple[Contact, ...]:
        """The recipient's contacts."""
        try:
            return await self._contacts.of(message.ref, message.programme)
        except ContactsError as error:
            # Says where in the file and what to do, and no more.
            _log.error("contacts unreadable", reason=str(error))
        except Exception as error:  # noqa: BLE001 - a keeper of contacts may quote one
            _log.error("contacts unreadable", error=type(error).__qualname__)
        raise TryAgain(trouble="contacts_unreadable")

    async def _send(
        self, message: Message, text: MessageText, to: Contact, span: timedelta, attempt: int
    ) -> Undeliverable | TryAgain | None:
        """Send by one channel; None: it was taken. The failure is a new one, chained to nothing that was raised."""
        failure: Undeliverable | TryAgain
        error = ""
        channel = self._channels.get(to.channel, _Nowhere())
        try:
            async with asyncio.timeout(span.total_seconds()):
                await channel.send(message, text, to)
        except Undeliverable as raised:
            failure = Undeliverable(raised.reason)
        except TryAgain as raised:
            failure = TryAgain(raised.next_retry_delay, raised.trouble)
        except TimeoutError:
            failure = TryAgain(trouble="timeout")
        except Exception as raised:  # noqa: BLE001 - whatever a channel raises may quote a provider, and an address
            failure, error = TryAgain(), type(raised).__qualname__
        else:
            return None
        if message.discreet:
            # Only what is real can fail, so a line about it would tell which it is.
            return failure
        log = _log.bind(error=error) if error else _log
        log.warning(
            "channel failed",
            channel=to.channel,
            reason=failure.reason if isinstance(failure, Undeliverable) else failure.trouble,
            for_good=isinstance(failure, Undeliverable),
            attempt=attempt,
            **_which(message),
        )
        return failure


def _which(message: Message) -> dict[str, str]:
    """Which message it was, for a log that ops read.

    A key names one of the two, and some messages go only to who was absent or has not answered; a hash of it would be
    guessed at once. So a partner's message is named as the Web UI names it, where keys say who may open it.
    """
    if message.scope == "ops":
        return {"key": message.key}
    return {"programme": message.programme} | (
        {"activity": activity.info().activity_id} if activity.in_activity() else {}
    )
