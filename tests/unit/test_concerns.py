"""The specification of a concern: nothing tells it from a pause, and it reaches somebody (docs/decisions/0011)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from duologue.practice.asks import TRIED_FOR, Delivered, Message
from duologue.practice.decide import Cancelled
from duologue.practice.journal import phrase
from duologue.practice.values import PARTNERS
from duologue.practice.views import attributes, details, overview
from tests.support.core import (
    DAY,
    NOT_WELL,
    WELL,
    Play,
    answer,
    missed_thrice,
    missed_twice,
    practising,
)


def reached(play: Play) -> list[str]:
    """Every message that is more than padding, and whom it is for."""
    return [f"{s.message.template} to {s.message.to}" for s in play.sent() if s.message.template != "none"]


def test_a_concern_is_told_to_safeguarding_alone_and_stops_every_message() -> None:
    play = practising().miss()
    before = reached(play)
    play.send("pause", "a", concern=True, reason="…")
    assert play.told("concern") == ["safeguarding"]
    play.later(days=1).send("resume", "b")
    play.later(days=60)
    assert reached(play)[len(before) :] == [
        *("paused to a", "paused to b", "concern to safeguarding"),
        *["pause_unanswered to facilitator"] * 2,
    ]


@pytest.mark.parametrize("concern", [True, False], ids=["concern", "pause"])
def test_the_reason_goes_along_to_the_safeguarding_side_whether_or_not_it_is_a_concern(
    *, concern: bool
) -> None:
    play = practising()
    play.send("pause", "a", concern=concern, reason="…")
    carried = [s.message for s in play.sent() if s.message.words is not None]
    assert {m.to for m in carried} == {"safeguarding"}
    assert {m.words.text for m in carried if m.words} == {"…"}


def test_a_policy_keeps_the_reason_from_the_safeguarding_side() -> None:
    play = practising(policy={"tell_reason": False})
    play.send("pause", "a", concern=True, reason="…")
    assert not [s for s in play.sent() if s.message.words is not None]


def resumed(play: Play) -> None:
    play.later(days=1).send("resume", "b")
    play.later(days=5)


def asked_when_the_pause_was_to_end(play: Play) -> None:
    play.later(days=4).send("reply", "b", question=play.open_question("b", "resume"), answer="yes")


def paused_again(play: Play) -> None:
    play.send("pause", "b")
    play.later(days=9)


def left(play: Play) -> None:
    play.later(hours=5).send("withdraw", "b")


def resumed_and_left(play: Play) -> None:
    resumed(play)
    left(play)


def decided_to_go_on(play: Play) -> None:
    play.send("resume", "a")
    play.later(days=1).send("decide", "facilitator", decision="go_on")
    play.hold()


def decided_to_pause(play: Play) -> None:
    play.later(days=1).send("decide", "facilitator", decision="pause")


def decided_to_end(play: Play) -> None:
    play.later(days=1).send("decide", "facilitator", decision="end")


def cancelled(play: Play) -> None:
    play.apply(Cancelled())
    play.settle()


def new_quiet_hours(play: Play) -> None:
    play.send("adjust", "b", quiet={"start": "08:00", "end": "20:00"}, language="de")
    resumed_and_left(play)


def unanswered(play: Play) -> None:
    """Up to the day on which an ordinary pause would end."""
    play.later(days=44)


AFTERWARDS = (
    unanswered,
    *(resumed, asked_when_the_pause_was_to_end, paused_again, left, resumed_and_left, new_quiet_hours),
    *(decided_to_go_on, decided_to_pause, decided_to_end, cancelled),
)


@pytest.mark.parametrize("afterwards", AFTERWARDS, ids=lambda scene: scene.__name__)
def test_with_a_concern_everything_looks_like_an_ordinary_pause(afterwards: Callable[[Play], None]) -> None:
    plays = [practising(), practising()]
    for play, concern in zip(plays, (False, True), strict=True):
        play.send("pause", "a", concern=concern, reason="…", until=play.now + timedelta(days=3))
        afterwards(play)
    look_the_same(*plays)


def two_weeks_pass(play: Play) -> None:
    """Up to the day on which a pause that nobody decides about ends."""
    play.later(days=13)


def both_have_chosen(play: Play) -> None:
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "go_on"), answer="go_on")
    play.later(days=3)


@pytest.mark.parametrize("afterwards", [two_weeks_pass, both_have_chosen, left, decided_to_end])
def test_after_the_third_miss_too_a_concern_looks_like_an_ordinary_pause(
    afterwards: Callable[[Play], None],
) -> None:
    plays = [missed_thrice(), missed_thrice()]
    for play, concern in zip(plays, (False, True), strict=True):
        for _ in range(2):
            play.send("pause", "a", concern=concern, reason="…")
        afterwards(play)
    look_the_same(*plays)


def third_miss_at_night() -> Play:
    """B hears of it in the morning, and that another dialogue, which they had agreed on, is off."""
    quiet = {"a": None, "b": {"start": "19:10", "end": "07:00"}}
    people = {p: {"ref": f"person-{p}", "quiet": hours} for p, hours in quiet.items()}
    play = missed_twice(people=people).later(days=5)
    play.at(play.begins - timedelta(hours=5)).send("ask_dialogue", "a")
    question, tomorrow = play.open_question("b", "dialogue_request"), play.begins + timedelta(hours=15)
    play.send("reply", "b", question=question, answer="at", at=tomorrow)
    play.miss()
    assert (play.stage(), play.told("cancelled")) == ("paused", ["a"])
    return play


def test_what_the_third_miss_has_held_back_for_the_morning_looks_the_same_after_a_concern() -> None:
    plays = [third_miss_at_night(), third_miss_at_night()]
    for play, concern in zip(plays, (False, True), strict=True):
        play.send("pause", "a", concern=concern)
        play.later(days=1)
        assert play.told("cancelled") == ["a", "b"], "else a calendar keeps what is not held"
        [asked] = [s.message for s in play.sent(to="b") if s.message.what == "go_on"]
        assert asked.discreet, "what may be padding is delivered by the same motions"
    look_the_same(*plays)
    assert [play.told("go_on") for play in plays] == [["a", "b"], ["a"]]


def test_what_is_under_way_about_the_third_miss_stops_with_a_concern_and_arrives_with_a_pause() -> None:
    plays = []
    for concern in (False, True):
        play = missed_twice().later(days=5).provider_down().miss()
        play.send("pause", "b", concern=concern)
        plays.append(play)
    look_the_same(*plays)
    arrived = [[told for told in play.provider_back() if "go_on" in told] for play in plays]
    assert arrived == [["go_on to a", "go_on to b"], []]


def test_however_many_pauses_are_called_after_the_third_miss_the_question_is_told_once_more() -> None:
    plays = []
    for concern in (False, True):
        play = missed_twice().later(days=5).provider_down().miss()
        for _ in range(5):
            play.send("pause", "b", concern=concern)
        plays.append(play)
    look_the_same(*plays)
    assert plays[0].told("go_on") == ["a", "b"] * 2


def test_what_both_wish_to_rest_rests_though_a_concern_is_open() -> None:
    plays = [missed_thrice(facilitators=()), missed_thrice(facilitators=())]
    for play, concern in zip(plays, (False, True), strict=True):
        play.send("pause", "a", concern=concern)
        for by, wish in (("a", "pause"), ("b", "go_on")):
            play.send("reply", by, question=play.open_question(by, "go_on"), answer=wish)  # type: ignore[arg-type]
        play.later(days=20)
    look_the_same(*plays)


def test_when_nobody_decides_a_wish_to_rest_counts_though_a_concern_is_open() -> None:
    plays = [missed_thrice(), missed_thrice()]
    for play, concern in zip(plays, (False, True), strict=True):
        play.send("pause", "a", concern=concern)
        for by in PARTNERS:
            play.send("reply", by, question=play.open_question(by, "go_on"), answer="pause")
        play.later(days=15)
    look_the_same(*plays)


@pytest.mark.parametrize("since", ["the pause", "later"])
def test_whether_a_question_after_a_pause_arrived_is_told_to_nobody(since: str) -> None:
    """Padding always arrives, and what is real not at somebody who cannot be reached."""
    plays = [practising(), practising()]
    for play, concern in zip(plays, (False, True), strict=True):
        play.answers = since == "later"
        play.send("pause", "a", concern=concern)
        unless_undeliverable(play, "person-b")
        play.answers = False
        play.later(days=30)
        unless_undeliverable(play, "person-b")
        assert play.state.unreachable == (("b",) if since == "the pause" else ())
    look_the_same(*plays)


def look_the_same(ordinary: Play, concerned: Play) -> None:
    """Nothing that anybody but safeguarding can see tells the one from the other."""
    plays = ordinary, concerned
    assert [type(event) for event in ordinary.events] == [type(event) for event in concerned.events]
    assert [phrase(entry) for entry in ordinary.state.journal] == [
        phrase(entry) for entry in concerned.state.journal
    ]
    overviews = [overview(play.state).model_dump(exclude={"digest"}) for play in plays]
    assert overviews[0] == overviews[1]
    assert details(ordinary.state) == details(concerned.state)
    assert attributes(ordinary.state) == attributes(concerned.state)
    for who in (*PARTNERS, "facilitator"):
        assert ordinary.sees(who) == concerned.sees(who)
    one, other = ([s.message.with_(template="") for s in play.sent()] for play in plays)
    assert one == other


@pytest.mark.parametrize("afterwards", [left, resumed_and_left, decided_to_end, cancelled])
def test_that_a_programme_with_an_open_concern_is_over_both_are_told_and_nothing_else(
    afterwards: Callable[[Play], None],
) -> None:
    play = practising()
    play.send("pause", "a", concern=True)
    before = reached(play)
    afterwards(play)
    assert play.state.over
    assert reached(play)[len(before) :] == ["ended to a", "ended to b"]


def notices(play: Play) -> list[tuple[str, str]]:
    """Who was told something under the seal of a notice, in order, and what."""
    return [(s.message.ref, s.message.template) for s in play.sent(to="safeguarding")]


def unless_undeliverable(play: Play, *refs: str) -> None:
    """Answer everything; what goes to `refs` cannot be delivered."""
    while play.state.asks:
        ask = next(iter(play.state.asks.values()))
        failed = isinstance(ask, Message) and ask.ref in refs and ask.template != "none"
        play.apply(
            Delivered(key=ask.key, outcome="undeliverable", reason="refused") if failed else answer(ask)
        )


def raised(*unreachable: str, concern: bool = True, **given: Any) -> Play:
    """A pause while some contacts cannot be reached."""
    play = practising(**given)
    play.answers = False
    play.send("pause", "a", concern=concern)
    unless_undeliverable(play, *unreachable)
    return play


def test_a_concern_that_does_not_reach_safeguarding_goes_to_the_next_of_the_staff() -> None:
    assert notices(raised()) == [
        ("safeguarding-1", "concern"),
        ("facilitator-1", "none"),
        ("facilitator-2", "none"),
        ("safeguarding-1", "none"),
    ]
    assert notices(raised("safeguarding-1")) == [
        ("safeguarding-1", "concern"),
        ("facilitator-1", "concern"),
        ("facilitator-2", "none"),
        ("safeguarding-1", "none"),
    ]
    everybody = raised("safeguarding-1", "facilitator-1", "facilitator-2")
    assert [template for _, template in notices(everybody)] == ["concern"] * 4


def test_who_hears_of_it_first_has_another_notice_in_the_end_which_is_tried_for_long() -> None:
    for concern in (False, True):
        *others, last = [n.message for n in raised(concern=concern).sent(to="safeguarding")]
        assert (last.ref, last.until) == ("safeguarding-1", last.at and last.at + TRIED_FOR)
        assert {n.until for n in others} == {None}


def test_without_a_safeguarding_contact_the_first_facilitator_hears_of_a_concern() -> None:
    play = raised(safeguarding=None)
    assert notices(play) == [
        ("facilitator-1", "concern"),
        ("facilitator-2", "none"),
        ("facilitator-1", "none"),
    ]
    assert play.sent(to="facilitator") == []


def test_whatever_becomes_of_a_concern_as_many_messages_of_the_same_look_go_out() -> None:
    """The keys, the journal and who gets them are those of an ordinary pause, however many contacts fail."""
    for given in (
        {},
        {"safeguarding": None},
        {"facilitators": ()},
        {"safeguarding": None, "facilitators": ()},
    ):
        ordinary = raised(concern=False, **given)
        assert {template for _, template in notices(ordinary)} <= {"none"}
        for unreachable in ((), ("safeguarding-1",), ("safeguarding-1", "facilitator-1")):
            play = raised(*unreachable, **given)
            assert play.state.journal == ordinary.state.journal
            one, other = ([s.message.with_(template="") for s in p.sent()] for p in (play, ordinary))
            assert one == other


def test_other_pauses_are_never_in_the_way_of_a_concern() -> None:
    play = practising()
    play.answers = False
    for _ in range(40):
        play.send("pause", "b")
    assert ("safeguarding", "too_many") in play.skipped("none")
    play.send("pause", "a", concern=True)
    assert play.told("concern") == ["safeguarding"]


@pytest.mark.parametrize("pauses", [0, 40])
def test_nor_are_concerns_of_the_other(pauses: int) -> None:
    play = practising()
    play.answers = False
    for number in range(pauses + 40):
        play.send("pause", "b", concern=number >= pauses)
    assert ("safeguarding", "too_many") in play.skipped("concern")
    play.send("pause", "a", concern=True, reason="mine")
    reasons = [s.message.words and s.message.words.text for s in play.sent("concern")]
    assert reasons.count("mine") == 1
    unless_undeliverable(play, "safeguarding-1")
    told = [n.message.ref for n in play.sent("concern") if n.message.words]
    assert told[:2] == ["safeguarding-1", "facilitator-1"], "and it goes on to whoever can be reached"


def test_a_concern_can_be_raised_while_paused_and_while_the_ladder_waits() -> None:
    play = practising()
    play.send("pause", "b")
    play.send("pause", "a", concern=True)
    assert play.told("concern") == ["safeguarding"]
    play = missed_thrice()
    play.send("pause", "a", concern=True)
    before = len(reached(play))
    play.later(days=20)
    assert play.stage() == "paused"
    assert reached(play)[before:] == ["third_miss to facilitator", "undecided to facilitator"], (
        "it is theirs to decide"
    )


def test_only_a_facilitator_s_decision_goes_on_after_a_concern() -> None:
    play = practising()
    play.send("pause", "a", concern=True)
    play.send("resume", "b")
    play.send("resume", "a")
    assert play.stage() == "paused"
    play.send("decide", "facilitator", decision="go_on")
    assert (play.stage(), play.state.hushed) == ("practising", False)
    assert play.told("resumed") == ["a", "b"]


def midpoint() -> Play:
    items = [{"kinds": ("mirroring",), "midpoint": True}, {"kinds": ("mirroring",)}]
    return practising(curriculum={"name": "x", "items": items}).hold()


def test_at_the_midpoint_each_is_asked_again_and_practice_goes_on() -> None:
    play = midpoint()
    assert play.asked("midpoint") == ["a", "b"]
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "midpoint"), answers=WELL)
    assert play.stage() == "practising"


@pytest.mark.parametrize("other_answers", [True, False])
def test_a_no_at_the_midpoint_pauses_once_both_have_answered_or_their_time_is_over(
    other_answers: bool,  # noqa: FBT001
) -> None:
    play = midpoint()
    play.send("reply", "b", question=play.open_question("b", "midpoint"), answers=NOT_WELL)
    assert play.stage() == "practising"
    if other_answers:
        play.later(days=1).send("reply", "a", question=play.open_question("a", "midpoint"), answers=WELL)
    else:
        play.later(days=14)
    assert (play.stage(), play.state.hushed) == ("paused", True)
    assert play.told("concern") == ["safeguarding"]
    assert play.told("paused") == ["a", "b"]


def test_what_the_midpoint_asks_is_settled_before_the_next_session_and_cuts_none_off() -> None:
    play = midpoint()
    play.send("reply", "a", question=play.open_question("a", "midpoint"), answers=NOT_WELL)
    opens = play.begins - play.state.policy.opens_before
    assert [q.answer_by for q in play.sees("b").questions] == [opens]
    play.at(opens - timedelta(seconds=1))
    assert play.stage() == "practising"
    play.at(opens)
    assert (play.stage(), play.told("concern"), play.asked("midpoint")) == ("paused", ["safeguarding"], [])


def test_unanswered_it_lapses_there_and_the_session_is_held() -> None:
    play = midpoint().check_in()
    assert play.asked("midpoint") == []
    play.hold()
    assert play.state.counts == {"done": 2}


def test_it_is_due_sooner_where_that_session_is_moved_and_not_for_one_between_the_booked_ones() -> None:
    play = midpoint().later(days=1)
    sooner = play.begins - 3 * DAY
    play.send("reschedule", "a", session=play.session.number, at=sooner)
    assert [q.answer_by for q in play.sees("b").questions] == [sooner - play.state.policy.opens_before]
    play.send("ask_dialogue", "a", kind="mirroring")
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="now")
    play.hold()
    assert play.asked("midpoint") == ["a", "b"]


@pytest.mark.parametrize("ends", [left, decided_to_end, cancelled])
def test_a_no_that_was_given_is_told_if_the_programme_ends_before_the_other_answers(
    ends: Callable[[Play], None],
) -> None:
    plays = [midpoint(), midpoint()]
    for play, answers in zip(plays, (WELL, NOT_WELL), strict=True):
        play.send("reply", "a", question=play.open_question("a", "midpoint"), answers=answers)
        ends(play)
        assert play.stage() == "ended"
    look_the_same(*plays)
    assert [play.told("concern") for play in plays] == [[], ["safeguarding"]]


def test_it_is_told_too_if_the_programme_completes_first() -> None:
    tail = {"item": {"kinds": ["full"]}, "cadence": {"every": "month", "on": "monday", "at": "19:00"}}
    items = [{"kinds": ("mirroring",), "midpoint": True}]
    play = practising(curriculum={"name": "x", "items": items, "tail": tail}).hold()
    play.send("reply", "a", question=play.open_question("a", "midpoint"), answers=NOT_WELL)
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "tail"), answer="complete")
    assert (play.stage(), play.told("concern")) == ("completed", ["safeguarding"])


def test_while_a_concern_is_open_a_no_at_the_midpoint_is_told_too_and_does_what_it_would_in_any_pause() -> (
    None
):
    plays = [midpoint(), midpoint()]
    for play, concern in zip(plays, (False, True), strict=True):
        play.send("pause", "a", concern=concern)
        play.send("resume", "b")
        for by, answers in (("b", NOT_WELL), ("a", WELL)):
            play.send("reply", by, question=play.open_question(by, "midpoint"), answers=answers)  # type: ignore[arg-type]
    look_the_same(*plays)
    assert [len(play.told("concern")) for play in plays] == [1, 2]
    assert plays[1].asked("resume") == [], "the pause was called anew"


def test_a_no_at_the_midpoint_is_told_once_however_long_the_other_does_not_answer() -> None:
    play = midpoint()
    play.send("reply", "a", question=play.open_question("a", "midpoint"), answers=NOT_WELL)
    play.send("pause", "b")
    play.later(days=60)
    assert play.told("concern") == ["safeguarding"]
    play.send("reply", "b", question=play.open_question("b", "midpoint"), answers=WELL)
    play.send("withdraw", "b")
    assert play.told("concern") == ["safeguarding"]


def test_an_end_without_open_questions_sends_no_notice() -> None:
    play = midpoint()
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "midpoint"), answers=WELL)
    play.send("withdraw", "a")
    assert play.sent(to="safeguarding") == []


def test_after_the_last_session_nothing_is_asked_at_the_midpoint() -> None:
    items = [{"kinds": ("mirroring",), "midpoint": True}]
    play = practising(curriculum={"name": "x", "items": items}).hold()
    assert (play.stage(), play.told("midpoint")) == ("completed", [])
