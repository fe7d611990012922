"""Commands that come late, twice, or under an id that is somebody else's."""

from datetime import timedelta

from duologue.practice import events as e
from duologue.practice.messages import Refusal, TurnTaken
from tests.support.core import EVENING, practising


def test_check_ins_sent_during_our_outage_count_when_they_are_looked_at_late() -> None:
    play = practising().at(EVENING - timedelta(hours=1))
    play.now = EVENING + timedelta(hours=3)
    play.answers = False
    for by, minutes in (("a", 2), ("b", 14)):
        command = {
            "command_id": by,
            "by": by,
            "act": "ready",
            "sent_at": EVENING + timedelta(minutes=minutes),
        }
        assert not isinstance(play.apply(TurnTaken.model_validate(command)), Refusal)
    [opened] = play.of(e.DialogueOpened)
    assert opened.at == EVENING + timedelta(minutes=14)
    assert [event.absent for event in play.of(e.AbsentAsked)] == [("b",)]
    play.at(play.now)
    assert play.state.counts == {"unfinished": 1}
    assert play.state.missed_in_a_row == 0


def test_what_has_been_processed_cannot_be_undone_by_an_earlier_sent_at() -> None:
    play = practising().miss()
    assert play.refused("turn", "a", act="ready", sent_at=EVENING) == "too_late"


def test_a_sent_at_in_the_future_counts_as_now() -> None:
    play = practising()
    assert play.refused("turn", "a", act="ready", sent_at=EVENING) == "not_open"


def test_a_repeat_changes_nothing_and_a_refused_command_is_judged_anew() -> None:
    play = practising()
    assert play.refused("turn", "a", act="ready", command_id="x") == "not_open"
    play.at(EVENING)
    receipt = play.send("turn", "a", act="ready", command_id="x")
    before = play.state
    play.try_("withdraw", "a", command_id="x")
    assert play.state == before
    assert play.state.receipt("x") == receipt


def test_an_id_that_the_other_has_used_is_no_repeat_and_brings_about_nothing() -> None:
    play = practising().at(EVENING)
    receipt = play.send("turn", "a", act="ready", command_id="x")
    for by in ("b", "facilitator"):
        name = "acknowledge" if by == "facilitator" else "turn"
        fields = {"alert": "m1"} if by == "facilitator" else {"act": "ready"}
        assert play.refused(name, by, command_id="x", **fields) == "id_taken"
    assert play.state.receipt("x") == receipt
    assert play.sees("b").receipt is None
