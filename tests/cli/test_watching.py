"""Following a programme that is out of reach now and then: each entry once, and nothing asked for nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from duologue.cli.errors import Problem
from duologue.cli.watching import Follower, watch
from duologue.client import Unreachable
from duologue.practice.state import JOURNAL_KEPT, JournalEntry
from duologue.practice.views import Overview, overview
from duologue.simulate import reference_plan, simulate

SIMULATION = simulate(reference_plan(sessions=1))
SIMULATION.run()
FULL = overview(SIMULATION.state)


def at(seq: int, *, ending: bool = False) -> Overview:
    """The overview after so many entries."""
    instant = FULL.journal[0].at
    journal = tuple(
        JournalEntry(seq=n, at=instant, what="TurnMade", by="a", detail="1: send")
        for n in range(max(1, seq - JOURNAL_KEPT + 1), seq + 1)
    )
    return FULL.with_(seq=seq, journal=journal, ending="completed" if ending else None)


@dataclass
class Scripted:
    """A programme that shows what is in a script: an overview, an outage, or (None) that nothing has happened."""

    script: Iterator[Overview | Exception | None]
    id: str = "scripted"
    seq: int = 0
    queries: int = 0
    status: WorkflowExecutionStatus = WorkflowExecutionStatus.RUNNING

    @property
    def handle(self) -> Any:
        return self

    async def describe(self) -> Any:
        self.next = next(self.script)
        if isinstance(self.next, RPCError):
            raise self.next
        self.seq = self.next.seq if isinstance(self.next, Overview) else self.seq
        grown = -1 if isinstance(self.next, Exception) else self.seq
        over = isinstance(self.next, Overview) and self.next.ending
        status = WorkflowExecutionStatus.COMPLETED if over else self.status
        return SimpleNamespace(run_id="run", history_length=grown, status=status)

    async def overview(self) -> Overview:
        self.queries += 1
        assert self.next is not None, "asked, though nothing has happened"
        if isinstance(self.next, Exception):
            raise self.next
        return self.next


async def follow(*script: Overview | Exception | None) -> Scripted:
    programme = Scripted(iter(script))
    await watch(programme, interval=0, everything=False, as_json=False)  # type: ignore[arg-type]  # it looks like one
    return programme


def seqs(out: str) -> list[int]:
    return [int(line.split()[3]) for line in out.splitlines() if line.endswith("session 1, A: send")]


async def test_each_entry_once_across_outages(capsys: pytest.CaptureFixture[str]) -> None:
    gone = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
    programme = await follow(
        at(3), None, None, Unreachable("no worker"), gone, at(5), None, at(5), at(9, ending=True)
    )
    said = capsys.readouterr()
    assert seqs(said.out) == list(range(1, 10))
    assert said.err.count("nothing answers just now") == 1
    assert said.out.splitlines()[-1].startswith("Over: completed")
    assert programme.queries == 4


async def test_what_came_too_fast_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    await follow(at(3), at(3 + JOURNAL_KEPT + 7), at(60, ending=True))
    out = capsys.readouterr().out
    assert "… 7 entries came too fast" in out
    assert seqs(out) == [1, 2, 3, *range(11, 61)]


async def test_the_first_look_does_not_wait() -> None:
    with pytest.raises(Unreachable):
        await follow(Unreachable("no worker"))


async def test_a_terminated_programme_ends_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    programme = Scripted(iter([at(3)]), status=WorkflowExecutionStatus.TERMINATED)
    with pytest.raises(Problem, match="terminated") as closed:
        await watch(programme, interval=0, everything=False, as_json=True)  # type: ignore[arg-type]  # as above
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert said.err == "", "what went wrong is told in one place, as JSON where that is wanted"
    assert (closed.value.error, closed.value.code) == ("terminated", 1)


def test_a_programme_that_stands_still_tells_nothing() -> None:
    follower = Follower()
    assert len(follower.news(at(3))[1]) == 3
    assert follower.news(at(3)) == (0, ())
    assert follower.news(at(2)) == (0, ())
