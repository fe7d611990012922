"""Notices that must not be told from what goes out in their place: both go through the same motions at the same times.

A provider's time, its trouble and the number of attempts are plain to whoever looks at a history. So every attempt here
takes a fixed span, whatever happens in it, and there are always so many attempts, at fixed distances: each asks for the
next one in the end, whether or not something has gone out, and only the last one answers. What is to be delivered goes
out at the first moment at which it can; the trouble that is left at the end of a span is for the next attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from duologue.activities.channels import TryAgain
from duologue.practice.asks import GAVE_UP, Delivered, Message
from duologue.practice.values import Frozen, Scope

TRIES = 5
"""In one attempt, each after twice the wait of the one before; as many as a channel in trouble is given by itself."""

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)

Send = Callable[[int, timedelta], Awaitable[Delivered]]
"""Tries once: the how manieth time it is, and the time there is for it. Raises where another time may help."""


@dataclass(frozen=True)
class Pace:
    """The motions. Worth changing for tests only: together they outlast an outage of a day."""

    span: timedelta = timedelta(seconds=30)
    """What every attempt takes; less than the server gives it, which is a minute."""
    again: tuple[timedelta, ...] = (_MINUTE, 5 * _MINUTE, 10 * _MINUTE)
    """The waits between them."""
    later: tuple[timedelta, ...] = (_HOUR, 3 * _HOUR, 8 * _HOUR, 12 * _HOUR)
    """And those that follow where nobody else has a turn after this one."""
    grace: timedelta = timedelta(seconds=2)
    """How long an attempt goes on once the worker is about to stop: what is being sent may yet get through."""


class Progress(Frozen):
    """What an attempt leaves to the next one."""

    attempts: int = 0
    answer: Delivered | None = None

    @property
    def scope(self) -> Scope:
        """It tells whether there was trouble."""
        return "safeguarding"


class OnceMore(ApplicationError):
    """How every attempt but the last one ends. It is no failure, and is not logged as one."""

    def __init__(self, after: timedelta) -> None:
        super().__init__(
            "as often as any notice is tried",
            type="OnceMore",
            next_retry_delay=after,
            category=ApplicationErrorCategory.BENIGN,
        )


def so_far() -> Progress:
    """What the attempts before this one have come to."""
    info = activity.info()
    if not info.heartbeat_details:
        # A worker died before it could say: as many have been made as there were, and to send it again is harmless.
        return Progress(attempts=info.attempt - 1)
    return Progress.model_validate(info.heartbeat_details[0])


async def discreetly(message: Message, send: Send, pace: Pace | None = None) -> Delivered:
    """One attempt at a message that is `discreet`: a notice to safeguarding, or what may be padding.

    The answer of `send`, after the last attempt; before that it raises `OnceMore`. A platform that delivers by itself
    uses it for both kinds, with a `send` that does nothing for padding and answers as usual.
    """
    pace = pace or Pace()
    before = so_far()
    waits = pace.again + (() if _has_followers(message) else pace.later)
    answer, found = before.answer, Delivered(key=message.key, outcome="undeliverable", reason=GAVE_UP)
    trying = asyncio.ensure_future(_tried(send, before.attempts * TRIES, pace.span, found, unless=answer))
    interrupted = await _passed(pace, trying)
    if answer is None and not trying.cancelled():
        found = trying.result()
        answer = found if found.outcome == "delivered" else None
    if before.attempts < len(waits) or interrupted:
        activity.heartbeat(Progress(attempts=before.attempts + 1, answer=answer))
        raise OnceMore(timedelta(0) if interrupted else waits[before.attempts])
    return answer or found


def _has_followers(message: Message) -> bool:
    """Whether somebody else is told after this one, so that it need not be tried for long."""
    return message.to == "safeguarding" and message.until is None


async def _tried(
    send: Send, tried: int, span: timedelta, found: Delivered, *, unless: Delivered | None
) -> Delivered:
    """What became of it within `span`, after so many tries before. Raises nothing: how it failed would show."""
    if unless is not None:
        return unless
    clock = asyncio.get_running_loop()
    ends, wait = clock.time() + span.total_seconds() * 0.95, span.total_seconds() / 2**TRIES
    for number in range(1, TRIES + 1):
        left = ends - clock.time()
        try:
            async with asyncio.timeout(left):
                return await send(tried + number, timedelta(seconds=left))
        except TryAgain as trouble:
            asked_for = (trouble.next_retry_delay or timedelta(0)).total_seconds()
        except Exception:  # noqa: BLE001 - whatever it is, it must not show; the next try may do better
            asked_for = 0.0
        pause = max(wait * 2**number, asked_for)
        if clock.time() + pause >= ends:
            break
        await asyncio.sleep(pause)
    return found


async def _passed(pace: Pace, trying: asyncio.Future[Delivered]) -> bool:
    """Wait for the span to end, whatever has become of trying by then; True: the worker is about to stop.

    Then it ends before, and the rest is for another one: after as long in any case, since who stops a worker sees that.
    """
    stopping = asyncio.ensure_future(activity.wait_for_worker_shutdown())
    try:
        await asyncio.wait({stopping}, timeout=pace.span.total_seconds())
        if interrupted := activity.is_worker_shutdown():
            await asyncio.sleep(pace.grace.total_seconds())
    finally:
        stopping.cancel()
        trying.cancel()
        await asyncio.wait({trying})
    return interrupted
