"""Histories of the past replay in the workflow of today, and lead it to the same state.

Replaying clean is no proof of equality (a timer an hour later replays clean). So what the workflow remembers at the end
of each run is what it remembered when the run was recorded, to the last word; the core alone derives the same from the
history; and what the programme itself reported is what they say.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from duologue.audit import derive_chain, escalations, unfinished
from duologue.practice import events as e
from tests.replay import states
from tests.replay.record import RECORDINGS
from tests.replay.states import read, runs_of
from tests.support.programmes import events, replays
from tests.support.watched import differences, fingerprint, whole

ROOT = Path(__file__).resolve().parents[2]
RECORDED = states.names()


def test_every_course_of_events_is_there() -> None:
    assert set(RECORDED) == set(states.kept()) == set(RECORDINGS)
    assert set(RECORDINGS) >= {
        "demo",
        "full_dialogue",
        "full_dialogue_continued",
        "by_signals",
        "missed_and_held",
        "ladder",
        "twelve_weeks",
        "tail",
        "paused_and_resumed",
        "concern",
        "cancelled",
        "hostile",
        "outage",
        "reset",
    }


def test_all_were_recorded_on_the_real_server() -> None:
    assert {read(name)["server"] for name in RECORDED} == {"1.32.0"}


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_history_replays_to_the_same_state(name: str) -> None:
    recording = read(name)
    runs, kept = runs_of(recording), states.kept()[name]
    assert len(kept) == len(runs)
    for number, led_to in enumerate(kept, 1):
        replayed = await replays(runs[number - 1])
        assert fingerprint(replayed) == led_to
        assert differences(whole(replayed), whole((await derive_chain(runs[:number])).state)) == ""
    derived = await derive_chain(runs)
    state, said = derived.state, recording["said"]
    assert unfinished(derived) == ()
    assert (state.seq, state.digest, state.ending) == (said["seq"], said["digest"], said["ending"])
    assert dict(state.counts) == said["counts"]


async def test_the_state_does_not_depend_on_the_order_of_sets() -> None:
    """`make` fixes the seed of hashes, and with it the order of sets; here another is tried, in another process."""
    seed = str(1 + int(os.environ.get("PYTHONHASHSEED", "0").replace("random", "0")))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.replay.states"),
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert json.loads(said) == states.kept()


async def test_among_them_are_escalations_and_all_have_ended() -> None:
    derived = await derive_chain(runs_of(read("missed_and_held")))
    assert [(c.session, c.status, c.by) for c in escalations(derived)] == [(1, "ended", "DialogueOpened")]


def test_a_chain_of_runs_is_among_them() -> None:
    assert len(read("full_dialogue_continued")["runs"]) > 1


async def journal_of(name: str) -> list[e.Event]:
    return (await derive_chain(runs_of(read(name)))).events


async def test_the_twelve_weeks_are_a_mixed_course() -> None:
    journal = await journal_of("twelve_weeks")
    made = [event.session for event in journal if isinstance(event, e.SessionMade)]
    assert Counter(session.origin for session in made) == {"curriculum": 12, "deferred": 1, "asked": 1}
    [ended] = [event for event in journal if isinstance(event, e.Ended)]
    assert ended.ending == "completed"
    assert ended.at - journal[0].at > timedelta(weeks=12)
    happened = Counter(type(event) for event in journal)
    for once in (
        e.SessionMissed,
        e.SessionUnfinished,
        e.PauseBegan,
        e.PauseEnded,
        e.EscalationBegan,
        e.Alerted,
    ):
        assert happened[once], once
    sent = {event.name for event in journal if isinstance(event, e.CommandApplied)}
    assert {"reschedule", "pause", "acknowledge", "ask_dialogue"} <= sent


async def test_the_ladder_is_climbed_to_the_gentle_end() -> None:
    journal = await journal_of("ladder")
    assert sum(isinstance(event, e.SessionMissed) for event in journal) == 3
    assert [event.ending for event in journal if isinstance(event, e.Ended)] == ["silence"]


async def test_the_demonstration_is_there_with_all_that_befell_it() -> None:
    runs = runs_of(read("demo"))
    journal = await journal_of("demo")
    sessions = Counter(type(event) for event in journal)
    assert (sessions[e.SessionMissed], sessions[e.SessionEnded]) == (1, 2)
    assert any(events(run, "workflow_execution_signaled") for run in runs), "sent while no worker ran"


@pytest.mark.parametrize(
    ("name", "updates", "signals"), [("by_signals", False, True), ("full_dialogue", True, False)]
)
def test_programmes_are_there_that_were_sent_everything_in_one_way(
    name: str, *, updates: bool, signals: bool
) -> None:
    [run] = runs_of(read(name))
    assert bool(events(run, "workflow_execution_update_accepted")) == updates
    assert bool(events(run, "workflow_execution_signaled")) == signals


def test_a_reset_is_there_and_what_it_sent_again() -> None:
    [run] = runs_of(read("reset"))
    assert [a.failure.message for a in events(run, "workflow_task_failed")] == ["recorded"]
    assert len(events(run, "workflow_execution_update_admitted")) == 2


async def test_a_concern_and_the_going_on_after_the_last_session_are_there() -> None:
    told = [m.message for m in await journal_of("concern") if isinstance(m, e.MessageSent)]
    assert "safeguarding-1" in {m.ref for m in told}
    begun = [event for event in await journal_of("tail") if isinstance(event, e.TailBegan)]
    assert len(begun) == 1


async def test_a_tampered_history_is_noticed() -> None:
    recording = read("full_dialogue")
    [run] = runs_of(recording)
    signalled = next(
        event for event in run.events if event.HasField("workflow_execution_update_accepted_event_attributes")
    )
    payload = (
        signalled.workflow_execution_update_accepted_event_attributes.accepted_request.input.args.payloads[0]
    )
    payload.data = payload.data.replace(b'"by":"a"', b'"by":"b"')
    state = (await derive_chain([run])).state
    assert state.digest != recording["said"]["digest"]
