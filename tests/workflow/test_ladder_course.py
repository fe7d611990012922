"""The whole default ladder once, on a server: a couple that enrols and then says nothing more and never comes.

What a desk is given to deliver, and when, is compared with the default ladder as the reference has it, said in hours
and days, and with the course that the pure core takes for the same plan.
"""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from temporalio import activity
from temporalio.testing import WorkflowEnvironment

from duologue import calendar
from duologue.habits import Habits, Manner
from duologue.on_server import Driver, SkippedClock
from duologue.practice.asks import Delivered, Message, Resolution, Resolve
from duologue.practice.events import MessageSent
from duologue.simulate import Simulation
from tests.support.core import a_plan
from tests.support.programmes import Desk, Silent, client_of, proved, working

MISSED = timedelta(hours=19, minutes=15)
"""When the first session, on the Monday on which it all begins at 09:00, has been missed."""
EACH = ("person-a", "person-b")


class Ledger(Desk):
    """A desk that writes down when, by the server's clock, it is given each message."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, datetime] = {}

    def activities(self) -> list[Callable[..., Any]]:
        """The calendar for real, and the writing down."""

        @activity.defn(name="resolve")
        async def resolve(ask: Resolve) -> Resolution:
            return calendar.resolve(ask)

        @activity.defn(name="deliver")
        async def deliver(message: Message) -> Delivered:
            self.messages[message.key] = message
            self.given[message.key] = activity.info().scheduled_time
            return Delivered(key=message.key, outcome="delivered", channel="test")

        return [resolve, deliver]


def the_ladder(missed: datetime) -> list[tuple[datetime, str, str]]:
    """The default ladder as the reference has it, from the first miss on: when, what, to whom."""
    hour, day, week = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
    second, third = missed + week, missed + 2 * week
    told: list[tuple[datetime, str, tuple[str, ...]]] = [
        (missed, "rebook_offer", EACH),
        (missed + 48 * hour, "check_in", EACH),
        (missed + 4 * day, "moved", EACH),
        (second, "rebook_offer", EACH),
        (second, "second_miss", ("facilitator-1",)),
        (second + 24 * hour, "second_miss", ("facilitator-2",)),
        (second + 48 * hour, "check_in", EACH),
        (second + 72 * hour, "undecided", ("facilitator-1",)),
        (second + 4 * day, "moved", EACH),
        (third, "go_on", EACH),
        (third, "third_miss", ("facilitator-1",)),
        (third + 24 * hour, "third_miss", ("facilitator-2",)),
        (third + 72 * hour, "undecided", ("facilitator-1",)),
        (third + 14 * day, "ended", EACH),
    ]
    return sorted((at, what, ref) for at, what, refs in told for ref in refs)


AT_ONCE = Manner(a=Habits(answers_after=timedelta(0)), b=Habits(answers_after=timedelta(0)))

ASIDE = {"reminder", "still_on"}
"""What is told of every appointment, missed or not."""


def minute(at: datetime) -> datetime:
    """On a server everything takes its milliseconds."""
    return at.replace(second=0, microsecond=0)


def key_and_time(message: Message) -> tuple[str, datetime]:
    """What a message is, and the minute at which it was decided on."""
    assert message.at is not None
    return message.key, minute(message.at)


async def test_the_whole_default_ladder_from_the_first_miss_to_the_gentle_end(
    time_skipping: WorkflowEnvironment,
) -> None:
    clock, desk, client = SkippedClock(time_skipping), Ledger(), client_of(time_skipping.client)
    plan = a_plan(programme="ladder-course")
    silent = Silent(plan.programme, AT_ONCE)
    now = await clock.now()
    monday = (now + timedelta(days=7 - now.weekday())).date()
    await clock.sleep(datetime.combine(monday, time(9), UTC) - now)
    async with working(client, desk):
        programme = await client.start(plan)
        begins = datetime.combine(monday, time(9), UTC)
        entries = [entry async for entry in Driver(programme, silent, clock, facilitated=True).practise()]
        result = await programme.result()
        derived = await proved(programme)

    missed = datetime.combine(monday, time(0), UTC) + MISSED
    week = timedelta(weeks=1)
    stages = ("SessionMissed", "PauseBegan", "Ended")
    assert [(entry.at, entry.what) for entry in entries if entry.what in stages] == [
        *((missed + n * week, "SessionMissed") for n in range(3)),
        (missed + 2 * week, "PauseBegan"),
        (missed + 2 * week + timedelta(days=14), "Ended"),
    ]
    assert (result.ending, result.counts) == ("silence", {"missed": 3})

    # What came to the desk is the ladder of the reference, each at its instant.
    told = [m for m in desk.messages.values() if m.template not in ASIDE]
    came = sorted((minute(desk.given[m.key]), m.template, m.ref) for m in told if desk.given[m.key] >= missed)
    assert came == the_ladder(missed)

    # And the pure core, left to itself with the same plan, takes the same course.
    foretold: list[Message] = []
    alone = Simulation(plan, Silent(plan.programme, AT_ONCE), begins=begins)
    alone.watch = lambda _given, events, _state, _now: foretold.extend(
        event.message for event in events if isinstance(event, MessageSent)
    )
    alone.run()
    assert (alone.state.ending, alone.state.counts) == (result.ending, result.counts)
    sent = [event.message for event in derived.events if isinstance(event, MessageSent)]
    assert sent[: len(EACH)] == [m for m in sent if m.template == "welcome"]
    assert [key_and_time(m) for m in sent[len(EACH) :]] == [key_and_time(m) for m in foretold]
    assert set(desk.messages) == {m.key for m in sent}
    # What time alone brings about is the same to the microsecond; what an answer does is as late as that was.
    exact = [m for m in foretold if m.at and m.at >= missed and m.template not in ("moved", "reminder")]
    assert len(exact) > len(the_ladder(missed)) - len(EACH) * 2
    assert [desk.messages[m.key] for m in exact] == exact
