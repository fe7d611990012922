"""The courses of events whose histories are kept: each walks one programme to its end, on a real server.

A scenario is given a `Scene`: a client, and a worker that it may send away and call back. What is recorded of it, and
how, is in `record.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from duologue.client import Client, Programme, Refused, make
from duologue.habits import Manner
from duologue.practice.messages import Command
from duologue.practice.plan import Listed
from duologue.practice.values import PARTNERS
from tests.support.programmes import (
    QUICK,
    WELL,
    Desk,
    a_plan,
    booked,
    enrol,
    history,
    opened,
    practise,
    settled,
    until,
    working,
)


@dataclass
class Scene:
    """A client, and a worker that comes and goes."""

    client: Client
    desk: Desk = field(default_factory=Desk)
    _worker: AsyncExitStack | None = None

    async def worker_comes(self) -> None:
        """From now on somebody works."""
        self._worker = AsyncExitStack()
        await self._worker.enter_async_context(working(self.client, self.desk))

    async def worker_goes(self) -> None:
        """From now on nobody does."""
        if self._worker is not None:
            await self._worker.aclose()
            self._worker = None

    async def started(self, name: str, **given: Any) -> Programme:
        """A programme of that name."""
        return await self.client.start(a_plan(programme=f"replay-{name}", **given))


async def full_dialogue(scene: Scene) -> Programme:
    """Both directions, with corrections and an `ask_more`."""
    programme = await scene.started("full", kinds=("full",))
    await enrol(programme)
    await practise(programme)
    return programme


async def taken_back(scene: Scene) -> Programme:
    """A nudge does not get through and is tried again, until a pause takes it back."""
    programme = await scene.started("taken-back", kinds=("mirroring",), policy={"idle_after": "1s"})
    await enrol(programme)

    async def delivered(what: str) -> bool:
        return sum(f":{what}:" in key for key in scene.desk.delivered) == len(PARTNERS)

    async def tried() -> bool:
        nudges = [key for key in scene.desk.attempts if ":idle_nudge:" in key]
        return len(nudges) == len(PARTNERS) and all(scene.desk.attempts[key] > 1 for key in nudges)

    await until(lambda: delivered("invitation"), "the invitation")
    scene.desk.down = True
    await opened(programme)
    await until(tried, "the nudge to be tried again")
    await programme.do("pause", "a")
    scene.desk.down = False
    await until(lambda: delivered("paused"), "the pause to be told")
    await programme.do("withdraw", "b")
    return programme


async def missed_and_held(scene: Scene) -> Programme:
    """A session that one of the two misses, booked again and held."""
    policy = {
        "opens_before": "1s",
        "ask_absent_after": "1s",
        "missed_after": "2s",
        "proposals": ["15s", "30s"],
    }
    cadence = {"every": "list", "at": ["+2s", "+1h"]}
    programme = await scene.started("missed", kinds=("mirroring",), policy=policy, cadence=cadence)
    await enrol(programme)
    await until(lambda: _can_check_in(programme), "check-in to open")
    await programme.do("turn", "b", act="ready")

    async def offered() -> bool:
        return any(s.status == "to_book" and s.proposals for s in (await programme.view("a")).sessions)

    await until(offered, "times to be offered")
    await programme.do("reschedule", "a", session=1, proposal=1)
    await until(lambda: _can_check_in(programme), "check-in to open again")
    for by in PARTNERS:
        await programme.do("turn", by, act="ready")
    await practise(programme)
    return programme


async def _can_check_in(programme: Programme) -> bool:
    seen = await programme.view("a")
    return seen.dialogue is not None


async def hostile(scene: Scene) -> Programme:
    """Junk by signal in the middle of a dialogue, which goes on."""
    programme = await scene.started("hostile", kinds=("mirroring",))
    await enrol(programme)
    await opened(programme)
    for name, arguments in (
        ("turn", []),
        ("turn", [{"by": "a"}, "more"]),
        ("nothing", ["\u0000"]),
        ("turn", ["{" * 2000]),
        ("pause", [{"command_id": "x", "by": "a", "until": "0001-01-01T00:00:00Z"}]),
        ("turn", [{"command_id": "x", "by": "b", "act": "send", "words": "not mine to say"}]),
        ("consent", [{"command_id": "y", "by": "facilitator"}]),
    ):
        await programme.handle.signal(name, args=arguments)
    await practise(programme)
    return programme


async def paused_and_resumed(scene: Scene) -> Programme:
    """A pause by one, in mid-dialogue, and going on by both; then one leaves."""
    programme = await scene.started("paused")
    await enrol(programme)
    await opened(programme)
    await practise(programme, turns=4)
    await programme.signal(make("pause", "b", reason="a holiday"))

    async def paused() -> bool:
        return (await programme.overview()).stage == "paused"

    await until(paused, "the pause")
    await programme.do("resume", "a")
    await programme.do("resume", "b")
    await booked(programme)
    await programme.do("withdraw", "a")
    return programme


async def cancelled(scene: Scene) -> Programme:
    """Cancelled from outside, with a dialogue open."""
    programme = await scene.started("cancelled")
    await enrol(programme)
    await opened(programme)
    await programme.cancel()
    return programme


async def by_signals(scene: Scene) -> Programme:
    """A programme in which nothing is ever sent by an update."""
    programme = await scene.started("signals", kinds=("full",))
    for by in PARTNERS:
        await programme.signal(make("consent", by))
        await programme.signal(make("reply", by, question=f"intake.{by}1", answers=WELL))
    await practise(programme, by_signal=True)
    return programme


async def outage(scene: Scene) -> Programme:
    """Nobody works for a while: signals, updates, one of them repeated and one refused, and two queries wait."""
    programme = await scene.started("outage", kinds=("mirroring",))
    await enrol(programme)
    await opened(programme)
    await programme.do("turn", "a", act="frame", words="what it is about")
    await programme.do("turn", "b", act="mirror", words="what it is about")
    await programme.do("turn", "a", act="confirm")
    await scene.worker_goes()
    mirror = make("turn", "b", act="mirror", words="what was said")
    await programme.signal(
        make("turn", "a", act="send", words="while nobody worked", sent_at=datetime.now(UTC))
    )
    waiting = [
        asyncio.ensure_future(one)
        for one in (
            programme.send(mirror),
            programme.send(mirror),
            _refused(programme, make("turn", "b", act="send", words="not now")),
            programme.view("b"),
            programme.overview(),
        )
    ]
    await programme.signal(make("note", "b", words="while nobody worked"))
    # By now they have reached the server, which holds them until a worker comes, and shows nobody that it does.
    await asyncio.sleep(0.5)
    await scene.worker_comes()
    first, second, *_ = await asyncio.gather(*waiting)
    again = await programme.send(mirror.with_(words=None))
    assert first == second == again
    await practise(programme)
    return programme


async def _refused(programme: Programme, command: Command) -> None:
    try:
        await programme.send(command)
    except Refused:
        return
    raise AssertionError("this should have been refused")


async def reset(scene: Scene) -> Programme:
    """Reset to before three commands that were sent both ways: the signal among them comes first."""
    programme = await scene.started("reset", kinds=("mirroring",))
    await enrol(programme)
    await booked(programme)
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    point = max(e.event_id for e in (await history(programme)).events if e.event_type == done)
    await programme.do("note", "a", words="first")
    await programme.signal(make("note", "b", words="second"))
    await programme.do("note", "a", words="third")
    service = scene.client.temporal
    await service.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=service.namespace,
            workflow_execution=WorkflowExecution(workflow_id=programme.handle.id),
            reason="recorded",
            request_id="recorded",
            workflow_task_finish_event_id=point,
        )
    )

    async def taken() -> list[str] | None:
        journal = (await programme.overview()).journal
        kept = sum(entry.what == "NoteKept" for entry in journal) == 3
        return [entry.by for entry in journal if entry.what == "CommandApplied"][-3:] if kept else None

    assert await until(taken, "the notes") == ["b", "a", "a"]
    await practise(programme)
    return programme


async def concern(scene: Scene) -> Programme:
    """A concern in mid-dialogue, of which one person alone hears; in the end the one who had it leaves."""
    programme = await scene.started("concern", facilitators=["facilitator-1"], safeguarding="safeguarding-1")
    await enrol(programme)
    await opened(programme)
    await practise(programme, turns=4)
    await programme.do("pause", "a", concern=True, reason="for one person alone")
    await settled(programme)
    await programme.do("withdraw", "a")
    return programme


async def tail(scene: Scene) -> Programme:
    """Both go on after the last item, and hold what the tail has for them."""
    curriculum = {
        "name": "test",
        "items": [{"kinds": ["mirroring"]}],
        "tail": {"item": {"kinds": ["mirroring"]}, "cadence": Listed(at=("+4h", "+5h", "+6h")), "count": 2},
    }
    programme = await scene.started("tail", curriculum=curriculum)
    await enrol(programme)
    going_on = Manner(
        a=QUICK.a.with_(goes_on=True), b=QUICK.b.with_(goes_on=True), facilitator=QUICK.facilitator
    )
    await practise(programme, going_on)
    return programme


SCENARIOS: dict[str, Callable[[Scene], Awaitable[Programme]]] = {
    one.__name__: one
    for one in (
        full_dialogue,
        missed_and_held,
        taken_back,
        hostile,
        paused_and_resumed,
        cancelled,
        by_signals,
        outage,
        reset,
        concern,
        tail,
    )
}
