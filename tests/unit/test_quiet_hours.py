"""Nothing reaches a partner in quiet hours, however little is known yet; and what is late has not outlived its purpose.

Both live in Berlin here, where `NIGHT` is half past two; their quiet hours end at seven.
"""

from __future__ import annotations

from asyncio import run
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.testing import ActivityEnvironment

from duologue.activities import Activities, Contact, Post, TryAgain
from duologue.practice import events as e
from duologue.practice.asks import Delivered, Message, Resolve
from duologue.practice.decide import Tick, start
from duologue.practice.plan import QuietHours
from duologue.practice.texts import MessageText
from duologue.practice.values import PARTNERS
from tests.support.core import DAY, WEEK, Play, a_plan
from tests.support.paces import BRIEF
from tests.support.world import good

PEOPLE = {p: {"ref": f"person-{p}", "zone": "Europe/Berlin"} for p in PARTNERS}
NIGHT = datetime(2027, 1, 4, 1, 30, tzinfo=UTC)
MORNING = datetime(2027, 1, 4, 6, 0, tzinfo=UTC)
SPRING = datetime(2027, 4, 1, 0, 30, tzinfo=UTC)
"""Half past two in summer time."""


def a_play(at: datetime = NIGHT, **given: object) -> Play:
    return Play(a_plan(people=PEOPLE, zone="Europe/Berlin", **given), at)


def moments(play: Play, template: str) -> list[datetime]:
    return [sent.at for sent in play.sent(template)]


# --- what the calendar has not told yet -------------------------------------------------------------------------------


def test_the_welcome_of_a_programme_that_starts_at_night_comes_in_the_morning() -> None:
    play = a_play()
    assert play.sent() == []
    play.later(hours=6)
    assert moments(play, "welcome") == [MORNING] * 2


def test_until_the_calendar_has_answered_a_message_waits_and_it_is_asked_once() -> None:
    play = a_play(MORNING)
    play.answers = False
    play.state, play.events = start(play.state.plan, MORNING)
    play.later(hours=3)
    assert [type(ask) for ask in play.state.asks.values()] == [Resolve]
    assert play.sent() == []
    play.answers = True
    play.settle()
    assert moments(play, "welcome") == [MORNING + timedelta(hours=3)] * 2


def test_who_enrols_at_night_is_told_in_the_morning_however_long_it_took() -> None:
    for weeks in (0, 5):
        play = a_play(MORNING, policy={"enrol_within": "60d"}).at(NIGHT + DAY + weeks * WEEK)
        play.enrol()
        assert play.sent("enrolled") == play.sent("invitation") == []
        play.later(hours=5)
        morning = MORNING + DAY + weeks * WEEK
        assert moments(play, "enrolled") == moments(play, "invitation") == [morning] * 2


def test_a_pause_that_ends_at_night_weeks_later_asks_in_the_morning() -> None:
    play = a_play(MORNING).enrol()
    play.send("pause", "a", until=SPRING)
    play.at(SPRING + DAY)
    assert moments(play, "resume_asked") == [SPRING.replace(hour=5, minute=0)] * 2
    assert len(play.of(e.WindowsAsked)) == 2, (
        "at the start, and when what was known then was of no use any more"
    )


def test_the_invitation_to_a_first_session_months_ahead_is_held_through_the_night() -> None:
    monthly = {"every": "week", "on": ("monday",), "at": "07:30", "start": "2027-05-10"}
    play = a_play(MORNING, cadence=monthly).at(NIGHT + DAY).enrol()
    assert play.begins == datetime(2027, 5, 10, 5, 30, tzinfo=UTC)
    play.later(hours=6)
    assert moments(play, "invitation") == [MORNING + DAY] * 2
    play.at(play.begins)
    # An hour before is half past six.
    assert moments(play, "reminder")[2:] == [datetime(2027, 5, 10, 5, 0, tzinfo=UTC)] * 2


def test_after_a_session_that_was_held_before_its_slot_the_next_invitation_is_held_too() -> None:
    play = a_play(MORNING).enrol()
    early = NIGHT + 5 * DAY - timedelta(hours=4)
    play.hold().send("reschedule", "a", session=2, at=early)
    play.check_in()
    assert play.now < play.state.last_slot  # type: ignore[operator]
    play.at(early + timedelta(minutes=40)).turn("b", "stop")
    assert (play.begins - play.now).days > 7
    play.later(days=1)
    assert moments(play, "invitation")[-2:] == [MORNING + 5 * DAY] * 2


def test_between_a_change_of_quiet_hours_and_the_calendar_s_answer_nothing_is_sent() -> None:
    play = a_play(MORNING).enrol()
    reminder = play.begins - timedelta(hours=1)
    play.at(reminder - timedelta(minutes=5))
    play.answers = False
    play.send("adjust", "a", quiet={"start": "17:30", "end": "18:30"})
    play.at(reminder + timedelta(minutes=1))
    assert [s.message.to for s in play.sent("reminder")] == []
    play.answers = True
    play.settle()
    assert [(s.message.to, s.at) for s in play.sent("reminder")] == [("b", play.now)]


# --- what delivery makes of the night ---------------------------------------------------------------------------------


class Remembering:
    """A channel that keeps when something was sent."""

    name = "test"

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        self.sent.append(message)


async def attempt(message: Message, at: datetime) -> Delivered | timedelta | None:
    """What became of it, or for how long it is held."""
    channel = Remembering()
    try:
        done: Delivered = await ActivityEnvironment().run(
            Activities(Post.through(channel, BRIEF), now=lambda: at).deliver, message
        )
    except TryAgain as again:
        held = again.trouble == "quiet_hours" and channel.sent == []
        return again.next_retry_delay if held else None
    assert (channel.sent != []) == (done.outcome == "delivered")
    return done


async def test_an_attempt_that_comes_at_night_is_held_until_the_morning() -> None:
    [_, sent] = a_play(MORNING).sent("welcome")
    assert isinstance(done := await attempt(sent.message, MORNING), Delivered)
    assert done.outcome == "delivered"
    assert await attempt(sent.message, NIGHT + DAY) == timedelta(hours=4, minutes=30)
    assert isinstance(done := await attempt(sent.message, MORNING + DAY), Delivered)
    assert done.outcome == "delivered"


async def test_an_attempt_that_would_be_held_past_its_purpose_is_given_up_with_the_reason() -> None:
    play = a_play(MORNING).enrol()
    [_, reminder] = play.at(play.begins).sent("reminder")
    late = reminder.message.with_(until=MORNING + DAY)
    assert await attempt(late, NIGHT + DAY) == Delivered(
        key=late.key, outcome="expired", reason="quiet_hours"
    )


async def test_before_the_night_begins_delivery_does_not_even_look_at_a_clock() -> None:
    [_, sent] = a_play(MORNING).sent("welcome")
    assert sent.message.free_until == datetime(2027, 1, 4, 21, 0, tzinfo=UTC)
    odd = sent.message.with_(quiet=QuietHours(start="00:00", end="23:59"))
    assert isinstance(done := await attempt(odd, MORNING), Delivered)
    assert done.outcome == "delivered"


async def test_staff_and_who_has_no_quiet_hours_are_reached_at_any_hour() -> None:
    people = {**PEOPLE, "b": {**PEOPLE["b"], "quiet": None}}
    play = Play(a_plan(people=people), NIGHT)
    [welcome] = play.sent("welcome")
    assert (welcome.message.to, welcome.at, welcome.message.quiet) == ("b", NIGHT, None)
    play.enrol().send("pause", "a", concern=True)
    [concern] = play.sent("concern")
    for message in (welcome.message, concern.message):
        assert isinstance(done := await attempt(message, NIGHT + DAY), Delivered)
        assert done.outcome == "delivered"


WELCOME = a_play(MORNING).sent("welcome")[0].message


@settings(deadline=None, derandomize=True, max_examples=60)
@given(after=st.integers(0, 60 * 24 * 9), zone=st.sampled_from(["Europe/Berlin", "Asia/Kathmandu"]))
def test_whenever_an_attempt_comes_it_is_never_at_night(after: int, zone: str) -> None:
    at, message = MORNING + timedelta(minutes=after), WELCOME.with_(zone=zone, free_until=MORNING)
    outcome = run(attempt(message, at))
    if isinstance(outcome, timedelta):
        assert timedelta(0) < outcome <= timedelta(hours=9)
        outcome = run(attempt(message, at + outcome))
    assert isinstance(outcome, Delivered)
    assert outcome.outcome == "delivered"


# --- what is late -----------------------------------------------------------------------------------------------------


async def test_after_five_days_without_a_worker_only_what_is_still_true_is_delivered() -> None:
    """A miss, its offer, its private question and the booking by itself are all behind; only the new time counts."""
    play = a_play(MORNING).enrol()
    play.at(play.begins)
    play.answers, before = False, len(play.events)
    play.now += 5 * DAY
    play.apply(Tick())
    for resolve in [ask for ask in play.state.asks.values() if not isinstance(ask, Message)]:
        play.apply(good(resolve))
    told = [event.message for event in play.events[before:] if isinstance(event, e.MessageSent)]
    assert {m.template for m in told} == {"still_on", "rebook_offer", "check_in", "moved"}
    outcomes = {m.template: await attempt(m, play.now.replace(hour=18)) for m in told if m.to == "a"}
    assert {t: o.outcome for t, o in outcomes.items() if isinstance(o, Delivered)} == {
        "still_on": "expired",
        "rebook_offer": "expired",
        "check_in": "expired",
        "moved": "delivered",
    }


def test_every_offer_and_question_after_a_miss_says_until_when_it_holds() -> None:
    play = a_play(MORNING).enrol().miss()
    books_itself = play.now + play.state.policy.rebook_within
    play.later(days=3)
    assert {s.message.until for t in ("rebook_offer", "check_in") for s in play.sent(t)} == {books_itself}
    play.later(days=2).miss().later(days=5).miss().later(days=1)
    ends = {s.message.until for s in play.sent("go_on")}
    since = play.of(e.EscalationBegan)[-1].escalation.since
    assert ends == {since + timedelta(days=14)}


def test_what_is_due_when_its_purpose_ends_is_skipped_as_past() -> None:
    late = [{"after": "4d", "do": "tell", "text": "rebook_offer"}]
    play = a_play(MORNING, policy={"ladder": [late]}).enrol().miss()
    play.later(days=5)
    assert play.skipped("rebook_offer") == [("a", "past"), ("b", "past")]
    assert play.told("moved") == ["a", "b"]


# --- whose night it is ------------------------------------------------------------------------------------------------


def flagged(play: Play) -> list[str]:
    """For whom the next session is at night, and who sees that."""
    seen = [by for by in PARTNERS if any(s.night for s in play.sees(by).sessions)]
    assert list(play.session.night_for) == seen
    return [*seen]


def test_the_flag_of_a_night_follows_a_partner_who_moves() -> None:
    play = a_play(MORNING).enrol()
    assert flagged(play) == []
    revision, told = play.session.revision, len(play.sent())
    play.send("adjust", "b", zone="Asia/Tokyo")
    assert flagged(play) == ["b"]
    play.send("adjust", "b", zone="Europe/Lisbon")
    assert flagged(play) == []
    play.send("adjust", "a", quiet={"start": "19:00", "end": "20:00"})
    assert flagged(play) == ["a"]
    play.send("adjust", "a", no_quiet_hours=True)
    assert flagged(play) == []
    assert (play.session.revision, len(play.sent())) == (revision, told), "nobody is invited anew"


def test_the_flag_follows_for_every_session_that_is_booked() -> None:
    far = {"every": "days", "days": 90, "at": "19:00", "start": "2027-04-05"}
    play = a_play(MORNING, cadence=far).enrol()
    play.send("ask_dialogue", "a", kind="mirroring")
    at = play.now + timedelta(hours=10)
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="at", at=at)
    play.send("adjust", "b", zone="Asia/Tokyo")
    assert {s.number: s.night_for for s in play.state.sessions} == {1: ("b",), 2: ("b",)}
