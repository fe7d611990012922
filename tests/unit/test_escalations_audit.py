"""The auditor: every escalation in a journal has ended, or something is on its way; it notices where that is not so."""

from datetime import timedelta

from duologue.audit import Course, Derived, escalations, unfinished
from duologue.practice.decide import blank
from tests.support.core import DAY, MONDAY, Play, a_plan, missed_thrice, missed_twice, practising


def derived(play: Play) -> Derived:
    return Derived(play.state, play.events, first=blank(a_plan(), MONDAY))


def courses(play: Play) -> list[tuple[int, int, str, str]]:
    return [(c.session, c.misses, c.status, c.by) for c in escalations(derived(play))]


def test_a_miss_that_was_made_up_for_has_ended_with_the_dialogue() -> None:
    play = practising("mirroring", "full").miss()
    play.send("reschedule", "a", session=1, proposal=1)
    assert courses(play) == [(1, 1, "due", "")]
    play.check_in()
    assert courses(play) == [(1, 1, "ended", "DialogueOpened")]
    [course] = escalations(derived(play))
    assert course.ended == play.now


def test_each_miss_in_a_row_ends_the_escalation_before_it() -> None:
    assert courses(missed_thrice()) == [
        (1, 1, "ended", "EscalationBegan"),
        (1, 2, "ended", "EscalationBegan"),
        (1, 3, "due", ""),
    ]
    assert courses(missed_thrice().later(days=14))[-1] == (1, 3, "ended", "Ended")


def test_one_about_a_pause_is_among_them() -> None:
    play = practising()
    play.send("pause", "a")
    play.later(days=30)
    assert courses(play) == [(0, 0, "due", "")]
    play.send("resume", "a")
    play.send("resume", "b")
    assert courses(play) == [(0, 0, "ended", "PauseEnded")]


def test_one_that_only_a_person_can_end_is_waiting_and_not_forgotten() -> None:
    play = practising()
    play.send("pause", "a", concern=True)
    play.later(days=300)
    assert courses(play) == [(0, 0, "waiting", "")]
    assert unfinished(derived(play)) == ()


def test_a_step_that_was_not_taken_when_it_was_due_is_noticed() -> None:
    play = missed_twice()
    forgotten = play.state.with_(clock=play.now + 3 * DAY)
    [course] = unfinished(Derived(forgotten, play.events, first=blank(a_plan(), MONDAY)))
    assert (course.status, course.misses) == ("overdue", 2)


def test_one_for_which_nothing_is_on_its_way_is_noticed() -> None:
    play = practising().miss()
    lost = play.state.with_(sessions=(), awaiting="none")
    [course] = unfinished(Derived(lost, play.events, first=blank(a_plan(), MONDAY)))
    assert course == Course(
        session=1, misses=1, began=MONDAY.replace(hour=19) + timedelta(minutes=15), status="stuck"
    )
