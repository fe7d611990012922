"""A platform delivers the messages of its couples itself: a worker on a task queue of its own, with one activity.

The programme file says `delivery: {task_queue: platform-messages}`; then run this beside `duologue worker`:

    python examples/delivery/worker.py

It finds Temporal and the service keys as `duologue worker` does, in the same folder or by the same settings.
`worker.ts` is the same in TypeScript.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from duologue.activities import Pace, TryAgain, discreetly, invitation, render, timely
from duologue.codec import connecting
from duologue.practice.asks import Delivered, Message
from duologue.worker.keys import keys_of
from duologue.worker.settings import Settings

TASK_QUEUE = "platform-messages"

PACE = Pace()
if "NOTICE_SPAN" in os.environ:
    # To try things out, without waiting for what a notice and its padding both wait for.
    PACE = Pace(timedelta(seconds=float(os.environ["NOTICE_SPAN"])), again=(), later=())


async def push(ref: str, subject: str, body: str, ics: str | None, *, key: str) -> bool:
    """Stands for the platform's own way to its people; False: it has nobody by that reference."""
    print(f"{key} -> {ref}: {subject}{' (with a calendar entry)' if ics else ''}\n{body}\n")
    return True


@activity.defn(name="deliver")
async def deliver(message: Message) -> Delivered:
    """Deliver one message. It may come again with the same key, when a worker died in between."""
    # It may come late, or in its recipient's quiet hours, when either of us was away: then it is void, or held.
    late = timely(message, datetime.now(UTC))
    if late is not None:
        return late
    if message.discreet:
        # A notice of a concern, or what stands in its place: both take the same time, whatever happens.
        return await discreetly(message, lambda *_: sent(message), PACE)
    return await sent(message)


async def sent(message: Message) -> Delivered:
    """Send it to the one it is for."""
    if message.template == "none":
        # For nobody: it is there so that the absence of a message tells nothing. Answer it as any other.
        return Delivered(key=message.key, outcome="delivered", channel="platform")
    text, entry = render(message), invitation(message)
    try:
        known = await push(
            message.ref, text.subject, text.body, entry.ics if entry else None, key=message.key
        )
    except OSError:
        # Say that it failed and never how: what a provider answers may quote an address, and stays in the history.
        raise TryAgain(trouble="unreachable") from None
    if not known:
        return Delivered(key=message.key, outcome="undeliverable", channel="platform", reason="no_contact")
    return Delivered(key=message.key, outcome="delivered", channel="platform")


async def main() -> None:
    """Deliver until Ctrl-C."""
    settings = Settings.load()
    where = settings.connection()
    # Where there are service keys, messages come encrypted, and what became of them goes back so.
    codec = connecting(keys_of(settings, where["target_host"]))
    client = await Client.connect(**where, **codec, identity="platform")
    async with Worker(client, task_queue=TASK_QUEUE, activities=[deliver]):
        print(f"delivering on {TASK_QUEUE}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
