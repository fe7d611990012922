"""What the two are told is taken back when its reason goes: what waits to be sent, and what is already under way.

`provider_down` keeps deliveries under way, as a provider does that is down for hours; what gets through once it is back
is what reaches somebody then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from duologue.activities.invitation import invitation
from duologue.practice import events as e
from duologue.practice.asks import Delivered, Message
from duologue.practice.values import PARTNERS, Partner
from duologue.practice.views import overview
from tests.support.core import DAY, EVENING, Play, asked_for, missed_twice, practising

HOUR = timedelta(hours=1)


def under_way(play: Play) -> set[str]:
    """What is being delivered to either of the two and was not taken back."""
    return {
        f"{m.what} to {m.to}" for m in play.state.asks.values() if isinstance(m, Message) and m.to in PARTNERS
    }


def reminding(hours: float = 1) -> Play:
    """The reminders of the first session are under way to both, and do not get through."""
    play = practising().provider_down()
    play.at(EVENING - timedelta(hours=hours))
    assert under_way(play) == {"reminder to a", "reminder to b"}
    return play


# --- pauses and the end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concern", [False, True])
def test_after_a_pause_nothing_arrives_that_was_on_its_way_before(concern: bool) -> None:  # noqa: FBT001
    play = reminding()
    play.send("pause", "a", concern=concern)
    play.later(hours=20)
    arrived = play.provider_back()
    assert [told for told in arrived if "safeguarding" not in told] == ["paused to a", "paused to b"]
    assert ("concern to safeguarding" in arrived) == concern


def test_an_ordinary_pause_takes_back_the_same_as_one_with_a_concern() -> None:
    plays = [reminding(), reminding()]
    for play, concern in zip(plays, (False, True), strict=True):
        play.send("pause", "a", concern=concern)
    one, another = ([(type(x), x.detail) for x in play.events] for play in plays)
    assert one == another
    assert [str(r.message.to) for r in plays[0].of(e.MessageRecalled)] == ["a", "b"]


def test_after_the_end_only_that_it_has_ended_arrives() -> None:
    play = reminding()
    play.send("withdraw", "b")
    assert play.provider_back() == ["ended to a", "ended to b"]


def test_staff_are_told_all_the_same() -> None:
    play = missed_twice().provider_down()
    play.later(days=2)
    play.send("pause", "a")
    assert "second_miss to facilitator" in play.provider_back()


def test_what_is_taken_back_is_settled_as_that_and_says_nothing_of_whether_somebody_can_be_reached() -> None:
    play = reminding()
    play.send("pause", "a")
    assert [(d.delivered.to, d.delivered.outcome, d.delivered.reason) for d in settled(play, "reminder")] == [
        ("a", "expired", "taken_back"),
        ("b", "expired", "taken_back"),
    ]
    assert play.state.recalled == ()
    assert play.state.unreachable == ()
    assert play.told("unreachable") == []


def settled(play: Play, what: str) -> list[e.MessageSettled]:
    keys = {s.message.key for s in play.sent() if s.message.what == what}
    return [s for s in play.of(e.MessageSettled) if s.delivered.key in keys]


def test_one_that_got_through_after_all_is_on_the_record_as_delivered() -> None:
    play = practising()
    play.at(EVENING - 2 * HOUR)
    play.answers = False
    play.at(EVENING - HOUR)
    first, second = (a.key for a in play.state.asks.values())
    play.send("pause", "a")
    assert play.state.recalled == (first, second)
    play.apply(Delivered(key=first, outcome="delivered"))
    play.apply(Delivered(key=second, outcome="undeliverable", reason="no_contact"))
    assert [d.delivered.outcome for d in settled(play, "reminder")] == ["delivered", "undeliverable"]
    assert not play.state.recalled
    assert play.state.unreachable == ("b",), "that has another reason than being taken back"


def test_however_much_was_taken_back_the_pause_itself_is_told() -> None:
    play = practising()
    play.answers = False
    for _ in range(12):
        play.send("pause", "a")
    assert play.told("paused")[-2:] == ["a", "b"]
    assert "too_many" not in {reason for _, reason in play.skipped("paused")}


def test_what_is_said_of_the_pause_is_taken_back_when_it_ends() -> None:
    play = practising()
    play.send("pause", "a")
    play.provider_down().later(days=30)
    assert under_way(play) == {"resume_asked to a", "resume_asked to b"}
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "resume"), answer="yes")
    assert play.provider_back() == [f"{what} to {to}" for what in ("resumed", "moved") for to in PARTNERS]


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_after_a_move_nothing_arrives_that_tells_the_old_time() -> None:
    play = reminding()
    play.send("reschedule", "a", session=1, at=EVENING + 2 * DAY)
    assert under_way(play) == {"moved to a", "moved to b"}
    assert play.provider_back() == ["moved to a", "moved to b"]


def test_when_the_dialogue_begins_or_is_missed_what_was_to_bring_them_there_is_taken_back() -> None:
    play = reminding()
    play.check_in()
    assert under_way(play) == set()
    play = reminding(1).at(EVENING + timedelta(minutes=5))
    assert "still_on to a" in under_way(play)
    play.miss()
    assert under_way(play) == {"rebook_offer to a", "rebook_offer to b"}


def test_when_the_dialogue_is_over_no_nudge_arrives_any_more() -> None:
    play = practising("mirroring", "mirroring").check_in().provider_down()
    play.later(minutes=30)
    assert under_way(play) == {"idle_nudge to a", "idle_nudge to b"}
    play.hold()
    assert under_way(play) == {"invitation to a", "invitation to b"}


# --- questions --------------------------------------------------------------------------------------------------------

TOKYO = {
    "a": {"ref": "person-a", "quiet": None},
    "b": {"ref": "person-b", "zone": "Asia/Tokyo", "quiet": {"start": "22:00", "end": "07:00"}},
}
"""At 19:15 UTC it is a quarter past four at B's, whose quiet hours end at 22:00 UTC."""


def test_booking_again_closes_the_question_how_things_are_and_takes_it_back() -> None:
    play = practising(people=TOKYO).miss().later(hours=48)
    assert (play.asked("check_in"), play.told("check_in")) == (["a", "b"], ["a"])
    play.send("reschedule", "a", session=1, at=play.now + DAY)
    assert play.asked("check_in") == []
    play.later(hours=6)
    assert play.told("check_in") == ["a"]
    assert ("b", "void") in play.skipped("check_in")


def test_a_decision_takes_back_the_question_how_to_go_on() -> None:
    play = missed_twice(people=TOKYO).later(days=5).miss()
    assert (play.asked("go_on"), play.told("go_on")) == (["a", "b"], ["a"])
    play.later(minutes=10)
    play.send("decide", "facilitator", decision="go_on")
    before = len(play.sent(to="b"))
    play.later(hours=3)
    assert [s.message.template for s in play.sent(to="b")[before:]] == ["moved", "resumed"]


def test_whoever_has_answered_is_not_told_of_the_question_any_more() -> None:
    play = practising().provider_down()
    play.miss().later(hours=48)
    assert {"check_in to a", "check_in to b"} <= under_way(play)
    play.send("reply", "b", question=play.open_question("b", "check_in"), answer="soon")
    assert "check_in to a" in under_way(play)
    assert "check_in to b" not in under_way(play)
    [recalled] = [r for r in play.of(e.MessageRecalled) if r.message.template == "check_in"]
    assert recalled.detail == "check_in", "that says nothing of whose answer it was"
    assert [key for key in overview(play.state).under_way if "check_in" in key] == ["p:check_in"]


def test_nobody_is_told_of_a_request_that_was_answered() -> None:
    play = asked_for()
    play.provider_down()
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="no")
    play.send("ask_dialogue", "a", kind="mirroring")
    assert under_way(play) == {"dialogue_answered to a", "dialogue_asked to b"}
    play.later(days=30)
    assert not any("dialogue_asked" in told for told in play.provider_back())


def test_whoever_wants_no_reminders_any_more_gets_none_that_is_on_its_way_either() -> None:
    play = reminding()
    play.send("adjust", "a", reminders=False)
    assert under_way(play) == {"reminder to b"}
    assert play.provider_back() == ["reminder to b"]


# --- what stands in calendars -----------------------------------------------------------------------------------------


def entries(play: Play, to: Partner) -> dict[int, tuple[int, str, Any]]:
    """What a calendar shows that has taken all that arrived, later changes over earlier ones."""
    shown: dict[int, tuple[int, str, Any]] = {}
    arrived = {d.delivered.key for d in play.of(e.MessageSettled) if d.delivered.outcome == "delivered"}
    for sent in play.sent(to=to):
        entry, number = invitation(sent.message), sent.message.session
        if entry is None or number is None or sent.message.key not in arrived:
            continue
        if number not in shown or shown[number][0] <= entry.sequence:
            shown[number] = (entry.sequence, entry.method, sent.message.start)
    return shown


def shown(play: Play, to: Partner) -> dict[int, Any]:
    return {n: start for n, (_, method, start) in entries(play, to).items() if method == "REQUEST"}


@pytest.mark.parametrize(("command", "told"), [("pause", "paused"), ("withdraw", "ended")])
def test_a_session_that_is_being_moved_leaves_the_calendars_too(command: str, told: str) -> None:
    play = practising()
    assert [shown(play, to) for to in PARTNERS] == [{1: EVENING}] * 2
    play.answers = False
    play.send("reschedule", "a", session=1, at=EVENING + 2 * DAY)
    play.send(command, "b")
    play.answers = True
    play.settle()
    assert [s.message.start for s in play.sent(told)] == [EVENING] * 2
    assert [shown(play, to) for to in PARTNERS] == [{}] * 2


def test_a_session_between_the_booked_ones_whose_new_time_has_passed_leaves_the_calendars() -> None:
    play = asked_for()
    when = play.now + 3 * HOUR
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="at", at=when)
    asked = play.session.number
    assert shown(play, "a")[asked] == when
    play.answers = False
    play.send("reschedule", "a", session=asked, at=when + HOUR)
    play.later(hours=6)
    play.answers = True
    play.settle()
    assert play.told("cancelled") == ["a", "b"]
    assert [asked in shown(play, to) for to in PARTNERS] == [False] * 2


@pytest.mark.parametrize("then", ["resume", "withdraw", "pause"])
def test_what_takes_a_time_out_of_a_calendar_is_not_lost_when_it_is_taken_back_itself(then: str) -> None:
    """B's was held, or did not get through; what is said afterwards does it."""
    for held in (True, False):
        play = practising(**({"people": TOKYO} if held else {}))
        play.send("reschedule", "a", session=1, at=EVENING + 2 * DAY)
        play.at(EVENING + HOUR)
        assert [shown(play, to) for to in PARTNERS] == [{1: EVENING + 2 * DAY}] * 2
        if not held:
            play.provider_down()
        play.send("pause", "a")
        for by in PARTNERS if then == "resume" else PARTNERS[:1]:
            play.send(then, by)
        play.provider_back()
        play.later(hours=8)
        expected = {s.number: s.start for s in play.state.sessions if s.start}
        assert bool(expected) == (then == "resume")
        assert [shown(play, to) for to in PARTNERS] == [expected] * 2, held
        told = [s.message.template for s in play.sent(to="b") if s.at > EVENING]
        assert len(told) == len(set(told)) or then == "pause", "nothing twice"


# --- the same, held until the same minute -----------------------------------------------------------------------------


def test_of_reminders_held_until_the_same_morning_one_is_sent() -> None:
    quiet = {"start": "21:00", "end": "07:00"}
    people = {"a": {"ref": "person-a", "quiet": quiet}, "b": {"ref": "person-b", "quiet": None}}
    early = {"every": "week", "on": ("tuesday",), "at": "07:30"}
    play = practising(people=people, cadence=early, policy={"reminders": ["24h", "2h", "1h"]})
    begins = play.begins
    play.at(begins)
    assert [s.at for s in play.sent("reminder", "a")] == [begins - HOUR / 2]
    assert play.skipped("reminder").count(("a", "superseded")) == 1
    assert [s.at for s in play.sent("reminder", "b")][-2:] == [begins - 2 * HOUR, begins - HOUR]


def test_of_an_offer_that_is_repeated_through_the_night_one_is_sent_in_the_morning() -> None:
    quiet = {"start": "20:00", "end": "08:00"}
    people = {"a": {"ref": "person-a", "quiet": quiet}, "b": {"ref": "person-b", "quiet": None}}
    rung = [{"after": "0s", "do": "tell", "text": "rebook_offer", "every": "1h", "times": 12}]
    play = practising(people=people, policy={"ladder": [rung]}).miss()
    missed = play.now
    play.later(hours=24)
    assert [s.at for s in play.sent("rebook_offer", "a")] == [missed, missed.replace(hour=8, minute=0) + DAY]
    assert len(play.sent("rebook_offer", "b")) == 12
    assert set(play.skipped("rebook_offer")) == {("a", "superseded")}


def test_two_that_come_to_the_same_minute_when_hours_change_are_told_once() -> None:
    play = practising(policy={"reminders": ["3h", "1h"]})
    play.send("adjust", "a", quiet={"start": "15:30", "end": "18:30"})
    play.at(play.begins)
    assert len(play.sent("reminder", "a")) == 1
    assert ("a", "superseded") in play.skipped("reminder")
