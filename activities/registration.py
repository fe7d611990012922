"""All activities together, ready to be registered with a worker.

Temporal's decorators and the worker's post meet here; what each activity does is in its own module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import activity

from duologue.activities.channels import Channel, ConsoleChannel
from duologue.activities.deliver import Clock, deliver, utc_now
from duologue.activities.post import Post
from duologue.activities.resolve import resolve
from duologue.practice.asks import DELIVER, RESOLVE, Delivered, Message, Resolution, Resolve
from duologue.vault.reading import Keys


class Activities:
    """The activities, with the post (or the one channel) that messages go through."""

    def __init__(
        self, by: Post | Channel | None = None, now: Clock = utc_now, keys: Keys | None = None
    ) -> None:
        self._post = by if isinstance(by, Post) else Post.through(by or ConsoleChannel())
        self._now = now
        self._keys = keys

    @activity.defn(name=RESOLVE)
    async def resolve(self, ask: Resolve) -> Resolution:
        """Turns wall-clock times into instants."""
        return await resolve(ask)

    @activity.defn(name=DELIVER)
    async def deliver(self, message: Message) -> Delivered:
        """Delivers one message to one person."""
        return await deliver(message, self._post, self._now, self._keys)


def all_activities(by: Post | Channel | None = None, keys: Keys | None = None) -> list[Callable[..., Any]]:
    """What a worker registers. `by` delivers the messages; by default they are written to the log.

    `keys` open the reason of a concern for the safeguarding contact; without them it is not told.
    """
    activities = Activities(by, keys=keys)
    return [activities.resolve, activities.deliver]
