"""The simulator and the synthetic couple, on the pure core."""

import json
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from duologue.couple import Couple
from duologue.files import builtin_curricula, load_curriculum
from duologue.habits import ORDINARY, REFERENCE, STEADY, Habits, Manner
from duologue.practice.grammar import MOST_LINES
from duologue.practice.plan import OPT_IN, Curriculum, Item, KindName, People, Plan, Weekly
from duologue.practice.values import WORDS_BYTES
from duologue.practice.views import ViewRequest, view
from duologue.simulate import BEGINS, Simulation, reference_plan, simulate, weeks_end

KINDS: tuple[KindName, ...] = (
    *("appreciation", "mirroring", "full", "vision", "commitment", "story"),
    *("trigger", "request", "caring", "review"),
)


def twelve_weeks(*, facilitators: bool = True) -> Plan:
    plan = reference_plan("twelve")
    people = People(a=plan.people.a.with_(opt_in=OPT_IN), b=plan.people.b.with_(opt_in=OPT_IN))
    curriculum = load_curriculum(builtin_curricula()[0])
    plan = plan.with_(people=people, curriculum=curriculum)
    return plan if facilitators else plan.with_(facilitators=())


def happenings(simulation: Simulation) -> list[str]:
    return [entry.what for entry in simulation.run()]


def test_a_steady_couple_holds_every_session_and_keeps_every_appointment() -> None:
    simulation = simulate(twelve_weeks())
    seen = happenings(simulation)
    assert simulation.state.ending == "completed"
    assert simulation.state.counts == {"done": 12}
    assert simulation.refusals == []
    assert seen.count("SessionBooked") == 12
    assert timedelta(weeks=11) < simulation.now - BEGINS < timedelta(weeks=12)
    assert simulation.state.notes, "the trigger log was kept"
    assert simulation.state.requests, "a request was chosen as a gift"


@pytest.mark.parametrize("seed", range(8))
def test_a_programme_comes_to_its_end_whatever_life_brings(seed: int) -> None:
    simulation = simulate(twelve_weeks(facilitators=seed % 2 == 0), seed=seed, manner=ORDINARY)
    simulation.run()
    assert simulation.state.ending == "completed"
    assert simulation.state.next_item == 12
    assert simulation.refusals == []


def test_the_same_seed_gives_the_same_course_and_another_another() -> None:
    digests = []
    for seed in (3, 3, 4):
        simulation = simulate(twelve_weeks(), seed=seed, manner=ORDINARY)
        simulation.run()
        digests.append(simulation.state.digest)
    assert digests[0] == digests[1] != digests[2]


def test_every_kind_is_walked_to_its_end_by_either_sender() -> None:
    plan = twelve_weeks().with_(
        curriculum=Curriculum(
            name="all", items=tuple(Item(kinds=(k,), first_sender=p) for k in KINDS for p in ("a", "b"))
        )
    )
    generous = Habits(corrections=2, asks_more=1, exchanges=3, lines=MOST_LINES, role_plays=1, keeps_notes=3)
    sparing = Habits(exchanges=1, lines=0, declines=1)
    for manner in (STEADY, Manner(a=generous, b=sparing), Manner(a=sparing, b=generous)):
        simulation = simulate(plan, manner=manner)
        simulation.run()
        assert simulation.refusals == []
        assert simulation.state.counts == {"done": 2 * len(KINDS)}


def test_misses_climb_the_ladder_and_are_booked_again() -> None:
    simulation = simulate(twelve_weeks(), manner=Manner(a=Habits(absent={2: 3})))
    entries = simulation.run()
    seen = [entry.what for entry in entries]
    assert simulation.state.counts == {"done": 12, "missed": 3}
    assert simulation.state.ending == "completed"
    missed = [entry.at for entry in entries if entry.what == "SessionMissed"]
    called = [entry.at for entry in entries if entry.what == "Alerted"]
    assert called == missed[1:], "the facilitator is called at the second and the third miss"
    assert seen.count("PauseBegan") == seen.count("PauseEnded") == 1
    assert seen.count("Decided") == 1
    assert [e.session for e in entries if e.what == "BookingBegan"] == [2, 2]


def test_without_a_facilitator_both_decide() -> None:
    plan = twelve_weeks(facilitators=False)
    simulation = simulate(plan, manner=Manner(b=Habits(absent={1: 3})))
    seen = happenings(simulation)
    assert "Alerted" not in seen
    assert seen.count("PauseEnded") == 1
    assert simulation.state.ending == "completed"


def test_a_silent_dialogue_is_nudged_kept_and_finished_another_day() -> None:
    simulation = simulate(
        reference_plan(sessions=2), seed=1, manner=Manner(a=Habits(falls_silent=0.5), b=Habits())
    )
    seen = happenings(simulation)
    assert simulation.state.counts["unfinished"] >= 1
    assert simulation.state.counts["done"] == 2
    assert "Nudged" in seen
    assert simulation.state.ending == "completed"


def test_stopping_deferring_timing_out_asking_and_pausing_all_happen() -> None:
    habits = Habits(stops=0.2, defers=0.4, times_out=0.4, asks=0.4, pauses=0.15)
    simulation = simulate(twelve_weeks(), seed=2, manner=Manner(a=habits, b=habits))
    entries = simulation.run()
    seen = {entry.what for entry in entries}
    assert {"PauseBegan", "PauseEnded", "TimeOutEnded"} <= seen
    assert simulation.state.counts["stopped"]
    origins = {entry.text for entry in entries if entry.what == "TurnMade"}
    assert {"defer switch", "time out", "stop"} <= origins
    assert any(entry.text.endswith("ask_dialogue") for entry in entries)
    assert simulation.state.ending == "completed"


def test_what_both_wish_at_once_is_refused_and_let_go() -> None:
    eager = Habits(asks=1.0)
    simulation = simulate(reference_plan(sessions=2), manner=Manner(a=eager, b=eager))
    simulation.run()
    assert simulation.state.ending == "completed"
    assert {r.reason for r in simulation.refusals} == {"not_open"}


def test_whom_it_does_not_suit_is_told_so_neutrally() -> None:
    simulation = simulate(reference_plan(), manner=Manner(a=Habits(well=False)))
    simulation.run()
    assert simulation.state.ending == "not_now"


def test_a_tail_goes_on_once_a_month() -> None:
    goes_on = Habits(goes_on=True)
    simulation = simulate(twelve_weeks(), manner=Manner(a=goes_on, b=goes_on), weeks=30)
    simulation.run()
    assert simulation.state.in_tail
    assert simulation.state.counts["done"] > 14


def test_weeks_is_where_it_stops() -> None:
    simulation = simulate(reference_plan(), weeks=3)
    simulation.run()
    assert simulation.state.counts == {"done": 3}
    # From the day of the first session, a Thursday, by the couple's own clock.
    assert simulation.now == datetime(2027, 1, 27, 23, tzinfo=UTC)
    assert not simulation.state.over


@pytest.mark.parametrize(
    ("cadence", "end"),
    [
        ({"on": ["thursday"]}, date(2027, 1, 28)),
        ({"on": ["thursday"], "skip": ["2027-01-14"]}, date(2027, 2, 4)),
        ({"on": ["thursday"], "skip": ["2027-01-14", "2027-01-28", "2027-02-11"]}, date(2027, 2, 11)),
        # Somebody who is away on one of two evenings practises that week; every other week is still two weeks.
        ({"on": ["monday", "thursday"], "skip": ["2027-01-14"]}, date(2027, 1, 28)),
        ({"on": ["thursday"], "interval": 2}, date(2027, 1, 28)),
        ({"on": ["thursday"], "interval": 2, "skip": ["2027-01-14"]}, date(2027, 1, 28)),
        ({"on": ["thursday"], "interval": 2, "skip": ["2027-01-21"]}, date(2027, 2, 4)),
        # Summer time begins on 28 March.
        ({"on": ["thursday"], "start": "2027-03-18", "skip": ["2027-04-01"]}, date(2027, 4, 15)),
    ],
)
def test_weeks_of_practice_are_those_that_are_not_skipped(cadence: dict[str, object], end: date) -> None:
    weekly, zone = Weekly.model_validate({"at": "19:00", **cadence}), ZoneInfo("Europe/Berlin")
    day = weekly.start or date(2027, 1, 7)
    first = datetime(day.year, day.month, day.day, 19, tzinfo=zone)
    midnight = datetime(end.year, end.month, end.day, tzinfo=zone)
    assert weeks_end(reference_plan().with_(cadence=weekly), first, 3) == midnight


def test_the_timeline_holds_no_words_and_grows_as_it_is_read() -> None:
    simulation = simulate(reference_plan(sessions=1), manner=REFERENCE)
    course = iter(simulation)
    first = next(course)
    assert first.at == BEGINS
    assert simulation.state.stage == "enrolling"
    entries = [first, *course]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert "evening" not in json.dumps([entry.model_dump(mode="json") for entry in entries])
    assert {entry.session for entry in entries} == {None, 1}
    assert all(entry.text for entry in entries)


def test_the_reference_dialogue_is_what_the_budget_says() -> None:
    simulation = simulate(reference_plan(), manner=REFERENCE)
    entries = simulation.run()
    fifth = [entry for entry in entries if entry.session == 5 and entry.what == "TurnMade"]
    acts = [entry.text for entry in fifth]
    assert len(acts) == 41
    assert (acts.count("send"), acts.count("correct"), acts.count("switch")) == (6, 1, 2)
    assert fifth[-1].at - fifth[0].at == timedelta(minutes=37)
    reminders = [entry for entry in entries if entry.what == "MessageSent" and "reminder" in entry.text]
    assert len(reminders) == 12 * 4
    assert simulation.state.counts == {"done": 12}


def test_twelve_weeks_take_seconds() -> None:
    began = time.monotonic()
    simulate(twelve_weeks(), manner=ORDINARY).run()
    assert time.monotonic() - began < 15


def test_looking_once_more_changes_nothing() -> None:
    now = datetime(2027, 1, 4, 9, tzinfo=UTC)
    couple, simulation = Couple("p", STEADY), simulate(reference_plan())
    seen = view(simulation.state, ViewRequest(by="a", now=now))
    member = couple.members["a"]
    first = member.next(seen, now)
    assert first is not None
    assert first.command is not None
    assert member.next(seen, now + timedelta(minutes=5)) == first
    member.done(first)
    assert first.command.command_id == "p-a-1"
    assert first.command.sent_at == first.at


def test_commands_have_ids_of_their_own_and_say_when_they_were_made() -> None:
    simulation = simulate(reference_plan(sessions=1))
    simulation.run()
    ids = list(simulation.state.applied)
    assert len(ids) == len(set(ids))
    assert {i.rsplit("-", 1)[0] for i in ids} == {"reference-a", "reference-b"}


def test_words_are_as_long_as_wished_and_never_longer_than_allowed() -> None:
    wordy = Habits(wordiness=WORDS_BYTES, lines=MOST_LINES)
    couple = Couple("p", Manner(a=wordy, b=wordy))
    simulation = Simulation(twelve_weeks(), couple)
    sizes = []
    for _ in simulation:
        dialogue = simulation.state.open_session and simulation.state.open_session.dialogue
        if dialogue and dialogue.said:
            sizes.append(dialogue.said.size)
    assert simulation.refusals == []
    assert max(sizes) == WORDS_BYTES
    assert simulation.state.ending == "completed"
