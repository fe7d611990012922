"""Following a programme: each journal entry once, in order, across outages of workers and of the service.

A look asks the service how long the history is, which costs nothing; only if it has grown, the programme is queried,
which is a billed action.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from duologue.cli import context, output, shown
from duologue.cli.errors import Problem
from duologue.client import Programme, Unreachable
from duologue.practice.journal import QUIET
from duologue.practice.state import JournalEntry
from duologue.practice.views import Overview

_PASSING = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED)


@dataclass
class Follower:
    """Remembers what has been told."""

    seq: int | None = None
    """The last entry that was told; None: nothing yet."""
    silent: bool = field(default=False)
    """Whether nothing answers just now, which is told once."""

    def news(self, overview: Overview) -> tuple[int, tuple[JournalEntry, ...]]:
        """How many entries were missed since the last look, and those to be told now, each only ever once."""
        last = self.seq
        fresh = tuple(e for e in overview.journal if last is None or e.seq > last)
        self.seq = max(overview.seq, last or 0)
        missed = fresh[0].seq - (last + 1) if fresh and last is not None else 0
        return missed, fresh


async def watch(programme: Programme, *, interval: float, everything: bool, as_json: bool) -> None:
    """Print entries as they come, until the last message is settled and the run is closed.

    Raises `UnknownProgramme`, at the first look `Unreachable`, and `Problem` where it was closed from outside.
    """
    follower, seen = Follower(), None
    while True:
        try:
            length, open_ = await _look(programme)
            if length != seen:
                overview = await context.answer(programme.overview(), programme.id)
                seen, follower.silent = length, False
                _tell(follower, overview, everything=everything, as_json=as_json)
                if not open_:
                    _close(overview, as_json=as_json)
                    return
        except (Unreachable, RPCError) as error:
            if isinstance(error, RPCError) and error.status not in _PASSING:
                raise
            if follower.seq is None:
                raise
            if not follower.silent:
                follower.silent = True
                output.say(
                    output.soft("nothing answers just now; is a worker running? Still trying …"), error=True
                )
        await asyncio.sleep(interval)


async def _look(programme: Programme) -> tuple[tuple[str, int], bool]:
    """What changes whenever anything happens, and whether the programme still runs."""
    try:
        described = await programme.handle.describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            await programme.overview()  # which says so in the client's own words
        raise
    running = described.status == WorkflowExecutionStatus.RUNNING
    return (described.run_id or "", described.history_length), running


def _tell(follower: Follower, overview: Overview, *, everything: bool, as_json: bool) -> None:
    first = follower.seq is None
    missed, fresh = follower.news(overview)
    if as_json:
        for of in fresh:
            output.emit(of, indent=None)
        return
    if first:
        hint = "" if overview.ending else " Ctrl-C ends watching, not the programme."
        output.say(output.strong(f"Programme {overview.programme}"), f": {overview.stage}.{hint}")
    if missed:
        output.say(output.soft(f"… {missed} entries came too fast to be told here; the history has them all"))
    for of in fresh:
        if everything or of.what not in QUIET:
            output.say(shown.journal(of))


def _close(overview: Overview, *, as_json: bool) -> None:
    if overview.ending is None:
        message = "The service closed it without an end of its own (terminated?)."
        raise Problem("terminated", message, f"Where it stood: duologue show {overview.programme}")
    if not as_json:
        counts = ", ".join(f"{n} {what}" for what, n in sorted(overview.counts.items())) or "none"
        output.say(output.strong(f"Over: {overview.ending}"), f". Sessions: {counts}.")
