"""A pause with a concern and one without, as the other partner and as ops see them, with all that ops can look at.

Both are real: a worker with a post whose channel is slow, and in trouble when the concern is to go out; histories as a
server has them; payloads as a codec server of our own shows them to a token for `ops`; the worker's own log.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import structlog
from google.protobuf import json_format
from google.protobuf.message import Message as Proto
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client as TemporalClient

from duologue.activities import Activities, Contact, Everyone, Pace, Post, TryAgain
from duologue.client import Client, Programme
from duologue.codec import KeyRing, Keys
from duologue.practice.asks import Message
from duologue.practice.plan import QuietHours
from duologue.practice.texts import MessageText
from duologue.vault import LocalKeys, Vault
from duologue.worker import codec_server, logs
from duologue.worker.settings import Settings
from tests.support.programmes import (
    a_plan,
    booked,
    client_of,
    enrol,
    history,
    proved,
    until,
    with_codec,
    working,
)
from tests.support.raw import payloads

SECRET = "s" * 40
WAIT = timedelta(seconds=0.2)
PACE = Pace(span=timedelta(seconds=0.4), again=(WAIT,), later=(WAIT,))
WHY = "what frightened me, at length " * 20


class Troubled:
    """A channel that is slow, and at notices in trouble: the first one never goes out, the second after a while."""

    name = "mail"

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self._tried = 0

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        await asyncio.sleep(0.05)
        if message.to == "safeguarding":
            self._tried += 1
            if message.revision == 0 or self._tried % 3:
                raise RuntimeError("550 nobody") if self._tried % 2 else TryAgain(trouble="busy")
        self.told.append((message.template, message.ref))


class Office:
    """The activities as a worker has them."""

    def __init__(self, channel: Troubled, vault: Vault) -> None:
        self._post = Post(Everyone(Contact(channel=channel.name)), [channel], pace=PACE)
        self._vault = vault
        self.at_some_hours: set[QuietHours] = set()

    def activities(self) -> list[Any]:
        here = Activities(self._post, keys=self._vault)
        return [here.resolve, here.deliver]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that this process logs, in the lines that a worker writes."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    yield stream
    root.handlers, root.level = before
    structlog.reset_defaults()


@asynccontextmanager
async def codec_server_for_ops(ring: KeyRing) -> AsyncIterator[Any]:
    """Asks a codec server what payloads say, as the Web UI does for somebody of ops."""
    settings = Settings.load(codec_jwt_secret=SECRET)
    claims = {"sub": "somebody", "exp": time.time() + 600, "duologue_scopes": ["ops"]}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}
    server = codec_server.standing_alone(settings, Keys.of(ring))
    async with server.serving("127.0.0.1", 0) as address, aiohttp.ClientSession(headers=headers) as session:

        async def decoded(given: list[Payload]) -> list[str]:
            asked = json_format.MessageToJson(Payloads(payloads=given))
            async with session.post(f"{address}/decode", data=asked) as answer:
                assert answer.status == 200
                found = json_format.Parse(await answer.text(), Payloads()).payloads
            return [payload.data.decode() for payload in found]

        yield decoded


@dataclass
class Seen:
    """What there is to see of a pause."""

    partner: str = ""
    """The other's view."""
    overview: str = ""
    events: list[Any] = field(default_factory=list)
    """What happened, in order: type, names, and each payload with its place, its size and what it says to ops."""
    activities: list[Any] = field(default_factory=list)
    """What became of each activity, in the order in which they began: the same, with attempts and last failures."""
    durations: list[tuple[int, float]] = field(default_factory=list)
    """How many attempts each notice took, and how long they took together."""
    log: list[Any] = field(default_factory=list)


def timeless(text: str, programme: str) -> str:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}", "ID", text.replace(programme, "ID"))
    return re.sub(r"\d+", "0", text)


async def overview_seen(programme: Programme) -> str:
    overview = await programme.overview()
    paused = next(n for n, entry in enumerate(overview.journal) if entry.what == "PauseBegan")
    # What became of other messages is entered when something else is, and so at any time.
    journal = [e for e in overview.journal[paused:] if e.what != "MessageSettled" or not e.detail]
    rest = overview.with_(journal=()).model_dump_json()
    return timeless(f"{rest} {[(e.what, e.by, e.detail) for e in journal]}", programme.id)


_AN_ACTIVITYS = (
    "activity_task_started",
    "activity_task_completed",
    "activity_task_failed",
    "activity_task_timed_out",
)


_A_MARK = "workflow_properties_modified"
"""Left or not by which answers happen to share a workflow task: by the speed of the machine, whatever the pause."""


async def history_seen(programme: Programme, decoded: Any, seen: Seen) -> None:
    found = [e for e in (await history(programme)).events if "workflow_task" not in _type(e)]
    paused = next(n for n, e in enumerate(found) if "pause" in _names(e))
    outcomes: dict[int, list[Any]] = {}
    scheduled: dict[int, HistoryEvent] = {}
    attempts: dict[int, int] = {}
    for event in found[paused:]:
        placed = list(payloads(event))
        texts = await decoded([payload for _, payload in placed])
        shown = [
            (place, payload.ByteSize(), timeless(text, programme.id))
            for (place, payload), text in zip(placed, texts, strict=True)
        ]
        here = (_type(event), _names(event), shown)
        if _type(event) not in (*_AN_ACTIVITYS, _A_MARK):
            seen.events.append(here)
        if _type(event) == "activity_task_scheduled":
            scheduled[event.event_id], outcomes[event.event_id] = event, []
        elif _type(event) in _AN_ACTIVITYS:
            of = _attributes(event).scheduled_event_id
            if of not in scheduled:
                continue
            outcomes[of].append(here)
            if _type(event) == "activity_task_started":
                attempts[of] = _attributes(event).attempt
            elif attempts[of] > 1:
                seen.durations.append((attempts[of], _time(event) - _time(scheduled[of])))
    seen.activities = [outcomes[number] for number in sorted(outcomes)]


def _type(event: HistoryEvent) -> str:
    return (event.WhichOneof("attributes") or "").removesuffix("_event_attributes")


def _attributes(event: HistoryEvent) -> Any:
    return getattr(event, event.WhichOneof("attributes") or "")


def _time(event: HistoryEvent) -> float:
    return event.event_time.seconds + event.event_time.nanos / 1e9


def _names(message: Proto) -> list[str]:
    """What stands in plain text in an event and is the same for all time: names, attempts, kinds of failures."""
    found: list[str] = []
    for name, value in _leaves(message):
        if name in (
            "name",
            "type",
            "attempt",
            "state",
            "category",
            "maximum_attempts",
            "message",
            "stack_trace",
        ):
            found.append(f"{name}={value}" if name != "name" else str(value))
    return found


def _leaves(message: Proto) -> Iterator[tuple[str, Any]]:
    for descriptor, value in message.ListFields():
        if isinstance(value, Payload | Payloads):
            continue
        several = value if descriptor.is_repeated and not hasattr(value, "items") else [value]
        for each in several:
            if isinstance(each, Proto):
                yield from _leaves(each)
            else:
                yield descriptor.name, each


async def pause_seen(
    client: Client, ring: KeyRing, vault: Vault, logged: io.StringIO, *, concern: bool
) -> Seen:
    """A programme that was paused, for a concern, with words about it; or just so, without any."""
    channel, seen = Troubled(), Seen()
    async with codec_server_for_ops(ring) as decoded, working(client, Office(channel, vault)):  # type: ignore[arg-type]
        programme = await client.start(a_plan(safeguarding="contact-1", facilitators=["facilitator-1"]))
        await enrol(programme)
        await booked(programme)

        async def quiet() -> bool:
            return not (await programme.overview()).under_way

        await until(quiet, "what is said at the start", within=60)
        logged.seek(0)
        logged.truncate()
        reason = {"concern": True, "reason": WHY} if concern else {}
        await programme.do("pause", "a", command_id="p-1", **reason)
        await until(quiet, "the messages about the pause", within=90)
        lines = [json.loads(line) for line in logged.getvalue().splitlines()]
        seen.log = [timeless(json.dumps(line, sort_keys=True), programme.id) for line in lines]
        seen.partner = timeless((await programme.view("b")).model_dump_json(), programme.id)
        seen.overview = await overview_seen(programme)
        await history_seen(programme, decoded, seen)
        await proved(programme)
    told = [ref for template, ref in channel.told if template == "concern"]
    assert told == (["facilitator-1"] if concern else []), "who hears of it in the end"
    return seen


async def test_to_the_other_and_to_ops_a_concern_looks_like_any_pause(
    embedded_client: TemporalClient, tmp_path: Path, logged: io.StringIO
) -> None:
    ring = KeyRing.new()
    vault = Vault.at(f"sqlite:///{tmp_path / 'vault.db'}", LocalKeys.parse(LocalKeys.new()))
    plain = client_of(with_codec(embedded_client, ring))
    client = Client(plain.temporal, plain.task_queue, vault)
    ordinary, concerned = [
        await pause_seen(client, ring, vault, logged, concern=concern) for concern in (False, True)
    ]
    await vault.close()
    assert ordinary.partner == concerned.partner
    assert ordinary.overview == concerned.overview
    assert ordinary.events == concerned.events
    assert ordinary.activities == concerned.activities
    assert sorted(ordinary.log) == sorted(concerned.log)
    shown = [text for _, _, payloads_ in ordinary.events for _, _, text in payloads_]
    assert not any("concern" in text or '"template":' in text or '"by":' in text for text in shown)

    # Three notices, the last of which is tried once more often; each takes its time, and no provider's.
    for seen in (ordinary, concerned):
        assert [attempts for attempts, _ in seen.durations] == [2, 2, 3]
        for attempts, span in seen.durations:
            assert span >= attempts * PACE.span.total_seconds() + (attempts - 1) * WAIT.total_seconds()
