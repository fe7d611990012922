"""The demonstration: one couple, for real, on the embedded server, from consent to the replay of its history.

It plays both partners through the client, kills the worker in mid-dialogue, and prints what happens as it happens.
It shows the engine and holds nothing of it; the couple's words here are ours.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from temporalio.common import HeaderCodecBehavior
from temporalio.worker import Replayer

from duologue.accounting import account
from duologue.audit.derive import derive
from duologue.client import Client, Programme, Refused, make
from duologue.codec import connecting
from duologue.files import load_programme
from duologue.practice import views
from duologue.practice.journal import QUIET, phrase
from duologue.practice.messages import Receipt
from duologue.practice.plan import Plan
from duologue.practice.state import SCREEN, State
from duologue.practice.values import PARTNERS, By, Partner
from duologue.practice.views import Overview, Result, View, ViewRequest
from duologue.worker import codec_server, embedded
from duologue.worker.keys import keys_of
from duologue.worker.runner import sandbox
from duologue.worker.settings import Settings
from duologue.worker.vaulting import vault_of
from duologue.workflows.programme import PracticeProgramme

TASK_QUEUE = "duologue-demo"
"""A queue of its own, so that a worker of `duologue up` does not take over from the one that is killed."""

PATIENCE = 60.0
"""Seconds to wait for anything before the demonstration says that something is wrong."""

EVERYBODY: tuple[By, ...] = (*PARTNERS, "facilitator")
"""Who sees a programme through a view of their own."""

_Turns = tuple[tuple[str, Partner, str | None], ...]

_TURN_A: _Turns = (
    ("send", "a", "This week I felt light when we cooked together without hurrying."),
    ("mirror", "b", "You felt light when we cooked."),
    ("correct", "a", "Nearly: what made it light was that nobody hurried."),
    ("mirror", "b", "What made it light for you was cooking without anybody hurrying."),
    ("confirm", "a", None),
    ("no_more", "a", None),
    ("summarise", "b", "Cooking together without hurry made your week lighter."),
    ("confirm", "a", None),
    ("ask_more", "b", "I see some of it. What is it about hurry?"),
    ("send", "a", "When we hurry I feel alone, even beside you."),
    ("mirror", "b", "When we hurry you feel alone, even beside me."),
    ("confirm", "a", None),
    ("no_more", "a", None),
    ("summarise", "b", "Without hurry you feel with me; in a hurry you feel alone."),
    ("confirm", "a", None),
    ("validate", "b", "That makes sense, because hurry leaves no room to look up."),
    ("empathise", "b", "I imagine you felt lonely then, and warm this time."),
    ("confirm", "a", None),
)
_TURN_B: _Turns = (
    ("send", "b", "I felt trusted when you let me season it my way."),
    ("mirror", "a", "You felt trusted when I let you season it your way."),
    ("confirm", "b", None),
    ("no_more", "b", None),
    ("summarise", "a", "My letting go of the spoon felt like trust to you."),
    ("confirm", "b", None),
    ("validate", "a", "That makes sense, because I often take over."),
    ("empathise", "a", "I imagine you felt proud, and at ease."),
    ("confirm", "b", None),
)
_OPENING: _Turns = (
    ("frame", "a", "I would like to tell you about Tuesday evening, to share something good."),
    ("mirror", "b", "You would like to share something good about Tuesday evening."),
    ("confirm", "a", None),
)
_CLOSING: _Turns = (
    ("appreciate", "a", "Thank you for staying with it."),
    ("appreciate", "b", "Thank you for telling me."),
)
_LISTENING: _Turns = (
    ("frame", "b", "I would like to talk about Sunday's walk."),
    ("mirror", "a", "You would like to talk about Sunday's walk."),
    ("confirm", "b", None),
    ("send", "b", "I liked how quiet we were together."),
    ("mirror", "a", "You liked how quiet we were together."),
    ("confirm", "b", None),
    ("no_more", "b", None),
    ("switch", "b", None),
    ("switch", "a", None),
    ("send", "a", "I liked that you took my hand."),
    ("mirror", "b", "You liked that I took your hand."),
    ("confirm", "a", None),
    ("no_more", "a", None),
    *_CLOSING,
)

_LOOK = 0.2
_PACE = 0.25
_AHEAD = 4.0
T = TypeVar("T")


class DemoError(Exception):
    """The demonstration did not come to its end; the text says where it stopped."""


@dataclass
class Demo:
    """One run of the demonstration, with what it has counted."""

    settings: Settings
    console: Console
    address: str
    began: float = field(default_factory=time.monotonic)
    turns: int = 0
    refusals: int = 0
    kills: int = 0
    seen: int = 0
    process: subprocess.Popen[bytes] | None = None

    def say(self, who: str, text: str, style: str | None = None) -> None:
        """One line of the timeline: seconds since the beginning, who, what."""
        line = f"{time.monotonic() - self.began:6.1f}s  {who:<8}{text}"
        self.console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)

    async def until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look until there is something. Raises `DemoError` with what was waited for in vain."""
        deadline = time.monotonic() + PATIENCE
        while (found := await look()) is None:
            if time.monotonic() > deadline:
                raise DemoError(f"Waited {PATIENCE:.0f} s for {what} in vain; see {self.log}.")
            await asyncio.sleep(_LOOK)
        return found

    @property
    def log(self) -> Path:
        """Where the worker's own lines go."""
        return self.settings.data_dir / "demo-worker.log"

    def start_worker(self) -> None:
        """A worker in a process of its own, as in production, so that it can be killed."""
        own = {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_NAMESPACE": "default",
            "DUOLOGUE_TASK_QUEUE": TASK_QUEUE,
            "DUOLOGUE_HEALTH_PORT": "0",
        }
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "duologue", "worker"]
            self.process = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log)  # noqa: S603
        self.say("worker", f"started (process {self.process.pid})", "cyan")

    def stop_worker(self, how: signal.Signals) -> None:
        """End the worker; SIGKILL gives it no chance to tidy up."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    async def narrate(self, programme: Programme) -> None:
        """Print what the journal gains; entries are numbered, so that none comes twice."""
        overview = await programme.overview()
        for entry in overview.journal:
            if entry.seq <= self.seen:
                continue
            self.seen = entry.seq
            if entry.what not in QUIET and entry.what != "TurnMade":
                self.say("engine", phrase(entry), "dim")

    async def turn(self, programme: Programme, act: str, by: Partner, words: str | None = None) -> Receipt:
        """Take one turn for a partner, and show it."""
        receipt = await programme.do("turn", by, act=act, **({"words": words} if words else {}))
        self.turns += 1
        self.say(
            by.upper(),
            act.replace("_", " ") + (f"  \u201c{words}\u201d" if words else ""),
            "bold" if words else None,
        )
        await self.narrate(programme)
        await asyncio.sleep(_PACE)
        return receipt

    async def turns_of(self, programme: Programme, turns: Iterable[tuple[str, Partner, str | None]]) -> None:
        """Take turns in their order."""
        for act, by, words in turns:
            await self.turn(programme, act, by, words)

    async def refused(self, programme: Programme, act: str, by: Partner, words: str) -> None:
        """Try something that is not allowed now: the programme says no and nothing changes."""
        try:
            await programme.do("turn", by, act=act, words=words)
        except Refused as refusal:
            self.refusals += 1
            self.say(by.upper(), f"{act} is refused: {refusal.reason}: {refusal}", "yellow")
        else:
            raise DemoError(f"'{act}' by {by} should have been refused.")

    async def open_to_check_in(self, programme: Programme) -> int:
        """Wait until a session can be checked in to; answers with its number."""

        async def look() -> int | None:
            await self.narrate(programme)
            dialogue = (await programme.view("b")).dialogue
            return dialogue.session if dialogue else None

        return await self.until("the next session to open", look)


async def run(settings: Settings, console: Console, file: Path | None = None) -> None:
    """The whole demonstration. Raises `DemoError`, and what the server or the client say no with."""
    console.print(
        "Duologue: one couple's practice programme, for real, in about a minute.\n", highlight=False
    )
    async with embedded.running(settings) as server, codec_server.beside(settings, server):
        demo = Demo(settings=settings, console=console, address=server.address)
        how = "found running" if server.reused else f"started (process {server.pid})"
        demo.say("server", f"Temporal {how} at {server.address}, data in {settings.data_dir}/", "cyan")
        codec = connecting(keys_of(settings, server.address))
        vault = vault_of(settings, server.address, lambda text: demo.say("vault", text))
        client = await Client.connect(
            target_host=server.address, namespace="default", task_queue=TASK_QUEUE, keys=vault, **codec
        )
        plan = _plan(file)
        try:
            demo.start_worker()
            programme = await client.start(plan)
            demo.say("couple", f"programme '{plan.programme}' is started: {plan.curriculum.name}", "cyan")
            await _enrol(demo, programme)
            await _full_dialogue(demo, programme)
            await _missed_and_held(demo, programme)
            result = await programme.result()
            await demo.narrate(programme)
            overview, at = await programme.overview(), datetime.now(UTC)
            # Without keys, as the core has none: what is sealed stays sealed.
            as_sent = Client(client.temporal, TASK_QUEUE, plain=True).programme(programme.id)
            seen = [await as_sent.view(by, now=at) for by in EVERYBODY]
        finally:
            demo.stop_worker(signal.SIGTERM)
            await vault.close()
        derived = await _replay(demo, client, programme)
        same = [overview, *seen] == [views.overview(derived), *(_seen(derived, by, at) for by in EVERYBODY)]
        if not same or (derived.digest, derived.seq) != (result.digest, result.seq):
            raise DemoError("The core alone came to something else than the workflow.")
        demo.say(
            "audit",
            f"the core alone derives the same {derived.seq} entries, by their fingerprint, and all that each may see",
            "green",
        )
        await _sum_up(demo, programme, result, overview)


def _plan(file: Path | None) -> Plan:
    """The demonstration's programme file, under an id of its own so that it can be run again."""
    plan = load_programme(file or Path(__file__).with_name("demo.yaml"))
    return plan.with_(programme=f"{plan.programme}-{datetime.now(UTC):%Y%m%d-%H%M%S}")


async def _enrol(demo: Demo, programme: Programme) -> None:
    for by in PARTNERS:
        await programme.do("consent", by)
        demo.say(by.upper(), "consents")
        intake = next(q for q in (await programme.view(by)).questions if q.kind == "intake")
        await programme.do("reply", by, question=intake.id, answers=dict.fromkeys(SCREEN, "yes"))
        demo.say(by.upper(), "answers the private suitability questions")
        await demo.narrate(programme)


async def _full_dialogue(demo: Demo, programme: Programme) -> None:
    await demo.open_to_check_in(programme)
    await demo.turns_of(programme, (("ready", "a", None), ("ready", "b", None), *_OPENING))
    await demo.refused(programme, "send", "b", "And I wanted to say…")
    await demo.turns_of(programme, _TURN_A[:6])
    await _kill_the_worker(demo, programme, _TURN_A[6])
    await demo.turns_of(programme, _TURN_A[7:])
    await demo.turns_of(programme, (("switch", "a", None), ("switch", "b", None), *_TURN_B, *_CLOSING))


async def _kill_the_worker(demo: Demo, programme: Programme, during: tuple[str, Partner, str | None]) -> None:
    """Kill it without warning, send the next turn all the same, and start another: nothing is lost."""
    before = await programme.overview()
    process = demo.process.pid if demo.process else 0
    demo.stop_worker(signal.SIGKILL)
    demo.kills += 1
    demo.say("worker", f"killed (SIGKILL, process {process}) in the middle of the dialogue", "red")
    act, by, words = during
    command = make("turn", by, act=act, words=words, sent_at=datetime.now(UTC))
    await programme.signal(command)
    demo.say(
        by.upper(), f"{act}  \u201c{words}\u201d  (sent while no worker runs: the server keeps it)", "bold"
    )
    demo.start_worker()

    # Sent once more as an update: an id is applied once, whichever way it came, and answers with the same receipt.
    receipt = await programme.send(command, patience=timedelta(seconds=PATIENCE))
    after = await programme.overview()
    if receipt.command_id != command.command_id or after.seq <= before.seq or after.session != before.session:
        raise DemoError("The dialogue did not go on where it stood.")
    demo.turns += 1
    demo.say(
        "worker",
        f"the new one has taken it: the dialogue goes on in '{after.movement}', nothing is lost",
        "green",
    )
    await demo.narrate(programme)


async def _missed_and_held(demo: Demo, programme: Programme) -> None:
    session = await demo.open_to_check_in(programme)
    await demo.turn(programme, "ready", "b")
    demo.say("A", "does not come", "red")

    async def offered() -> datetime | None:
        await demo.narrate(programme)
        seen = next(s for s in (await programme.view("a")).sessions if s.number == session)
        ahead = [p for p in seen.proposals.values() if (p - datetime.now(UTC)).total_seconds() > _AHEAD]
        return ahead[0] if seen.status == "to_book" and ahead else None

    at = await demo.until("the missed session to be offered again", offered)
    await programme.do("reschedule", "a", session=session, at=at)
    demo.say("A", f"books session {session} again, for one of the times offered")
    await demo.open_to_check_in(programme)
    await demo.turns_of(programme, (("ready", "a", None), ("ready", "b", None), *_LISTENING))


def _seen(derived: State, by: By, at: datetime) -> View:
    return views.view(derived, ViewRequest(by=by, now=at))


async def _replay(demo: Demo, client: Client, programme: Programme) -> State:
    history, converter = await programme.handle.fetch_history(), client.temporal.data_converter
    replayer = Replayer(
        workflows=[PracticeProgramme],
        data_converter=converter,
        header_codec_behavior=HeaderCodecBehavior.CODEC,
        workflow_runner=sandbox(),
        namespace=client.temporal.namespace,
    )
    await replayer.replay_workflow(history)
    demo.say(
        "audit",
        f"the whole history ({len(history.events)} events) replays in the sandboxed workflow",
        "green",
    )
    return (await derive(history, codec=converter.payload_codec)).state


async def _sum_up(demo: Demo, programme: Programme, result: Result, overview: Overview) -> None:
    costs = account((await programme.handle.fetch_history()).events)
    table = Table(title="What happened", title_justify="left", show_header=False, box=None, pad_edge=False)
    rows = (
        ("programme", f"{result.programme}: {result.stage}"),
        ("sessions", ", ".join(f"{n} {what}" for what, n in sorted(result.counts.items()))),
        ("turns taken", str(demo.turns)),
        ("out of turn, refused", str(demo.refusals)),
        ("workers killed", str(demo.kills)),
        ("journal", f"{result.seq} entries, fingerprint {result.digest}"),
        ("history", f"{costs.events} events, {costs.actions} billed actions, {costs.bytes / 1024:.0f} KiB"),
        ("signals refused", str(overview.refused)),
    )
    for row in rows:
        table.add_row(*row)
    demo.console.print()
    demo.console.print(table)
    ui = f"http://127.0.0.1:{demo.settings.ui_port}/namespaces/default/workflows"
    demo.console.print(f"\nTo look at it: make up, then {ui}", highlight=False, soft_wrap=True)
