"""Whatever ladder is written down and whatever course is taken: it does what its steps say, when they say it, and ends.

Hypothesis writes a policy with every deed, audience, reason and repeat that is valid, and a course of a couple, their
facilitator and a worker that may be away. `Watched` looks at each event in the state that it met, and reckons for
itself when a step is due: its reason is read in other words than the ladder's, quiet hours by the wall clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from duologue.practice import events as e
from duologue.practice import texts
from duologue.practice.asks import Message
from duologue.practice.decide import Input, Tick
from duologue.practice.evolve import evolve
from duologue.practice.messages import Decide, Refusal
from duologue.practice.passing import deadlines, due
from duologue.practice.plan import Person, Plan
from duologue.practice.policy import MOST_STEPS, STEP_TEXTS, Deed, Step
from duologue.practice.state import CHOICES, State
from duologue.practice.values import PARTNERS, Partner, parse_span
from tests.support.core import MONDAY, Play, a_plan
from tests.support.purpose import has_its_purpose, on_their_way
from tests.support.world import has_its_reason, has_recipient

Fields = dict[str, Any]

# --- ladders ----------------------------------------------------------------------------------------------------------

HOURS = (0, 0, 1, 5, 24, 48, 72, 96, 200)
spans = st.sampled_from(HOURS).map(lambda hours: f"{hours}h")
reasons = st.sampled_from(["always", "unbooked", "unacknowledged", "undecided", "unanswered"])
deeds: st.SearchStrategy[Deed] = st.sampled_from(
    ["tell", "ask", "alert", "alert", "tell", "ask", "pause", "end"]
)


@st.composite
def steps(draw: st.DrawFn) -> Fields:
    do = draw(deeds)
    to = draw(st.sampled_from(list(STEP_TEXTS[do])))
    step: Fields = {"do": do, "after": draw(spans), "to": to, "reason": draw(reasons)}
    if do not in ("pause", "end"):
        step["text"] = draw(st.sampled_from(STEP_TEXTS[do][to]))
        if draw(st.integers(0, 3)) == 0:
            step |= {"every": draw(st.sampled_from(["2h", "30h"])), "times": draw(st.integers(2, 4))}
    return step


def _few_enough(rung: list[Fields]) -> bool:
    return sum(int(step.get("times", 1)) for step in rung) <= MOST_STEPS


def for_a_pause(step: Fields) -> Fields:
    """What a step says to the two while the programme rests."""
    to_them = step["to"] in ("each", "absent") and step["do"] in ("tell", "ask")
    return step | {"to": "each", "text": "resume_asked"} if to_them else step


def resting(rung: list[Fields]) -> list[Fields]:
    """A rung that asks the two nothing but how to go on, once it has paused the programme."""
    pauses = [parse_span(step["after"]) for step in rung if step["do"] == "pause"]

    def said(step: Fields) -> Fields:
        to_them = step["to"] in ("each", "absent") and step["do"] in ("tell", "ask")
        repeated = parse_span(step.get("every", "0s")) * (int(step.get("times", 1)) - 1)
        last = parse_span(step["after"]) + repeated
        return step | {"text": "go_on"} if to_them and last >= min(pauses) else step

    return [said(step) for step in rung] if pauses else rung


rungs = st.lists(steps(), min_size=1, max_size=6).filter(_few_enough).map(resting)
ladders = st.lists(rungs, min_size=1, max_size=3)

quiet_hours = st.sampled_from([None, {"start": "22:00", "end": "07:00"}, {"start": "17:30", "end": "20:15"}])
zones = st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A few sessions and a few more slots, so that whoever never comes has an end before them."""
    people = {p: {"ref": f"person-{p}", "quiet": draw(quiet_hours), "zone": draw(zones)} for p in PARTNERS}
    weekly = {"every": "week", "on": ("monday", "thursday"), "at": "19:00", "count": 6}
    return a_plan(
        *("mirroring",) * 3,
        people=people,
        facilitators=("facilitator-1", "facilitator-2")[: draw(st.sampled_from([2, 2, 1, 0]))],
        safeguarding=draw(st.sampled_from(["safeguarding-1", None])),
        cadence=weekly,
        policy={
            "ladder": draw(ladders),
            "resuming": [for_a_pause(s) for s in draw(ladders)[0] if s["do"] != "pause"],
            "pause_asks_after": draw(st.sampled_from(["20h", "10d"])),
            "after_pause": draw(st.sampled_from(["keep_weekday", "shift"])),
        },
    )


# --- what is watched --------------------------------------------------------------------------------------------------


class Watched(Play):
    """A programme whose every event is looked at in the state that it met."""

    def __init__(self, plan: Plan) -> None:
        self.began: dict[datetime, int] = {}
        self.ready: dict[int, datetime] = {}
        """Since when each step to come has had its reason and somebody to go to."""
        self.counted_from = MONDAY
        self.taken: Counter[tuple[datetime, int]] = Counter()
        self.keys: dict[str, Message] = {}
        self.held: set[str] = set()
        self.told_at: set[tuple[Any, ...]] = set()
        self.hushed = False
        super().__init__(plan, MONDAY)
        self.keys = {sent.message.key: sent.message for sent in self.sent()}

    def apply(self, given: Input) -> Refusal | list[e.Event]:
        """Give something to the core, now, and look at what it brings about."""
        state, outcome = self.state, super().apply(given)
        if isinstance(outcome, Refusal):
            return outcome
        jumped = isinstance(given, Decide) and given.decision == "jump"
        for happened in outcome:
            self._look(state, happened, jumped=jumped)
            state = evolve(state, happened)
            self._reckon(state, happened.at)
        for message in on_their_way(self.state):
            assert has_its_purpose(self.state, message), f"{message.key} has lost its purpose"
        if isinstance(given, Tick):
            assert not any(at <= self.now for at, _, _ in deadlines(self.state)), "something is overdue"
        return outcome

    def _look(self, state: State, happened: e.Event, *, jumped: bool) -> None:
        match happened:
            case e.EscalationBegan(escalation=escalation):
                self._is_the_policy_s(state, escalation.steps)
                self.began[escalation.since] = len(escalation.steps)
                self.ready, self.counted_from = {}, escalation.since
            case e.Acknowledged(snooze=until) if until is not None:
                self._put_off(state, happened.alert, until)
            case e.StepTaken():
                self._is_its_turn(state, happened, jumped=jumped)
            case e.PauseBegan():
                self.hushed |= happened.concern
            case e.PauseEnded() | e.Ended():
                self.hushed = False
            case e.MessagePlanned(message=message):
                self.held.add(message.key)
            case e.MessageSent(message=message):
                self._may_be_sent(state, message, happened.at)

    def _is_the_policy_s(self, state: State, steps: tuple[Step, ...]) -> None:
        """Each step of the rung for so many misses as often as it says, in the order of their time."""
        if state.paused:
            rung = state.policy.resuming
        else:
            waiting = next(s for s in state.sessions if s.waits)
            ladder = state.policy_for(waiting).ladder
            rung = ladder[min(state.missed_in_a_row, len(ladder)) - 1]
        wanted = Counter(
            (s.do, s.to, s.text, s.reason, s.after + (s.every or timedelta(0)) * n)
            for s in rung
            for n in range(s.times)
        )
        assert Counter((s.do, s.to, s.text, s.reason, s.after) for s in steps) == wanted
        assert [s.after for s in steps] == sorted(s.after for s in steps)

    def _put_off(self, state: State, alert: str, until: datetime) -> None:
        """What comes after an alert comes as long after it as the ladder says, once it is back."""
        escalation = state.escalation
        if escalation and alert in [a.id for a in escalation.alerts]:
            after = escalation.steps[int(alert.rsplit(".", 1)[-1])].after
            self.counted_from = max(self.counted_from, until - after)

    def _is_its_turn(self, state: State, happened: e.StepTaken, *, jumped: bool) -> None:
        escalation = state.escalation
        assert escalation is not None, "a step of no escalation"
        step, index = escalation.steps[happened.index], happened.index
        assert index >= escalation.taken
        self.taken[escalation.since, index] += 1
        assert self.taken[escalation.since, index] == 1, "a step is taken twice"
        if jumped and index not in self.ready:
            return
        if not jumped:
            assert has_its_reason(state, step), f"{step} without its reason"
            assert happened.at == max(self.counted_from + step.after, self.ready[index]), (
                f"{step} at its time"
            )
        event(f"{step.do} for {step.reason}")

    def _may_be_sent(self, state: State, message: Message, at: datetime) -> None:
        assert message.key not in self.keys, f"{message.key} twice: whoever receives it takes it for a repeat"
        self.keys[message.key] = message
        if message.to not in PARTNERS:
            return
        assert has_its_purpose(state, message), f"{message.key} has lost its purpose"
        told = (at, message.to, message.what, message.session, message.start)
        if message.key in self.held:
            assert told not in self.told_at, "the same was held for somebody twice"
            self.told_at.add(told)
        assert message.template not in texts.FOR_STAFF, "told what is for staff"
        if message.template == texts.PADDING:
            assert message.scope == "safeguarding", "that it reaches nobody is not for ops to see"
            return
        assert not self.hushed or message.template == "paused", "a nudge after a concern"
        people = state.plan.people
        person = people.a if message.to == "a" else people.b
        assert not is_night(person, at), f"{message.template} in quiet hours"
        assert message.quiet == person.quiet

    def _reckon(self, state: State, now: datetime) -> None:
        """Keep account of since when each step could be taken."""
        escalation = state.escalation
        if escalation is None:
            self.ready = {}
            return
        for index, step in enumerate(escalation.steps):
            if index >= escalation.taken and has_its_reason(state, step):
                self.ready.setdefault(index, now)
            else:
                self.ready.pop(index, None)

    def ended(self) -> None:
        """Nothing of any ladder is due any more; and whom it has paused, asking nobody, may go on by themselves."""
        ladders = [what for _, what, _ in deadlines(self.state) if what == "ladder" or "alert" in what]
        assert ladders == []
        for since, index in self.taken:
            assert index < self.began[since]
        paused = self.state.paused
        if paused and not self.state.plan.facilitators and not self.asked("go_on") and not self.hushed:
            for by in set(PARTNERS) - set(paused.ready):
                self.send("resume", by)
            assert self.state.stage != "paused"


def can_be_taken(state: State, step: Step) -> bool:
    """Whether somebody is there for it."""
    return step.to in ("each", "absent") or has_recipient(state, step)


def is_night(person: Person, at: datetime) -> bool:
    """Whether the clock on that person's wall says so."""
    if person.quiet is None:
        return False
    clock = at.astimezone(ZoneInfo(person.zone)).strftime("%H:%M")
    start, end = person.quiet.start, person.quiet.end
    return start <= clock < end if start < end else clock >= start or clock < end


# --- courses ----------------------------------------------------------------------------------------------------------


Move = Callable[[Watched, int], object]


def _come(play: Watched, n: int) -> None:
    """None, one or both of them come to the next session; who both come hold it, or are called away."""
    session = play.state.next_session
    if session is None or session.start is None or session.status == "open":
        return
    play.at(max(play.now, session.start))
    coming: tuple[tuple[Partner, ...], ...] = ((), (), ("a",), ("b",), PARTNERS)
    for by in coming[n % 5]:
        play.try_("turn", by, act="ready")
    if play.state.open_session is None:
        play.later(minutes=20)
    elif n % 2:
        play.hold()
    else:
        play.later(hours=2)


def _book(play: Watched, n: int) -> None:
    for session in play.state.sessions:
        by = PARTNERS[n % 2]
        if n % 3 and session.proposals:
            play.try_("reschedule", by, session=session.number, proposal=1 + n % len(session.proposals))
        else:
            at = play.now + timedelta(hours=1 + n % 60)
            play.try_("reschedule", by, session=session.number, at=at)


def _acknowledge(play: Watched, n: int) -> None:
    for alert in [a for a in play.state.alerts if a.acknowledged is None][n % 2 :]:
        snooze = {"snooze": f"{1 + n}h"} if n % 3 else {}
        play.try_("acknowledge", "facilitator", alert=alert.id, **snooze)


def _jump(play: Watched, n: int) -> None:
    if play.state.escalation:
        play.try_("decide", "facilitator", decision="jump", step=n % len(play.state.escalation.steps))


def _decide(play: Watched, n: int) -> None:
    if play.state.plan.facilitators:
        play.try_("decide", "facilitator", decision=("go_on", "go_on", "pause", "end")[n % 4])


def _answer(play: Watched, n: int) -> None:
    for question in play.state.questions[n % 2 :]:
        choices = [c for c in CHOICES[question.kind] if c != "stop" or n > 90]
        play.try_("reply", question.to, question=question.id, answer=choices[n % len(choices)])


def _pause(play: Watched, n: int) -> None:
    fields: Fields = {"until": play.now + timedelta(hours=1 + n)} if n % 2 else {}
    play.try_("pause", PARTNERS[n % 3 == 0], concern=n % 5 == 0, **fields)


def _resume(play: Watched, n: int) -> None:
    for by in PARTNERS[n % 3 == 0 :]:
        play.try_("resume", by)


def _adjust(play: Watched, n: int) -> None:
    if n % 4 == 0:
        rung = [{"after": f"{n}h", "do": "ask", "text": "go_on"}]
        play.try_("adjust", "facilitator", policy={"ladder": [rung], "missed_after": "20min"})
    else:
        quiet = {"start": f"{n % 24:02}:00", "end": f"{(n + 7) % 24:02}:30"}
        by = PARTNERS[n % 2]
        play.try_("adjust", by, zone=("UTC", "Asia/Kolkata")[n % 3 == 0], quiet=quiet)


def _wait(play: Watched, n: int) -> None:
    play.later(hours=n)


def _be_away(play: Watched, n: int) -> None:
    """No worker is there; what was due meanwhile happens afterwards, at its own instant."""
    play.now += timedelta(hours=n)
    play.apply(Tick())
    play.settle()


def _let_the_provider_fail(play: Watched, n: int) -> None:
    """What is sent to anybody stays under way, until it works again."""
    play.delivers = n % 3 == 0
    play.settle()


def _go_to_the_next(play: Watched, n: int) -> None:
    for _ in range(1 + n % 3):
        deadline = due(play.state)
        if deadline is not None:
            play.at(max(play.now, deadline))


def _leave(play: Watched, n: int) -> None:
    if n > 80:
        play.try_("withdraw", PARTNERS[n % 2])


MOVES: tuple[Move, ...] = (
    *(_come, _come, _come, _wait, _wait, _go_to_the_next, _go_to_the_next),
    *(_book, _acknowledge, _acknowledge, _answer, _answer, _jump, _decide, _resume),
    *(_pause, _adjust, _be_away, _leave, _let_the_provider_fail),
)
courses = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 100)), max_size=25)


@given(plan=plans(), course=courses)
@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_ladder_and_the_course(plan: Plan, course: list[tuple[Move, int]]) -> None:
    play = Watched(plan)
    play.enrol()
    for move, n in course:
        if play.state.over:
            break
        move(play, n)
    play.later(days=150)
    play.ended()


@given(plan=plans())
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_ladder_with_nobody_there(plan: Plan) -> None:
    """Both stay away and nobody answers anything: all is done that the ladder says, and then nothing more."""
    play = Watched(plan)
    play.enrol()
    play.later(days=200)
    play.ended()
    for began in play.of(e.EscalationBegan)[-1:]:
        # The last one met nobody who took its reason away: each step that always holds has been taken.
        steps, since = began.escalation.steps, began.escalation.since
        always = [n for n, s in enumerate(steps) if s.reason == "always" and can_be_taken(play.state, s)]
        assert play.state.over or all(play.taken[since, n] for n in always)
