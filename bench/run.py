"""Counts what a turn, a session and a programme cost, exactly, from histories; fails if a budget does not hold.

`make bench` prints a table; `--json` prints the figures for machines. Everything is counted on the time-skipping
server, but for the events around a session: those on the real one, with a provider that takes its time over each
message by itself, so that hardly two answers share a workflow task. What a dialogue of more than half an hour costs,
which wakes its programme once to find that nobody is silent, stands beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import SystemRandom, uniform

from budget import Figure, against_budget
from rich.console import Console
from rich.table import Table
from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client as TemporalClient
from temporalio.contrib.pydantic import pydantic_data_converter

from duologue.accounting import Account, account, by_task, kind_of
from duologue.client import Client
from duologue.couple import Couple
from duologue.files import builtin_curricula, load_curriculum
from duologue.habits import REFERENCE, Habits, Manner
from duologue.on_server import (
    PATIENCE,
    Driver,
    RealClock,
    recording_worker,
    simulate_on_server,
    time_skipping,
)
from duologue.practice.asks import DELIVER, RESOLVE, Delivered, Message
from duologue.practice.grammar import MOST_LINES, Act
from duologue.practice.plan import Curriculum, Item, Listed, People, Plan
from duologue.practice.policy import Policy
from duologue.practice.values import WORDS_BYTES
from duologue.simulate import reference_plan, simulate
from duologue.worker import embedded
from duologue.worker.settings import Settings

UPDATE = frozenset(
    {
        *("workflow_task_scheduled", "workflow_task_started", "workflow_task_completed"),
        *("workflow_execution_update_accepted", "workflow_execution_update_completed"),
    }
)
SIGNAL = frozenset(
    {
        *("workflow_task_scheduled", "workflow_task_started", "workflow_task_completed"),
        "workflow_execution_signaled",
    }
)
_APART = 0.7
"""Seconds between the beginnings of couples on the real server, whose sessions have reminders every two."""

_TAKES = (0.05, 0.6)
"""Seconds that the delivery of a message takes there, at least and at most."""

AROUND = (Act.READY, Act.APPRECIATE)
"""The turns that open and close a session: what follows from them is counted as around it."""


async def main() -> list[Figure]:
    """Count everything."""
    pool = ProcessPoolExecutor(1)
    largest = asyncio.get_running_loop().run_in_executor(pool, _largest_state)
    async with time_skipping() as environment:
        update = await simulate_on_server(reference_plan(), manner=REFERENCE, environment=environment)
        signal = await simulate_on_server(
            reference_plan("by-signal", 1), manner=REFERENCE, environment=environment, by_signal=True
        )
        undated = await simulate_on_server(
            reference_plan("undated", 1),
            manner=REFERENCE,
            environment=environment,
            by_signal=True,
            dated=False,
        )
    assert update.result is not None
    assert update.result.counts == {"done": 12}
    figures = [against_budget("state_bytes", await largest, "a couple who say the most they may")]
    pool.shutdown()
    figures += _of_turns("turn_by_update", UPDATE, update.events)
    figures += _of_turns("turn_by_signal", SIGNAL, signal.events)
    counts = [len(turn) for turn in _turns(undated.events)]
    figures.append(
        against_budget("turn_undated", max(counts), f"each of {len(counts)}; {min(counts)} at least")
    )
    around = [_around(part) for part in _sessions(update.events)[1:]]
    figures.append(against_budget("session_actions", max(sum(a.billed.values()) for a in around)))
    most = max(a.events for a in around)
    figures.append(
        Figure("events around one of 37 minutes", most, note="the test server; no answers share a task")
    )
    figures.append(await _events_around_a_real_session())
    whole = account(update.events)
    runs = 1 + whole.billed.get("continue_as_new", 0)
    figures.append(against_budget("programme_runs", runs))
    figures.append(against_budget("programme_events", whole.events))
    figures.append(against_budget("programme_actions", whole.actions))
    figures.append(against_budget("programme_bytes", whole.bytes))
    return figures


def _largest_state() -> int:
    """The most bytes that the state has in the reference programme, and with a couple who say the most they may."""
    most = Habits(
        exchanges=20,
        corrections=3,
        asks_more=2,
        lines=MOST_LINES,
        keeps_notes=10,
        wordiness=WORDS_BYTES,
        reaction=timedelta(seconds=1),
    )
    twelve = reference_plan().with_(curriculum=load_curriculum(builtin_curricula()[0]))
    sizes = []
    for plan, manner in ((reference_plan(), REFERENCE), (twelve, Manner(a=most, b=most))):
        simulation = simulate(plan, manner=manner)
        sizes += [simulation.state.json_bytes for _ in simulation]
        assert not simulation.refusals
        assert simulation.state.over
    return max(sizes)


def _of_turns(key: str, bare: frozenset[str], events: Sequence[HistoryEvent]) -> Iterator[Figure]:
    """The cost of every turn within a dialogue."""
    turns = _turns(events)
    counts = {len(step) for step in turns}
    yield against_budget(key, max(counts), f"each of {len(turns)}")
    extras = sum(kind_of(event) not in bare for step in turns for event in step)
    yield against_budget("turn_extras", extras, key.removeprefix("turn_").replace("_", " "))


def _turns(events: Sequence[HistoryEvent]) -> list[list[HistoryEvent]]:
    turns = [list(step) for step in by_task(events) if any(_is_turn(event) for event in step)]
    assert len(turns) >= 30, f"only {len(turns)} turns were made"
    return turns


def _is_turn(event: HistoryEvent) -> bool:
    accepted = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
    signaled = event.workflow_execution_signaled_event_attributes
    for name, given in ((accepted.name, accepted.args), (signaled.signal_name, signaled.input)):
        if name == "turn":
            return json.loads(given.payloads[0].data)["act"] not in AROUND
    return False


def _sessions(events: Sequence[HistoryEvent]) -> list[Sequence[HistoryEvent]]:
    """The history cut where the time of each session is asked for; what comes before the first is left out."""
    asked = [place for place, event in enumerate(events) if _asks_for_a_time(event)]
    return [events[a:b] for a, b in pairwise(asked)]


def _asks_for_a_time(event: HistoryEvent) -> bool:
    """At the start of a programme the calendar is asked for the message windows alone."""
    scheduled = event.activity_task_scheduled_event_attributes
    if scheduled.activity_type.name != RESOLVE:
        return False
    return str(json.loads(scheduled.input.payloads[0].data)["want"]) != "windows"


def _around(events: Sequence[HistoryEvent]) -> Account:
    """What a session costs apart from its turns."""
    whole = account(events)
    assert whole.billed["activity"] == 7, "a time, two invitations and four reminders"
    turns = whole.billed["update"]
    bare = dict.fromkeys(UPDATE, turns)
    return Account(
        by_kind={kind: n - bare.get(kind, 0) for kind, n in whole.by_kind.items()},
        billed={what: n for what, n in whole.billed.items() if what != "update"},
        bytes=whole.bytes,
    )


async def _events_around_a_real_session() -> Figure:
    """Which answers share a task is chance: so three are counted, and the dearest has to keep to the budget."""
    counted = sorted(_around(_sessions(events)[1]).events for events in await _on_the_real_server())
    note = f"the real server; the most of {', '.join(map(str, counted))}"
    return against_budget("session_events", max(counted), note)


def _hurried(programme: str) -> tuple[Plan, Manner]:
    """The reference session with seconds for what are hours and minutes: as many timers, of the same kinds.

    A short one comes before, so that the next begins where one has ended; a third is booked and not held.
    """
    plan = reference_plan(programme)
    policy = Policy.model_validate(
        {
            "opens_before": "1s",
            "ask_absent_after": "20s",
            "missed_after": "40s",
            "notice": "0s",
            "reminders": ["4s", "2s"],
            "idle_after": "60s",
            "window": "80s",
        }
    )
    plan = plan.with_(
        people=People(a=plan.people.a.with_(quiet=None), b=plan.people.b.with_(quiet=None)),
        cadence=Listed(at=("+3s", "+18s", "+10min")),
        curriculum=Curriculum(
            name="hurried", items=(Item(kinds=("vision",)), Item(kinds=("full",)), Item(kinds=("full",)))
        ),
        policy=policy,
    )
    quick = {"reaction": timedelta(milliseconds=20), "answers_after": timedelta(0), "lines": 1}
    return plan, Manner(a=REFERENCE.a.with_(**quick), b=REFERENCE.b.with_(**quick))


async def _on_the_real_server() -> list[Sequence[HistoryEvent]]:
    """The histories of three couples' hurried sessions on the embedded server, none at the moment of another's."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(data_dir=Path(folder), server_port=free_port(), health_port=0)
        async with embedded.running(settings, headless=True) as server:
            temporal = await TemporalClient.connect(
                server.address, data_converter=pydantic_data_converter, identity="duologue-bench"
            )
            async with recording_worker(temporal, _in_its_own_time):
                client = Client(temporal, plain=True, query_patience=PATIENCE)
                return await asyncio.gather(*(_one_of_three(client, number) for number in range(3)))


@activity.defn(name=DELIVER)
async def _in_its_own_time(message: Message) -> Delivered:
    await asyncio.sleep(uniform(*_TAKES))
    return Delivered(key=message.key, outcome="delivered", channel="recorded")


async def _one_of_three(client: Client, number: int) -> Sequence[HistoryEvent]:
    await asyncio.sleep(number * _APART)
    plan, manner = _hurried(f"hurried-{number}")
    programme, clock = await client.start(plan), RealClock()
    driver = Driver(programme, Couple(plan.programme, manner), clock)
    async for _ in driver.practise(await clock.now() + timedelta(minutes=1)):
        pass
    return list((await programme.handle.fetch_history()).events)


def free_port() -> int:
    """A port of the loopback address that is free. Systems give out by themselves what lies above these."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = SystemRandom().randrange(10_000, 30_000)
            probe.bind(("127.0.0.1", port))
            return port


def _show(figures: Sequence[Figure]) -> None:
    table = Table(title="What it costs, as counted facts")
    for column in ("what", "counted", "budget", "", "note"):
        table.add_column(column, justify="right" if column in ("counted", "budget") else "left")
    for figure in figures:
        budget = "" if figure.most is None else f"{'=' if figure.exactly else '≤'} {figure.most:,.0f}"
        verdict = "" if figure.most is None else "ok" if figure.within else "[bold red]OVER[/]"
        table.add_row(figure.name, f"{figure.counted:,.0f}", budget, verdict, figure.note)
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    counted = asyncio.run(main())
    if arguments.json:
        print(json.dumps([asdict(figure) | {"within": figure.within} for figure in counted], indent=2))
    else:
        _show(counted)
    sys.stdout.flush()
    sys.stderr.flush()
    # The interpreter's own end was seen to abort now and then (sdk-python issue 300); everything is done and flushed.
    os._exit(0 if all(figure.within for figure in counted) else 1)
