"""The ladder as data: repeats, audiences, putting off, jumping, skipping; and a policy that changes on the way."""

import json
from datetime import timedelta
from typing import Any, Literal

import pytest

from duologue.practice import events as e
from duologue.practice import texts
from duologue.practice.asks import Delivered
from duologue.practice.messages import Refusal, parse
from duologue.practice.policy import STEP_TEXTS, Deed, Policy, Step
from duologue.practice.values import PARTNERS
from duologue.practice.views import overview
from duologue.practice.views.ops import escalation_level
from tests.support.core import DAY, EVENING, WEEK, Play, a_plan, missed_thrice, missed_twice, practising


def ladder(*steps: dict[str, Any], **given: Any) -> Play:
    """A programme whose every miss is answered with these steps, practising."""
    policy = Policy.model_validate({"ladder": [list(steps)], **given.pop("policy", {})})
    return Play(a_plan(policy=policy, **given)).enrol()


def taken(play: Play) -> list[tuple[int, tuple[int, ...]]]:
    return [(step.index, step.skipped) for step in play.of(e.StepTaken)]


def called(play: Play, text: str) -> list[str]:
    """Who of the staff was called, in order."""
    return [s.message.ref for s in play.sent(text)]


def test_a_step_is_repeated_as_long_as_its_reason_holds() -> None:
    play = ladder(
        {"after": "1h", "do": "tell", "text": "rebook_offer", "every": "6h", "times": 3},
        {"after": "2d", "do": "ask", "text": "check_in"},
    ).miss()
    play.later(hours=1)
    assert play.told("rebook_offer") == ["a", "b"]
    play.later(hours=6)
    assert play.told("rebook_offer") == ["a", "b"] * 2
    assert len({m.message.key for m in play.sent("rebook_offer")}) == 4
    play.send("reschedule", "a", session=1, proposal=3)
    play.later(hours=24)
    assert play.told("rebook_offer") == ["a", "b"] * 2


def test_a_repeated_step_holds_up_no_other() -> None:
    play = ladder(
        {"after": "1h", "do": "tell", "text": "rebook_offer", "every": "2h", "times": 3},
        {"after": "2h", "do": "ask", "text": "check_in"},
    ).miss()
    missed = play.now
    play.later(hours=9)
    steps = [(step.at - missed, step.index) for step in play.of(e.StepTaken)]
    assert steps == [(timedelta(hours=at), index) for index, at in enumerate((1, 2, 3, 5))]
    assert play.asked("check_in") == ["a", "b"]


def test_a_rung_has_so_many_steps_in_all() -> None:
    step = {"after": "1h", "do": "tell", "text": "rebook_offer", "every": "2h", "times": 9}
    with pytest.raises(ValueError, match="at most 16 steps, repeats counted"):
        Policy.model_validate({"ladder": [[step, step]]})


MEANINGLESS = (
    {"do": "alert", "text": "second_miss"},
    {"do": "alert", "to": "absent", "text": "second_miss"},
    {"do": "alert", "to": "facilitator"},
    {"do": "alert", "to": "facilitator", "text": "rebook_offer"},
    {"do": "ask", "to": "facilitator", "text": "check_in"},
    {"do": "ask", "text": "rebook_offer"},
    {"do": "tell", "to": "next_contact", "text": "rebook_offer"},
    {"do": "pause", "to": "facilitator"},
    {"do": "pause", "text": "paused"},
    {"do": "end", "to": "absent"},
    {"do": "end", "text": "ended"},
)
FOR_SOMEBODY_ELSE = tuple(
    {"do": "tell", "to": to, "text": text}
    for to in ("each", "absent")
    for text in (*sorted(texts.FOR_STAFF), texts.PADDING, "nonsense")
) + tuple(
    {"do": do, "to": to, "text": text}
    for do in ("tell", "alert")
    for to in ("facilitator", "next_contact", "safeguarding")
    for text in ("concern", "unreachable", "wants_to_talk", "invitation", texts.PADDING, "nonsense")
)


@pytest.mark.parametrize("step", MEANINGLESS + FOR_SOMEBODY_ELSE, ids=str)
def test_a_step_that_means_nothing_or_tells_it_to_the_wrong_people_is_refused_everywhere(
    step: dict[str, str],
) -> None:
    rung = [{"after": "0s", **step}]
    with pytest.raises(ValueError, match="policy"):
        a_plan(policy={"ladder": [rung]})
    command = {"command_id": "c1", "by": "facilitator", "policy": {"ladder": [rung]}}
    refused = parse("adjust", [json.dumps(command).encode()])
    assert isinstance(refused, Refusal)
    assert refused.reason == "malformed"


@pytest.mark.parametrize("do", STEP_TEXTS)
def test_a_step_may_say_to_everybody_whatever_is_meant_for_them(do: Deed) -> None:
    for to, known in STEP_TEXTS[do].items():
        for text in known:
            step = Step.model_validate({"after": "0s", "do": do, "to": to, "text": text})
            assert (step.text in texts.FOR_STAFF) == (to not in ("each", "absent"))


def test_to_stop_takes_effect_at_once_wherever_the_ladder_asks() -> None:
    play = ladder({"after": "0s", "do": "ask", "text": "go_on"}).miss()
    play.send("reply", "b", question=play.open_question("b", "go_on"), answer="stop")
    assert play.state.ending == "withdrawn"


def test_a_step_may_speak_to_the_absent_one_alone() -> None:
    play = ladder({"after": "0s", "do": "tell", "to": "absent", "text": "rebook_offer"}).at(EVENING)
    play.turn("b", "ready")
    play.miss()
    assert play.told("rebook_offer") == ["a"]


def test_a_step_that_nobody_can_take_is_skipped_and_said_so() -> None:
    play = ladder(
        {"after": "0s", "do": "alert", "to": "facilitator", "text": "second_miss", "reason": "always"},
        {"after": "1h", "do": "tell", "text": "rebook_offer"},
        facilitators=(),
    ).miss()
    play.later(hours=1)
    assert taken(play) == [(1, (0,))]
    assert play.told("second_miss") == []


def test_an_alert_that_is_put_off_holds_the_ladder_and_comes_back() -> None:
    play = missed_twice()
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert, snooze="30h")
    assert play.sees("facilitator").alerts == ()
    steps = len(taken(play))
    play.later(hours=29)
    assert len(taken(play)) == steps
    assert called(play, "second_miss") == ["facilitator-1"]
    play.later(hours=1)
    assert play.sees("facilitator").alerts == (alert,)
    assert called(play, "second_miss") == ["facilitator-1"] * 2
    assert len(taken(play)) == steps, "what comes when it is not acknowledged comes a day later, as ever"
    play.later(hours=23)
    assert called(play, "second_miss") == ["facilitator-1"] * 2
    play.later(hours=1)
    assert called(play, "second_miss") == ["facilitator-1", "facilitator-1", "facilitator-2"]


def test_whoever_puts_an_alert_off_twice_has_the_day_to_acknowledge_it_after_that() -> None:
    play = missed_twice()
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert, snooze="30h")
    play.later(hours=32).send("acknowledge", "facilitator", alert=alert, snooze="10h")
    play.later(hours=10)
    assert called(play, "second_miss") == ["facilitator-1"] * 3
    play.later(hours=23)
    assert len(called(play, "second_miss")) == 3
    play.later(hours=1)
    assert called(play, "second_miss")[3:] == ["facilitator-2"]


def test_nobody_else_is_called_about_what_has_been_booked_again_though_nobody_acknowledged_it() -> None:
    play = missed_twice()
    play.later(minutes=5).send("reschedule", "a", session=1, proposal=3)
    play.later(hours=30)
    assert called(play, "second_miss") == ["facilitator-1"]
    assert play.awaiting() == "facilitator", "it still waits to be seen"
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert)
    assert play.awaiting() != "facilitator"


def test_what_safeguarding_is_alerted_to_stays_with_safeguarding_when_put_off() -> None:
    play = ladder(
        {"after": "0s", "do": "alert", "to": "safeguarding", "text": "second_miss", "reason": "always"},
        {
            "after": "1h",
            "do": "alert",
            "to": "next_contact",
            "text": "third_miss",
            "reason": "unacknowledged",
        },
    ).miss()
    [first] = play.sent("second_miss")
    assert (play.awaiting(), play.sees("facilitator").alerts) == ("couple", ())
    assert escalation_level(play.state) == "missed"
    [(alert, _)] = overview(play.state).alerts.items()
    play.send("acknowledge", "facilitator", alert=alert, snooze="2h")
    play.later(hours=2)
    again = play.sent("second_miss")[-1]
    for sent in (first, again):
        assert (sent.message.to, sent.message.ref) == ("safeguarding", "safeguarding-1")
        assert ":notice:safeguarding:" in sent.message.key
        assert sent.detail == "notice to safeguarding"
    assert first.message.key != again.message.key
    assert play.told("third_miss") == []
    play.later(hours=1)
    assert play.told("third_miss") == ["facilitator"], "it waits to be acknowledged like any other"
    assert [a.text for a in play.state.calls] == ["third_miss"]
    assert "second_miss" not in play.sees("facilitator").model_dump_json()


def test_a_facilitator_jumps_to_a_later_step() -> None:
    play = ladder(
        {"after": "0s", "do": "tell", "text": "rebook_offer"},
        {"after": "2d", "do": "ask", "text": "check_in"},
        {"after": "9d", "do": "alert", "to": "next_contact", "text": "undecided", "reason": "always"},
    ).miss()
    assert play.refused("decide", "facilitator", decision="jump") == "malformed"
    assert play.refused("decide", "facilitator", decision="jump", step=0) == "too_late"
    assert play.refused("decide", "facilitator", decision="jump", step=7) == "not_open"
    play.send("decide", "facilitator", decision="jump", step=2)
    assert taken(play)[-1] == (2, (1,))
    [sent] = play.sent("undecided")
    assert sent.message.ref == "facilitator-2"
    play.later(days=3)
    assert play.told("check_in") == []


def test_nobody_jumps_to_a_step_whose_reason_is_gone() -> None:
    play = ladder(
        {"after": "0s", "do": "alert", "to": "facilitator", "text": "second_miss", "reason": "always"},
        {
            "after": "1d",
            "do": "alert",
            "to": "next_contact",
            "text": "second_miss",
            "reason": "unacknowledged",
        },
        {"after": "2d", "do": "ask", "text": "check_in"},
        {"after": "3d", "do": "alert", "to": "facilitator", "text": "undecided", "reason": "undecided"},
        {"after": "4d", "do": "pause", "reason": "undecided"},
    ).miss()
    play.send("reschedule", "a", session=1, proposal=3)
    for step in (1, 2, 3):
        assert play.refused("decide", "facilitator", decision="jump", step=step) == "not_open"
    assert play.asked("check_in") == []
    play.send("decide", "facilitator", decision="jump", step=4)
    assert play.stage() == "paused", "to pause or to end needs no reason"


def test_whoever_has_acknowledged_may_call_the_next_contact_all_the_same() -> None:
    play = missed_twice()
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert)
    assert play.state.escalation
    [step] = [n for n, s in enumerate(play.state.escalation.steps) if s.to == "next_contact"]
    play.send("decide", "facilitator", decision="jump", step=step)
    assert called(play, "second_miss") == ["facilitator-1", "facilitator-2"]


def test_a_changed_policy_applies_from_the_next_booking() -> None:
    play = Play(a_plan()).enrol()
    quicker = {"missed_after": "7min", "ladder": [[{"after": "0s", "do": "ask", "text": "check_in"}]]}
    assert play.refused("adjust", "a", policy=quicker) == "not_a_participant"
    assert play.refused("adjust", "facilitator", language="de") == "malformed"
    play.send("adjust", "facilitator", policy=quicker)
    assert play.refused("adjust", "facilitator", policy=quicker) == "limit"
    play.at(EVENING + timedelta(minutes=8))
    assert play.state.counts == {}
    play.at(EVENING + timedelta(minutes=15))
    assert play.state.counts == {"missed": 1}
    assert play.asked("check_in") == []
    play.send("reschedule", "b", session=1, proposal=1)
    play.at(EVENING + DAY + timedelta(minutes=7))
    assert play.state.counts == {"missed": 2}
    assert play.asked("check_in") == ["a", "b"]


def test_nothing_is_put_off_past_the_end_that_the_ladder_has_or_for_ever() -> None:
    play = missed_thrice()
    ends = play.now + 14 * DAY
    [alert] = play.sees("facilitator").alerts
    outcome = play.try_("acknowledge", "facilitator", alert=alert, snooze="3650d")
    assert isinstance(outcome, Refusal)
    assert outcome.reason == "out_of_range"
    assert f"{ends:%Y-%m-%d %H:%M:%S} UTC" in outcome.message
    play.later(days=1)
    assert play.refused("acknowledge", "facilitator", alert=alert, snooze="14d") == "out_of_range"
    play.send("acknowledge", "facilitator", alert=alert, snooze="13d")
    play.later(days=27)
    assert play.state.ending == "silence"
    play = missed_twice()
    [alert] = play.sees("facilitator").alerts
    assert play.refused("acknowledge", "facilitator", alert=alert, snooze="15d") == "out_of_range"
    play.send("acknowledge", "facilitator", alert=alert, snooze="14d")


PRIVATE = {"words": "sealed", "tell_reason": False, "forget_after": "30d", "moves": 1}


def test_what_a_changed_policy_does_not_name_stays_as_it_is() -> None:
    play = practising(policy=PRIVATE)
    before = play.state.policy
    play.send("adjust", "facilitator", policy={"idle_after": "20min"})
    assert play.state.policy == before.with_(idle_after=timedelta(minutes=20))
    [changed] = play.of(e.PolicyChanged)
    assert changed.policy == play.state.policy, "the event says the whole of it"
    play.at(EVENING + WEEK)
    play.send("adjust", "facilitator", policy={"forget_after": None})
    assert play.state.policy.forget_after is None, "and to name nothing as such is a change"
    assert (play.state.policy.words, play.state.policy.idle_after) == ("sealed", timedelta(minutes=20))


def test_a_change_of_the_policy_is_judged_as_a_whole_with_what_stays() -> None:
    play = practising(policy={"window": "3h"})
    outcome = play.try_("adjust", "facilitator", policy={"missed_after": "4h"})
    assert isinstance(outcome, Refusal)
    assert outcome.reason == "malformed"
    assert outcome.message == "policy: ask_absent_after, missed_after and window must rise in that order"
    play.send("adjust", "facilitator", policy={"missed_after": "2h"})


def test_a_change_of_the_policy_travels_as_what_it_names() -> None:
    sent = {"command_id": "c1", "by": "facilitator", "policy": {"idle_after": "20min"}}
    command = parse("adjust", [json.dumps(sent).encode()])
    assert not isinstance(command, Refusal)
    assert json.loads(command.model_dump_json())["policy"] == {"idle_after": "20min"}
    refused = parse("adjust", [json.dumps({**sent, "policy": {}}).encode()])
    assert isinstance(refused, Refusal)
    assert refused.message == "policy: name at least one number of the policy; all others stay as they are"


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"reminders": ["1h", "soon"]}, "policy.reminders.1: write a length of time"),
        ({"ladder": [[{"after": "1d", "do": "dance"}]]}, "policy.ladder.0.0.do: "),
        ({"no_such": 1}, "a field of policy: no such field"),
        (
            {"ladder": [[{"after": "1d", "do": "pause", "whom": "a"}]]},
            "a field of policy.ladder.0.0: no such",
        ),
    ],
)
def test_what_is_wrong_in_a_policy_is_said_with_its_place(policy: dict[str, Any], says: str) -> None:
    sent = {"command_id": "c1", "by": "facilitator", "policy": policy}
    refused = parse("adjust", [json.dumps(sent).encode()])
    assert isinstance(refused, Refusal)
    assert refused.message.startswith(says)


def test_elsewhere_a_place_repeats_nothing_that_was_sent() -> None:
    sent = {"command_id": "c1", "by": "a", "question": "intake.a1", "answers": {"my secret": "maybe"}}
    refused = parse("reply", [json.dumps(sent).encode()])
    assert isinstance(refused, Refusal)
    assert refused.message.startswith("answers: ")


def test_a_pause_may_shift_what_remains_by_its_length() -> None:
    play = Play(a_plan(policy=Policy(after_pause="shift"))).enrol()
    play.send("pause", "a")
    play.later(days=10)
    play.send("resume", "a")
    play.send("resume", "b")
    [ended] = play.of(e.PauseEnded)
    assert ended.shift == 10 * DAY
    assert play.begins == EVENING + 10 * DAY
    play.hold()
    assert play.begins == EVENING + 10 * DAY + WEEK


def shifted_by(length: timedelta, **given: Any) -> Play:
    play = Play(a_plan(policy=Policy(after_pause="shift"), **given)).enrol()
    play.send("pause", "a")
    play.later(seconds=length.total_seconds())
    play.send("resume", "a")
    play.send("resume", "b")
    return play


def test_what_remains_shifts_by_the_whole_days_that_a_pause_lasted() -> None:
    hour = timedelta(hours=1)
    assert shifted_by(timedelta(minutes=1)).begins == EVENING, "a minute is no day"
    assert shifted_by(DAY - hour).begins == EVENING + WEEK, "the slot of that evening falls away"
    assert shifted_by(DAY + hour).begins == EVENING + DAY
    assert shifted_by(3 * DAY - hour).begins == EVENING + 2 * DAY + WEEK, (
        "so does one that has passed by then"
    )
    listed = {"every": "list", "at": ["+10h", "+34h"]}
    assert shifted_by(3 * hour, cadence=listed).begins == EVENING + 3 * hour, "a list is moved to the second"


def test_by_default_the_weekday_stays() -> None:
    play = Play(a_plan()).enrol()
    play.send("pause", "a")
    play.later(days=10)
    play.send("resume", "a")
    play.send("resume", "b")
    assert play.begins == EVENING + 2 * WEEK


def test_what_is_taken_back_leaves_the_calendars_under_the_revision_it_was_given() -> None:
    play = Play(a_plan()).enrol()
    [given, _] = play.sent("invitation")
    play.send("pause", "b")
    [taken_back, _] = play.sent("paused")
    assert (taken_back.message.session, taken_back.message.start) == (1, given.message.start)
    assert taken_back.message.revision == given.message.revision
    play.send("resume", "a")
    play.send("resume", "b")
    [again, _] = play.sent("moved")
    assert again.message.revision == given.message.revision + 2, "above the one that took it back"
    play.send("withdraw", "a")
    assert [m.message.session for m in play.sent("ended")] == [1, 1]


def test_where_no_way_reaches_a_partner_the_facilitator_is_told_once() -> None:
    play = Play(a_plan())
    play.answers = False
    play.enrol()

    def settle(outcome: Literal["undeliverable"]) -> None:
        for key, ask in list(play.state.asks.items()):
            if getattr(ask, "to", "") == "a":
                play.apply(Delivered(key=key, outcome=outcome, reason="no_contact"))

    settle("undeliverable")
    assert play.told("unreachable") == ["facilitator"]
    assert play.state.unreachable == ("a",)
    play.send("withdraw", "b")
    settle("undeliverable")
    assert play.told("unreachable") == ["facilitator"]
    for by in PARTNERS:
        assert "unreachable" not in play.sees(by).model_dump_json()


def test_what_was_tried_only_until_its_purpose_was_over_says_nothing_of_the_person() -> None:
    play = practising()
    play.answers = False
    play.at(EVENING + timedelta(minutes=5))
    [still_on, _] = play.sent("still_on")
    assert still_on.message.until == EVENING + timedelta(minutes=15)

    def settle(key: str, reason: str) -> None:
        play.apply(Delivered(key=key, outcome="undeliverable", reason=reason))

    settle(still_on.message.key, "gave_up")
    assert (play.state.unreachable, play.told("unreachable")) == ((), [])
    play.at(EVENING + timedelta(minutes=15))
    [offer, _] = play.sent("rebook_offer")
    assert offer.message.until == EVENING + timedelta(minutes=15) + 4 * DAY, "four days are not a while"
    settle(offer.message.key, "gave_up")
    assert (play.state.unreachable, play.told("unreachable")) == (("a",), ["facilitator"])
    settle(play.sent("still_on")[1].message.key, "bad_address")
    assert play.state.unreachable == ("a", "b"), "what can never arrive is known at once"


def test_what_is_offered_after_a_miss_is_what_the_policy_offered_when_it_was_booked() -> None:
    play = practising()
    play.send("adjust", "facilitator", policy={"proposals": ["5d"]})
    play.miss()
    [missed] = play.state.sessions
    assert missed.proposals == (EVENING + DAY, EVENING + 2 * DAY, EVENING + 3 * DAY)
    play.send("reschedule", "a", session=1, proposal=1)
    [again] = play.miss().state.sessions
    assert again.proposals == (EVENING + 6 * DAY,)


def test_a_session_at_night_is_flagged_to_the_one_whose_night_it_is() -> None:
    people = {
        "a": {"ref": "pa", "zone": "Asia/Tokyo"},
        "b": {"ref": "pb", "zone": "UTC"},
    }
    play = Play(a_plan(people=people)).enrol()
    assert play.session.night_for == ("a",)
    assert [s.night for s in play.sees("a").sessions] == [True]
    assert [s.night for s in play.sees("b").sessions] == [False]


def test_a_pause_of_the_ladder_that_nobody_is_asked_about_is_one_like_any_other() -> None:
    play = ladder({"after": "0s", "do": "pause", "reason": "always"}, facilitators=()).miss()
    assert (play.stage(), play.asked("go_on")) == ("paused", [])
    play.send("resume", "a")
    play.send("resume", "b")
    assert (play.stage(), play.state.escalation) == ("practising", None)


def test_where_the_absent_one_alone_is_asked_that_answer_is_enough() -> None:
    steps = (
        {"after": "0s", "do": "pause", "reason": "always"},
        {"after": "0s", "do": "ask", "to": "absent", "text": "go_on", "reason": "always"},
        {"after": "14d", "do": "end", "reason": "undecided"},
    )
    for facilitators, begins in ((), 1), (("facilitator-1",), 14):
        play = ladder(*steps, facilitators=facilitators).at(EVENING)
        play.turn("b", "ready")
        play.miss().later(hours=1)
        play.send("reply", "a", question=play.open_question("a", "go_on"), answer="go_on")
        play.later(days=begins)
        assert (play.stage(), play.state.ending) == ("practising", None), "silence has not ended it"


def test_quiet_hours_that_change_in_a_pause_hold_for_its_messages() -> None:
    play = Play(a_plan()).enrol()
    play.send("pause", "a", until=play.now + DAY)
    play.send("adjust", "b", quiet={"start": "08:00", "end": "11:00"})
    assert play.stage() == "paused"
    assert play.state.next_session is None
    play.later(days=2)
    assert [(m.message.to, m.at.hour) for m in play.sent("resume_asked")] == [("a", 9), ("b", 11)]
    play.send("resume", "a")
    play.send("resume", "b")
    assert play.begins == EVENING + WEEK
