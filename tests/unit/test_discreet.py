"""A notice to safeguarding and the padding in its place: the same motions, moments and log lines, whatever happens."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from temporalio.exceptions import ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from duologue.activities import (
    Activities,
    Channel,
    ConsoleChannel,
    Contact,
    Everyone,
    Pace,
    Post,
    TryAgain,
    Undeliverable,
)
from duologue.activities.discreet import OnceMore, Progress
from duologue.practice.asks import TRIED_FOR, Delivered, Message
from duologue.practice.texts import MessageText

NOW = datetime(2027, 1, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PACE = Pace(span=timedelta(seconds=0.2), again=(MINUTE, 5 * MINUTE), later=(60 * MINUTE,))
CONCERN = Message(
    key="c1:p3:notice:safeguarding:0",
    programme="c1",
    to="safeguarding",
    ref="contact-1",
    template="concern",
    at=NOW,
)
PADDING = CONCERN.with_(template="none")
ASKED = CONCERN.with_(key="c1:p3:resume_asked:a:0", to="a", ref="person-1", template="resume_asked")


class Scripted:
    """A channel that does what it is told, one try after the other; a number is how long it takes."""

    def __init__(self, *outcomes: Exception | float, name: str = "mail") -> None:
        self.name = name
        self.outcomes = list(outcomes)
        self.tried: list[float] = []

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        self.tried.append(time.monotonic())
        outcome = self.outcomes.pop(0) if self.outcomes else 0.0
        if isinstance(outcome, Exception):
            raise outcome
        await asyncio.sleep(outcome)


class Run:
    """One attempt at a message: what came of it, how long it took, and what was logged and left to the next."""

    def __init__(self, *channels: Channel, pace: Pace = PACE) -> None:
        contacts = Everyone(*(Contact(channel=c.name) for c in channels))
        self.activities = Activities(Post(contacts, channels, pace=pace), now=lambda: NOW)
        self.beats: list[Progress] = []
        self.environment = ActivityEnvironment()
        self.environment.on_heartbeat = self.beats.append

    async def __call__(self, message: Message, *, before: Progress | None = None, attempt: int = 1) -> Run:
        details = [before.model_dump(mode="json")] if before else []
        self.environment.info = replace(
            self.environment.info, attempt=attempt, heartbeat_details=details, scheduled_time=NOW
        )
        began = time.monotonic()
        with structlog.testing.capture_logs() as self.lines:
            try:
                self.answer: Delivered | OnceMore = await self.environment.run(
                    self.activities.deliver, message
                )
            except OnceMore as more:
                self.answer = more
        self.took = time.monotonic() - began
        return self

    @property
    def after(self) -> timedelta | None:
        """When the next attempt is due."""
        return self.answer.next_retry_delay if isinstance(self.answer, OnceMore) else None


COURSES: dict[str, Any] = {
    "works": lambda: [Scripted()],
    "slow": lambda: [Scripted(0.1)],
    "in trouble for a moment": lambda: [Scripted(TryAgain(), TryAgain(trouble="busy"))],
    "in trouble for long": lambda: [Scripted(*[TryAgain()] * 50)],
    "asks for patience": lambda: [Scripted(TryAgain(timedelta(hours=1)))],
    "never answers": lambda: [Scripted(99.0)],
    "breaks": lambda: [Scripted(*[RuntimeError("550 anna@example.org")] * 50)],
    "refuses": lambda: [Scripted(*[Undeliverable()] * 50)],
    "on the console": lambda: [ConsoleChannel()],
    "on the console at last": lambda: [Scripted(*[Undeliverable()] * 50), ConsoleChannel()],
    "nobody is known": list,
}


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("message", [CONCERN, ASKED], ids=["concern", "asked"])
async def test_whatever_a_channel_does_nothing_tells_a_message_from_padding(
    message: Message, course: str
) -> None:
    real, padding = [await Run(*COURSES[course]())(m) for m in (message, message.with_(template="none"))]
    for run in (real, padding):
        assert isinstance(run.answer, OnceMore), "as often as any"
        assert run.answer.category is ApplicationErrorCategory.BENIGN, "it is not logged as a failure"
        assert run.took >= PACE.span.total_seconds()
        assert run.took < PACE.span.total_seconds() * 2 + 5
    assert (
        (str(real.answer), real.after) == (str(padding.answer), padding.after) == (str(real.answer), MINUTE)
    )
    assert real.lines == padding.lines
    assert len(real.beats) == len(padding.beats) == 1
    assert real.beats[0].scope == "safeguarding"


async def test_on_the_console_both_leave_the_same_line() -> None:
    for message in (CONCERN, PADDING):
        run = await Run(ConsoleChannel())(message)
        [line] = run.lines
        assert line == {"event": "message", "log_level": "info", "to": "safeguarding", "programme": "c1"}


async def test_it_goes_out_at_once_where_that_can_be() -> None:
    channel, began = Scripted(), time.monotonic()
    pace = replace(PACE, span=timedelta(seconds=3))
    run = await Run(channel, pace=pace)(CONCERN)
    [tried] = channel.tried
    assert tried - began < run.took - 1


async def test_passing_trouble_is_over_within_one_attempt_and_then_it_is_not_sent_again() -> None:
    channel = Scripted(TryAgain())
    run = await Run(channel)(CONCERN)
    assert len(channel.tried) == 2
    again = await Run(channel)(CONCERN, before=run.beats[0], attempt=2)
    assert len(channel.tried) == 2
    assert again.after == 5 * MINUTE


async def test_trouble_that_lasts_leads_to_the_next_channel() -> None:
    first, second = Scripted(*[TryAgain()] * 50), Scripted(name="sms")
    run = await Run(first, second)(CONCERN)
    assert second.tried or not run.beats[0].answer
    run = await Run(first, second)(CONCERN, before=Progress(attempts=1), attempt=2)
    assert second.tried
    assert run.beats[0].answer


async def test_what_was_in_trouble_goes_out_at_the_next_attempt() -> None:
    channel = Scripted(*[TryAgain(timedelta(hours=1))] * 2)
    run = await Run(channel)(CONCERN)
    run = await Run(channel)(CONCERN, before=run.beats[0], attempt=2)
    assert run.beats[0].answer is None
    run = await Run(channel)(CONCERN, before=run.beats[0], attempt=3)
    assert isinstance(run.answer, Delivered)
    assert (run.answer.outcome, run.answer.channel) == ("delivered", "mail")


async def test_the_last_attempt_says_what_has_become_of_it() -> None:
    last = Progress(attempts=len(PACE.again))
    silent = await Run(Scripted(*[TryAgain()] * 50))(CONCERN, before=last)
    assert silent.answer == Delivered(key=CONCERN.key, outcome="undeliverable", reason="gave_up")
    for message in (CONCERN, PADDING):
        said = await Run(Scripted(0.05))(message, before=last)
        assert said.answer == Delivered(key=CONCERN.key, outcome="delivered", channel="mail")
        assert said.took >= PACE.span.total_seconds()


@pytest.mark.parametrize("message", [CONCERN.with_(until=NOW + TRIED_FOR), ASKED], ids=["last", "asked"])
async def test_where_nobody_else_is_told_afterwards_it_is_tried_for_longer(message: Message) -> None:
    for m in (message, message.with_(template="none")):
        run = await Run(Scripted())(m, before=Progress(attempts=len(PACE.again)))
        assert run.after == PACE.later[0]


def test_all_of_it_is_over_before_the_server_gives_up() -> None:
    pace = Pace()
    waits = pace.again + pace.later
    assert sum(waits, timedelta(0)) + (len(waits) + 1) * pace.span < TRIED_FOR / 1.5
    assert pace.span < timedelta(minutes=1), "what the server gives one attempt"


async def test_where_a_worker_died_as_many_attempts_are_made_all_the_same() -> None:
    for message in (CONCERN, PADDING):
        run = await Run(Scripted())(message, attempt=2)
        assert run.after == 5 * MINUTE


async def test_a_worker_that_stops_does_not_wait_for_the_end_and_leaves_the_rest_to_another_one() -> None:
    pace = replace(PACE, span=timedelta(seconds=50))
    for message in (CONCERN, PADDING):
        run = Run(Scripted(), pace=pace)
        attempt = asyncio.create_task(run(message))
        await asyncio.sleep(0.05)
        run.environment.worker_shutdown()
        await attempt
        assert isinstance(run.answer, OnceMore)
        assert run.after == timedelta(0)
        [progress] = run.beats
        assert progress.answer is not None, "so that it does not go out twice"
        assert run.took < 40


@pytest.mark.parametrize("course", ["works", "in trouble for long", "asks for patience", "never answers"])
async def test_a_worker_that_stops_shows_nothing_of_what_was_being_tried(course: str) -> None:
    pace = replace(PACE, span=timedelta(seconds=50), grace=timedelta(seconds=0.3))
    took = []
    for message in (CONCERN, PADDING):
        run = Run(*COURSES[course](), pace=pace)
        attempt = asyncio.create_task(run(message))
        await asyncio.sleep(0.05)
        run.environment.worker_shutdown()
        await asyncio.wait_for(attempt, timeout=10)
        assert run.after == timedelta(0)
        assert [progress.attempts for progress in run.beats] == [1]
        took.append(run.took)
    assert took == [pytest.approx(0.35, abs=0.2)] * 2


async def test_what_is_being_sent_when_a_worker_stops_has_a_moment_to_get_through() -> None:
    run = Run(Scripted(0.1), pace=replace(PACE, span=timedelta(seconds=50), grace=timedelta(seconds=0.5)))
    attempt = asyncio.create_task(run(CONCERN))
    await asyncio.sleep(0.05)
    run.environment.worker_shutdown()
    await attempt
    [progress] = run.beats
    assert progress.answer is not None


class Unreadable:
    """Contacts that cannot be read."""

    async def of(self, ref: str, programme: str) -> tuple[Contact, ...]:
        raise RuntimeError(ref)


async def test_contacts_that_cannot_be_read_show_in_the_same_way() -> None:
    lines = []
    for message in (CONCERN, PADDING):
        run = Run()
        run.activities = Activities(Post(Unreadable(), [Scripted()], pace=PACE), now=lambda: NOW)
        await run(message)
        assert run.after == MINUTE
        assert not any("contact-1" in str(line) for line in run.lines)
        lines.append({str(line) for line in run.lines})
    assert lines[0] == lines[1] != set()
