"""Programmes on a server, for the tests of the durable shell: a plan that is quick to walk through, a desk in place of
the world, a worker, and a couple that practises. What is proved with them is in the tests; no rule lives here.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowHistory
from temporalio.common import HeaderCodecBehavior
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from duologue import calendar
from duologue.audit import Derived, derive_chain
from duologue.client import Client, Programme
from duologue.codec import KeyNotAtHand, KeyRing, Keys, connecting
from duologue.couple import Couple, Intent
from duologue.habits import Habits, Manner
from duologue.practice.asks import Delivered, Message, Resolution, Resolve
from duologue.practice.messages import Receipt
from duologue.practice.plan import Plan, QuietHours
from duologue.practice.state import SCREEN, State
from duologue.practice.values import PARTNERS, By, Partner
from duologue.practice.views import Overview, View
from duologue.worker.runner import sandbox
from duologue.workflows.programme import PracticeProgramme
from tests.support.watched import Watching, differences, disagreement, whole

T = TypeVar("T")

WELL = dict.fromkeys(SCREEN, "yes")
"""The suitability questions, answered so that practising may begin."""

QUICK = Manner(
    a=Habits(exchanges=1, corrections=1, asks_more=1, reaction=timedelta(0), answers_after=timedelta(0)),
    b=Habits(exchanges=1, corrections=1, asks_more=1, reaction=timedelta(0), answers_after=timedelta(0)),
    facilitator=Habits(answers_after=timedelta(0)),
)
"""Everything at once, with a correction and an `ask_more` by each where the kind has them."""


def a_plan(**given: Any) -> Plan:
    """Two `mirroring` dialogues that open for check-in as soon as they are booked, with nothing due meanwhile."""
    kinds = given.pop("kinds", ("mirroring", "mirroring"))
    policy = {"opens_before": "10h", "notice": "0s", "reminders": [], **given.pop("policy", {})}
    whole: dict[str, Any] = {
        "programme": f"p-{uuid4().hex[:12]}",
        "people": {"a": {"ref": "person-1", "quiet": None}, "b": {"ref": "person-2", "quiet": None}},
        "cadence": {"every": "list", "at": [f"+{n}h" for n in range(2, 9)]},
        "curriculum": {"name": "test", "items": [{"kinds": [kind]} for kind in kinds]},
        "policy": policy,
    }
    return Plan.model_validate(whole | given)


def quiet_hours_away(now: datetime | None = None) -> QuietHours:
    """An hour that is hours away for anybody from Lisbon to Kolkata. A real server's clock is that of whoever runs the
    test: in the quiet hours of somebody in it a message waits, and a programme for its end, until they are over.
    """
    begins = (now or datetime.now(UTC)) + timedelta(hours=9)
    return QuietHours(start=f"{begins:%H}:00", end=f"{begins + timedelta(hours=1):%H}:00")


def quiet_hours_now(now: datetime | None = None) -> QuietHours:
    """Hours in which it is now, and will be for the next few, for somebody in UTC."""
    now = now or datetime.now(UTC)
    return QuietHours(start=f"{now - timedelta(hours=1):%H}:00", end=f"{now + timedelta(hours=5):%H}:00")


class Desk:
    """The two activities, on paper: the calendar for real, and a channel that remembers, blocks or fails as told."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        """The key of every attempt to deliver, in order."""
        self.messages: dict[str, Message] = {}
        self.open = asyncio.Event()
        """While it is not set, deliveries are under way."""
        self.open.set()
        self.fails = False
        """Whether deliveries fail for good, as when nobody can be reached."""
        self.down = False
        """Whether an attempt fails and another may not, as when a provider is down."""
        self.delivered: list[str] = []
        """The key of every message that got through, in order."""
        self.calendar_open = asyncio.Event()
        self.calendar_open.set()
        self.at_some_hours: set[QuietHours] = set()
        """Quiet hours that may be now or not, by when the test runs. See `quiet_hours_away`, `quiet_hours_now`."""

    @property
    def attempts(self) -> Counter[str]:
        """How often each message was tried."""
        return Counter(self.keys)

    def told(self, template: str) -> set[str]:
        """Who has been sent a message of that template."""
        return {m.to for m in self.messages.values() if m.template == template}

    def activities(self) -> list[Callable[..., Any]]:
        """What a worker registers."""

        @activity.defn(name="resolve")
        async def resolve(ask: Resolve) -> Resolution:
            await self.calendar_open.wait()
            hours = [datetime.now(UTC) - timedelta(hours=n) for n in range(2)]
            meant = [quiet(hour) for hour in hours for quiet in (quiet_hours_away, quiet_hours_now)]
            people = (ask.people.a, ask.people.b)
            self.at_some_hours |= {each.quiet for each in people if each.quiet and each.quiet not in meant}
            return calendar.resolve(ask)

        @activity.defn(name="deliver")
        async def deliver(message: Message) -> Delivered:
            self.keys.append(message.key)
            self.messages[message.key] = message
            await self.open.wait()
            if self.fails:
                raise ApplicationError("no", type="Unreachable", non_retryable=True)
            if self.down:
                raise ApplicationError("not now", type="TryAgain")
            self.delivered.append(message.key)
            return Delivered(key=message.key, outcome="delivered", channel="test")

        return [resolve, deliver]


@asynccontextmanager
async def working(client: Client, desk: Desk, **given: Any) -> AsyncIterator[Worker]:
    """A worker on the client's task queue."""
    worker = Worker(
        client.temporal,
        task_queue=client.task_queue,
        identity="duologue-test-worker",
        activities=desk.activities(),
        workflow_runner=sandbox(),
        graceful_shutdown_timeout=timedelta(0),
        interceptors=[Watching()],
        **{"workflows": [PracticeProgramme], **given},
    )
    async with worker:
        yield worker
    assert not desk.at_some_hours, f"passes by day only; use quiet_hours_away(): {desk.at_some_hours}"


class Silent(Couple):
    """They enrol, and that is all."""

    def next(self, views: Mapping[By, View], now: datetime) -> Intent | None:
        """What comes next until practising begins."""
        return super().next(views, now) if views["a"].stage == "enrolling" else None


def client_of(temporal: TemporalClient) -> Client:
    """A client whose task queue is its own, so that tests on one server do not see each other. Nobody seals here."""
    return Client(
        temporal, task_queue=f"duologue-{uuid4().hex[:12]}", plain=True, query_patience=timedelta(seconds=60)
    )


def with_codec(
    temporal: TemporalClient, keys: Keys | KeyRing, on_missing: Callable[[KeyNotAtHand], None] | None = None
) -> TemporalClient:
    """The same connection, on which everything is encrypted."""
    ours = connecting(keys, on_missing)
    config = temporal.config()
    config["data_converter"] = ours["data_converter"]
    config["header_codec_behavior"] = ours["header_codec_behavior"]
    return TemporalClient(**config)


async def until(
    look: Callable[[], Awaitable[T | None]], what: str | Callable[[], str], within: float = 60.0
) -> T:
    """Ask again and again until the answer is a true one. Fails after `within` seconds, saying `what`."""
    deadline = time.monotonic() + within
    wait = 0.01
    while not (found := await look()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within} s for {what if isinstance(what, str) else what()}")
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, 0.2)
    return found


async def enrol(programme: Programme) -> None:
    """Both consent and answer: the programme practises."""
    for by in PARTNERS:
        await programme.do("consent", by)
        await programme.do("reply", by, question=f"intake.{by}1", answers=WELL)


async def booked(programme: Programme) -> Overview:
    """Wait until a session is booked."""

    async def look() -> Overview | None:
        seen = await programme.overview()
        return seen if seen.next_session and not seen.kind else None

    return await until(look, "a booked session")


async def settled(programme: Programme) -> Overview:
    """Wait until nothing is under way."""

    async def quiet() -> Overview | None:
        seen = await programme.overview()
        return None if seen.under_way else seen

    return await until(quiet, "everything that is under way to arrive")


async def opened(programme: Programme) -> Overview:
    """From an enrolled programme to an open dialogue."""
    await booked(programme)
    for by in PARTNERS:
        await programme.do("turn", by, act="ready")
    return await programme.overview()


async def views(programme: Programme, whose: Sequence[By] = (*PARTNERS, "facilitator")) -> dict[By, View]:
    """What each of them sees."""
    now = datetime.now(UTC)
    return {by: await programme.view(by, now=now) for by in whose}


async def practise(
    programme: Programme,
    manner: Manner = QUICK,
    *,
    turns: int | None = None,
    by_signal: bool = False,
) -> list[Receipt]:
    """Let a couple practise to the programme's end, or so many `turns` far.

    Their facilitator decides what to do while they pause, and has nothing to do before.
    """
    couple, receipts, sent = Couple(f"{programme.id}-{uuid4().hex[:4]}", manner), [], 0
    while turns is None or sent < turns:
        seen = await views(programme, PARTNERS)
        if seen["a"].ending is not None:
            break
        if seen["a"].stage == "paused":
            seen |= await views(programme, ("facilitator",))
        intent = couple.next(seen, datetime.now(UTC))
        # What the view lets them do they do at once, and do not wait for the appointed hour.
        if intent is None or intent.command is None:
            await asyncio.sleep(0.02)
            continue
        if by_signal:
            await programme.signal(intent.command)
        else:
            receipts.append(await programme.send(intent.command))
        couple.done(intent)
        sent += 1
    return receipts


async def history(programme: Programme, run_id: str | None = None) -> WorkflowHistory:
    """The history of a programme's run; by default of the latest."""
    handle = programme.client.temporal.get_workflow_handle(programme.handle.id, run_id=run_id)
    return await handle.fetch_history()


async def chain(programme: Programme) -> list[WorkflowHistory]:
    """The histories of the latest run and of those that it continues, first to last."""
    runs = [await history(programme)]
    while before := _started(runs[0]).continued_execution_run_id:
        runs.insert(0, await history(programme, before))
    return runs


def _started(found: WorkflowHistory) -> Any:
    return found.events[0].workflow_execution_started_event_attributes


def events(found: WorkflowHistory, name: str) -> list[Any]:
    """The attributes of all events of a type, named as in `timer_started`."""
    attribute = f"{name}_event_attributes"
    return [getattr(e, attribute) for e in found.events if e.WhichOneof("attributes") == attribute]


async def replays(
    found: WorkflowHistory,
    converter: DataConverter = pydantic_data_converter,
    workflow: type[Any] = PracticeProgramme,
) -> State:
    """The history replays, in the sandbox, without a difference, to the state that is answered. Raises otherwise."""
    watching = Watching()
    replayer = Replayer(
        workflows=[workflow],
        data_converter=converter,
        header_codec_behavior=HeaderCodecBehavior.CODEC,
        workflow_runner=sandbox(),
        interceptors=[watching],
    )
    await replayer.replay_workflow(found)
    [state] = watching.states.values()
    return state


def other_than(by: Partner) -> Partner:
    """The other of the two."""
    return "b" if by == "a" else "a"


async def agreed(programme: Programme, *, watched: bool = True) -> tuple[list[WorkflowHistory], Derived]:
    """A programme's runs and what the core alone makes of them, once the workflow has come to the same.

    The same means everything it remembers, and all that it shows to anybody. While a programme runs, each is read anew
    as long as one of them is ahead of the other.
    """
    codec, apart = programme.client.temporal.data_converter.payload_codec, ""

    async def agree() -> tuple[list[WorkflowHistory], Derived] | None:
        nonlocal apart
        apart = "no answer"
        # Asked first, so that there has been a workflow task, which is what a history is read by.
        await programme.overview()
        runs = await chain(programme)
        derived = await derive_chain(runs, codec=codec)
        apart = await disagreement(programme, derived, watched=watched)
        return None if apart else (runs, derived)

    return await until(agree, lambda: f"the workflow and its history to agree: {apart}")


async def proved(programme: Programme, *, watched: bool = True) -> Derived:
    """The core alone, fed with what all runs recorded, comes to what the workflow has come to; so does a replay."""
    runs, derived = await agreed(programme, watched=watched)
    codec = programme.client.temporal.data_converter
    for number, run in enumerate(runs, 1):
        led_to = await derive_chain(runs[:number], codec=codec.payload_codec)
        apart = differences(whole(await replays(run, codec)), whole(led_to.state))
        assert not apart, f"run {number} of {len(runs)}: {apart}"
    return derived
