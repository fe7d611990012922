"""What a programme costs on Temporal, before it runs: the shell on paper.

`Shell` is told of every task of a simulated programme and does on paper what `workflows/programme.py` does in it:
starts activities, moves its one timer, publishes attributes, leaves marks. Each thing is entered by the table of what
it writes into a history. Every task counts on its own, though a server may take several together: so what is
forecast is never below what is counted. Failures, retries, refusals and queries are nobody's plan and not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from duologue.accounting import Account
from duologue.practice import views
from duologue.practice.asks import Delivered, Resolution
from duologue.practice.decide import Input, Tick
from duologue.practice.events import Event, MessageSettled
from duologue.practice.passing import finished, next_deadline
from duologue.practice.state import State
from duologue.practice.values import Frozen, Instant

DOLLARS_PER_MILLION_ACTIONS = 50.0
DOLLARS_PER_GIGABYTE_HOUR = 0.042
"""Of active storage: the history of a programme that runs."""
PRICED = date(2026, 11, 23)
"""The day on which these list prices were read at docs.temporal.io/cloud/pricing: pay as you go, the first five
million actions of a month, without a plan's base fee."""

CONTINUES_AFTER_EVENTS, CONTINUES_AFTER_BYTES = 4096, 4 * 1024 * 1024
"""Past either, a server suggests to continue as new."""

_TASK = ("workflow_task_scheduled", "workflow_task_started", "workflow_task_completed")
_WRITES: Mapping[str, tuple[str, ...]] = {
    "start": ("workflow_execution_started", *_TASK),
    "update": (*_TASK, "workflow_execution_update_accepted", "workflow_execution_update_completed"),
    "activity": ("activity_task_scheduled",),
    "answer": ("activity_task_started", "activity_task_completed", *_TASK),
    "timer": ("timer_started",),
    "timer_again": ("timer_canceled", "timer_started"),
    "fired": ("timer_fired", *_TASK),
    "search_attributes": ("upsert_workflow_search_attributes",),
    "mark": ("workflow_properties_modified",),
    "continue_as_new": (
        "workflow_execution_continued_as_new",
        "workflow_execution_started",
        *_TASK,
    ),
    "end": ("workflow_execution_completed",),
}
"""The events of a history that each thing writes, the workflow task that it wakes included."""

_BILLED: Mapping[str, str] = {
    "start": "start",
    "update": "update",
    "activity": "activity",
    "timer": "timer",
    "timer_again": "timer",
    "search_attributes": "search_attributes",
    "continue_as_new": "continue_as_new",
}
"""What is one billed action, and as what `accounting` counts it."""

_BYTES: Mapping[str, int] = {
    "workflow_task_scheduled": 39,
    "workflow_task_started": 48,
    "workflow_task_completed": 82,
    "workflow_execution_started": 620,
    "workflow_execution_continued_as_new": 400,
    "workflow_execution_update_accepted": 215,
    "workflow_execution_update_completed": 70,
    "workflow_execution_completed": 40,
    "activity_task_scheduled": 155,
    "activity_task_started": 46,
    "activity_task_completed": 80,
    "timer_started": 98,
    "timer_fired": 28,
    "timer_canceled": 31,
    "upsert_workflow_search_attributes": 295,
    "workflow_properties_modified": 80,
}
"""About how long an event of each kind is, without what it carries; measured on server 1.32."""


class Step(Frozen):
    """What one thing writes, and what it is billed as."""

    what: str
    events: int
    actions: int


def table() -> tuple[Step, ...]:
    """What each thing costs."""
    return tuple(Step(what=what, events=len(_WRITES[what]), actions=what in _BILLED) for what in _WRITES)


def dollars(actions: int) -> float:
    """What so many actions cost at the list price."""
    return actions * DOLLARS_PER_MILLION_ACTIONS / 1_000_000


class Shell:
    """The workflow on paper. Give `after` to a simulation as its `watch`."""

    def __init__(self, state: State, now: Instant) -> None:
        self.runs = 1
        self.byte_hours = 0.0
        """The size of the history over the time that it grew, for what storage costs."""
        self._kinds: Counter[str] = Counter()
        self._billed: Counter[str] = Counter()
        self._bytes = 0
        self._run = (0, 0)
        self._at = now
        self._state = state
        self._under_way: set[str] = set()
        self._alarm: Instant | None = None
        self._place: tuple[object, ...] = ()
        # Set at the start by the client, with its own idea of since when: the first task corrects it.
        self._published: dict[str, Any] = {}
        self._over = False
        self._waits = False
        """Whether an answer waits that the next task takes, and dates."""
        self._write("start", state.plan)
        self._settle(state, now, marked=False, dated=False)

    @property
    def account(self) -> Account:
        """What it has come to so far."""
        return Account(
            by_kind=dict(sorted(self._kinds.items())),
            billed=dict(sorted(self._billed.items())),
            bytes=self._bytes,
        )

    def after(self, given: Input, written: Sequence[Event], state: State, now: Instant) -> None:
        """A task was woken at `now` by what was `given`, and left `state`."""
        if self._over:
            return
        self._sleep_until(now, itself=isinstance(given, Tick))
        if isinstance(given, Resolution | Delivered):
            self._write("answer", given)
            self._under_way.discard(given.key)
            if isinstance(given, Delivered) and all(isinstance(event, MessageSettled) for event in written):
                # Nothing follows from it: it waits for what comes next (docs/decisions/0012).
                self._state, self._waits = state, not state.over
                if self._waits:
                    return
        elif not isinstance(given, Tick):
            self._write("update", given, _receipt(state, given))
        update = not isinstance(given, Tick | Resolution | Delivered)
        # What a timer brings about is dated to its deadline, which by then is past.
        dated = self._waits or (isinstance(given, Resolution | Delivered) and bool(written))
        self._waits = False
        self._settle(state, now, marked=update, dated=dated)

    def _sleep_until(self, now: Instant, *, itself: bool) -> None:
        """Let the timer fire: in vain, where the deadline it was set for has moved since; then it is set again."""
        while self._alarm is not None and (self._alarm < now or (itself and self._alarm == now)):
            at, self._alarm = self._alarm, None
            self._pass(at)
            self._write("fired")
            if itself and at == now:
                break
            self._set_alarm(self._state, at)
        self._pass(now)

    def _pass(self, now: Instant) -> None:
        self.byte_hours += self._bytes * max(now - self._at, timedelta(0)) / timedelta(hours=1)
        self._at = max(now, self._at)

    def _settle(self, state: State, now: Instant, *, marked: bool, dated: bool) -> None:
        """The rest of a task, in the workflow's own order."""
        self._state = state
        if finished(state):
            self._publish(state)
            self._write("end")
            self._over = True
            return
        events, size = self._run
        if events > CONTINUES_AFTER_EVENTS or size > CONTINUES_AFTER_BYTES:
            self._write("continue_as_new", state)
            self.runs, self._run, self._alarm, self._under_way = self.runs + 1, (0, 0), None, set()
        for key, ask in state.asks.items():
            if key not in self._under_way:
                self._write("activity", ask)
                marked = True
        self._under_way |= state.asks.keys()
        marked |= self._set_alarm(state, now)
        marked |= self._publish(state)
        if dated and not marked:
            self._write("mark")

    def _set_alarm(self, state: State, now: Instant) -> bool:
        deadline = next_deadline(state)
        if deadline is None:
            return False
        session = state.next_session
        at, place = max(deadline[0], now), (state.stage, session and (session.number, session.status))
        kept = self._alarm is not None and self._alarm <= at
        if kept and (self._alarm == at or self._place == place):
            return False
        self._write("timer" if self._alarm is None else "timer_again")
        self._alarm, self._place = at, place
        return True

    def _publish(self, state: State) -> bool:
        wanted = _attributes(state)
        if not views.settled(state) or wanted == self._published:
            return False
        self._published = wanted
        self._write("search_attributes")
        return True

    def _write(self, what: str, *carried: Frozen) -> None:
        kinds = _WRITES[what]
        size = sum(_BYTES[kind] for kind in kinds) + sum(len(each.model_dump_json()) for each in carried)
        self._kinds.update(kinds)
        self._bytes += size
        self._run = (self._run[0] + len(kinds), self._run[1] + size)
        if what in _BILLED:
            self._billed[_BILLED[what]] += 1


def _attributes(state: State) -> dict[str, Any]:
    return {key: value for key, value in views.attributes(state) if value is not None}


def _receipt(state: State, given: Frozen) -> Frozen:
    receipt = state.receipt(getattr(given, "command_id", ""))
    assert receipt is not None  # noqa: S101 - an update that was applied
    return receipt
