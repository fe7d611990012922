"""The activity `deliver`: one message to one person, by whichever of that person's channels takes it.

Here a message gets its text and its times in the recipient's zone, and what became of it is put into our own words.
Who is told what and when has been decided by then; the way it goes is the post's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from temporalio import activity

from duologue import calendar
from duologue.activities.channels import TryAgain
from duologue.activities.discreet import discreetly, so_far
from duologue.activities.post import Post
from duologue.practice import texts
from duologue.practice.asks import Delivered, Message
from duologue.practice.plan import Person
from duologue.practice.texts import MessageText
from duologue.vault.reading import Keys, told

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The moment it is."""
    return datetime.now(UTC)


async def deliver(message: Message, post: Post, now: Clock = utc_now, keys: Keys | None = None) -> Delivered:
    """Delivers a message, and says what became of it.

    Raises `TryAgain` where another attempt may help, and `OnceMore` where there always is one.
    """
    late, info = timely(message, now()), activity.info()
    if message.at is None:
        # The same at every attempt, so that all of them send the very same bytes.
        message = message.with_(at=info.scheduled_time.astimezone(UTC))

    async def send(attempt: int, within: timedelta) -> Delivered:
        return await _sent(message, post, keys, attempt, within)

    if message.discreet:
        answered = so_far().answer
        return answered or late if late else await discreetly(message, send, post.pace)
    if late is not None:
        return late
    try:
        # What the server gives an attempt, less some for the way there and back.
        return await send(info.attempt, (info.start_to_close_timeout or timedelta(minutes=1)) * 0.9)
    except TryAgain as raised:
        if raised.next_retry_delay is None:
            raise
        asked_for, trouble = raised.next_retry_delay, raised.trouble
    # What a provider asks for replaces the server's growing pauses; less than those would be an attempt a second for as
    # long as the trouble lasts.
    raise TryAgain(max(asked_for, _own_pause(info)), trouble)


def _own_pause(info: activity.Info) -> timedelta:
    """How long the server would wait by itself after this attempt."""
    policy = info.retry_policy
    if policy is None:
        return timedelta(0)
    longest = policy.maximum_interval or 100 * policy.initial_interval
    # Bounded, since a power soon grows beyond what a number can hold; by then the longest has been reached.
    return min(policy.initial_interval * policy.backoff_coefficient ** min(info.attempt - 1, 30), longest)


async def _sent(
    message: Message, post: Post, keys: Keys | None, attempt: int, within: timedelta
) -> Delivered:
    if message.template == texts.PADDING:
        # The same answer as a real message gets, so that its size tells as little as its absence.
        return await post.pretend(message, attempt)
    try:
        text = render(message, await _reason(message, keys))
    except LookupError:
        return Delivered(key=message.key, outcome="undeliverable", reason="no_such_text")
    return await post.deliver(message, text, attempt=attempt, within=within)


async def _reason(message: Message, keys: Keys | None) -> str | None:
    """The reason that comes with a concern, opened for whom it is; None where there is none."""
    if message.to != "safeguarding" or message.words is None or keys is None:
        return None
    return await told(message.words, message.programme, keys) or None


def timely(message: Message, at: datetime) -> Delivered | None:
    """None: an attempt at `at` is in time. Otherwise what has become of the message, which has lost its purpose.

    In the recipient's quiet hours it is held: this raises `TryAgain`, with how long. Should that pass its purpose, it
    is given up, with the reason.
    """
    free = free_from(message, at)
    if message.until is not None and free >= message.until:
        reason = "too_late" if at >= message.until else "quiet_hours"
        return Delivered(key=message.key, outcome="expired", reason=reason)
    if free > at:
        raise TryAgain(free - at, "quiet_hours")
    return None


def free_from(message: Message, at: datetime) -> datetime:
    """When from `at` on a message may reach its recipient.

    It was sent outside of quiet hours. But an attempt may come hours later, after trouble of a provider or of ours.
    """
    if message.quiet is None or (message.free_until is not None and at < message.free_until):
        return at
    where = calendar.zone_of(message.zone, message.home).key
    return calendar.free_from(Person(ref=message.ref, zone=where, quiet=message.quiet), at)


def render(message: Message, reason: str | None = None) -> MessageText:
    """What the recipient reads. Raises `LookupError` for a template that does not exist."""
    text = texts.message(message.template, message.language)
    start = where = None
    if message.start is not None:
        place = calendar.zone_of(message.zone, message.home)
        start, where = texts.moment(message.start.astimezone(place), message.language), place.key
    session = None if message.session is None else str(message.session)
    return text.filled(start=start, zone=where, session=session, programme=message.programme, reason=reason)
