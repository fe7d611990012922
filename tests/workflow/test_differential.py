"""Whatever reaches a programme on a real server, the core alone comes to the same.

Chance decides what is sent, by whom and how, when the worker is away, when the world answers, and whether somebody
asks for a view meanwhile. What the workflow then says of itself is what its history says: every run replays, the core
alone, fed with what was recorded, comes to the same journal and state, and so does a worker that never saw it before.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from temporalio.client import Client as TemporalClient

from duologue.audit import derive
from duologue.client import Client, DuologueError, Programme, Refused, make
from duologue.practice.grammar import Act
from duologue.practice.messages import COMMANDS, Command, Receipt
from duologue.practice.plan import Plan
from duologue.practice.state import State
from duologue.practice.values import By
from tests.support.programmes import (
    Desk,
    a_plan,
    agreed,
    client_of,
    history,
    proved,
    quiet_hours_away,
    working,
)
from tests.support.world import (
    Offers,
    Sent,
    may_agree,
    may_answer,
    may_consent,
    may_end,
    may_interrupt,
    may_manage,
    may_turn,
)

STEPS = 60
"""The most things that happen to each programme; about an eighth of them take a worker away."""

ENOUGH = ("receipts", "refusals", "outages")
LEAST, EVENTS, MOST = 3, 60, 8
"""Of each of these more than so many, and more than so many entries of journals, out of so many programmes."""

HASTY: dict[str, Any] = {
    "opens_before": "1s",
    "ask_absent_after": "1s",
    "missed_after": "2s",
    "window": "20s",
    "idle_after": "1s",
    "reminders": ["1s"],
    "answer_within": "3s",
    "hold_within": "5s",
    "rebook_within": "2s",
    "proposals": ["2s", "3s"],
    "moves": 20,
    "decide_within": "4s",
    "ladder": [
        [{"after": "0s", "do": "tell", "text": "rebook_offer", "every": "1s", "times": 2}],
        [
            {"after": "0s", "do": "ask", "to": "absent", "text": "check_in"},
            {"after": "1s", "do": "alert", "to": "facilitator", "text": "second_miss", "reason": "always"},
        ],
    ],
}
"""Everything is due within seconds, so that time itself takes part."""

ON: tuple[Offers, ...] = (may_consent, may_answer, may_agree, may_turn, may_turn, may_turn, may_turn)
"""What leads on."""
ABOUT: tuple[Offers, ...] = (may_manage, may_manage, may_interrupt)
"""What comes in between."""
ANYBODY: tuple[By, ...] = ("a", "b", "facilitator")

LONG_ENOUGH = 30
"""After so many commands one in `ENDS` is of those that end a programme; before, one in `BREAKS`."""
ENDS, BREAKS = 8, 150

OUT_OF_PLACE: list[tuple[str, dict[str, Any]]] = [
    *(("turn", {"act": act}) for act in (Act.READY, Act.SEND, Act.MIRROR, Act.CONFIRM, Act.STOP)),
    ("reply", {"question": "intake.a1", "answer": "yes"}),
    ("reschedule", {"session": 1, "proposal": 1}),
    ("resume", {}),
    ("acknowledge", {"alert": "none"}),
]


def a_hasty_plan() -> Plan:
    return a_plan(
        kinds=["mirroring", "request", "mirroring"],
        facilitators=["facilitator-1"],
        safeguarding="safeguarding-1",
        cadence={"every": "list", "at": [f"+{n}s" for n in range(3, 60, 3)]},
        policy=HASTY,
    )


class Storm:
    """A programme, and what chance does to it."""

    def __init__(self, client: Client, programme: Programme, seed: int) -> None:
        self.client = client
        self.programme = programme
        self.desk = Desk()
        self.chance = Random(seed)
        self.sent: list[Command] = []
        self.kept_back: list[Command] = []
        self.receipts = self.refusals = self.outages = 0
        self._stack: AsyncExitStack | None = None
        self._asking: set[asyncio.Task[Any]] = set()

    # --- the worker

    async def worker_comes(self) -> None:
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(working(self.client, self.desk))

    async def worker_goes(self) -> None:
        assert self._stack is not None
        await self._stack.aclose()
        self._stack = None
        self.outages += 1

    # --- what is sent

    async def state(self) -> State:
        """Where the programme stands, by its history alone."""
        return (await derive(await history(self.programme))).state

    async def something(self) -> Command:
        """A command that may be applied now, or any other."""
        state, now = await self.state(), datetime.now(UTC)
        if self.chance.random() < 0.85:
            offers = self.chance.choice(ON if self.chance.random() < 0.8 else ABOUT)
            if not self.chance.randrange(ENDS if len(self.sent) > LONG_ENOUGH else BREAKS):
                offers = may_end
            offered: list[Sent] = list(offers(state, now))
            if offered:
                name, by, fields = self.chance.choice(offered)
                return self.made(name, by, fields)
        name, fields = self.chance.choice(OUT_OF_PLACE)
        return self.made(name, self.chance.choice(ANYBODY), fields)

    def made(self, name: str, by: By, fields: dict[str, Any]) -> Command:
        if fields.get("quiet"):
            fields = {"quiet": quiet_hours_away().model_dump()}
        dated = {} if self.chance.random() < 0.5 else {"sent_at": None}
        command = make(name, by, **{**fields, **dated})
        self.sent.append(command)
        return command

    async def send(self, command: Command) -> None:
        """By signal or by update, as chance will have it; an update's answer is awaited elsewhere."""
        if self.chance.random() < 0.5:
            await self.programme.signal(command)
        else:
            self._later(self.programme.send(command))

    def _later(self, answer: Awaitable[Any]) -> None:
        self._asking.add(asyncio.ensure_future(answer))

    async def answers(self) -> None:
        """Wait for what was asked. A refusal is an answer."""
        for answer in await asyncio.gather(*self._asking, return_exceptions=True):
            self.receipts += isinstance(answer, Receipt)
            self.refusals += isinstance(answer, Refused)
            if isinstance(answer, BaseException) and not isinstance(answer, DuologueError):
                raise answer
        self._asking.clear()

    # --- what happens

    async def one(self) -> None:
        await self.send(await self.something())

    async def several_at_once(self) -> None:
        await asyncio.gather(*[self.send(await self.something()) for _ in range(self.chance.randint(2, 5))])

    async def again(self) -> None:
        """A repeat, by either way, and under the same id something else."""
        if self.sent:
            first = self.chance.choice(self.sent)
            await self.send(first)
            await self.send((await self.something()).with_(command_id=first.command_id))

    async def late(self) -> None:
        """What was made a while ago is sent only now."""
        self.kept_back.append(await self.something())
        if len(self.kept_back) > 2:
            await self.send(self.kept_back.pop(0))

    async def nonsense(self) -> None:
        arguments: list[Any] = self.chance.choice([[], [{}, {}], ["?"], [None], [{"by": "a"}]])
        await self.programme.handle.signal(self.chance.choice([*COMMANDS, "hello"]), args=arguments)

    async def the_world_stands_still(self) -> None:
        for gate in (self.desk.open, self.desk.calendar_open):
            gate.clear() if self.chance.random() < 0.3 else gate.set()
        self.desk.fails = self.chance.random() < 0.2

    async def time_passes(self) -> None:
        """Until what the programme waits for is due, at most a second."""
        at = (await self.programme.overview()).next_deadline_at
        await self.pass_to(min(at or datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=1)))

    async def pass_to(self, moment: datetime) -> None:
        await asyncio.sleep(max((moment - datetime.now(UTC)).total_seconds(), 0))

    async def the_worker_is_away(self) -> None:
        """Meanwhile things are sent, time passes, and somebody asks, before or after that."""
        await self.answers()
        await agreed(self.programme)
        await self.worker_goes()
        if self.chance.random() < 0.6:
            self._later(self.programme.overview())
        for _ in range(self.chance.randint(0, 4)):
            await self.chance.choice([self.one, self.again, self.nonsense])()
        await self.pass_to(datetime.now(UTC) + timedelta(seconds=self.chance.random() * 1.5))
        if self.chance.random() < 0.5:
            self._later(self.programme.view("a"))
        await self.worker_comes()
        await self.answers()

    async def rage(self) -> None:
        """Everything, in any order."""
        happenings: dict[Callable[[], Awaitable[None]], int] = {
            self.one: 40,
            self.several_at_once: 12,
            self.again: 8,
            self.late: 8,
            self.nonsense: 6,
            self.the_world_stands_still: 6,
            self.time_passes: 8,
            self.the_worker_is_away: 12,
        }
        for happening in self.chance.choices([*happenings], weights=[*happenings.values()], k=STEPS):
            await happening()
            if self.chance.random() < 0.7:
                await self.answers()
            if (await self.state()).over:
                break
        await self.answers()

    def calm(self) -> None:
        """Let the world answer what it was asked."""
        self.desk.fails = False
        self.desk.open.set()
        self.desk.calendar_open.set()


@pytest.mark.timeout(480)
@pytest.mark.parametrize("seed", range(3))
async def test_the_core_alone_comes_to_the_same_whatever_happens(
    embedded_client: TemporalClient, seed: int
) -> None:
    """Programme after programme, for one of them may end early, until enough has happened."""
    seen: Counter[str] = Counter()
    for programme in range(MOST):
        seen += await one_storm(client_of(embedded_client), seed + 100 * programme)
        if min(seen[what] for what in ENOUGH) > LEAST and seen["events"] > EVENTS:
            return
    pytest.fail(f"too little happened: {dict(seen)}")


async def one_storm(client: Client, seed: int) -> Counter[str]:
    """One programme from its start to its end; answers how much of what happened to it."""
    programme = await client.start(a_hasty_plan())
    storm = Storm(client, programme, seed)
    try:
        await storm.worker_comes()
        await agreed(programme)
        await storm.rage()
        storm.calm()
        await agreed(programme)
    finally:
        await storm.worker_goes()

    async with working(client, storm.desk):
        # One that never saw it before: all it knows is the history.
        if not (await storm.state()).over:
            await programme.cancel()
        assert (await programme.result()).ending
        derived = await proved(programme)
    async with working(client, storm.desk):
        # Another, that reads it all anew.
        await agreed(programme)
    return Counter({what: getattr(storm, what) for what in ENOUGH} | {"events": len(derived.events)})
