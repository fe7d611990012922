"""Questions about time that one can ask of a state: when somebody can be reached, and where a session fits.

They reckon in UTC alone, with the windows that the calendar has told; what to do about the answers is for others.
"""

from __future__ import annotations

from duologue.practice.asks import Window
from duologue.practice.plan import QuietHours
from duologue.practice.policy import Policy
from duologue.practice.state import LATEST_SESSION, Question, Session, State
from duologue.practice.values import PARTNERS, Instant


def allowed_from(state: State, to: str, at: Instant) -> Instant | None:
    """The first moment from `at` on in which a message may reach `to`; None: the calendar has yet to say.

    Staff have no quiet hours, and who has none is reached at any time.
    """
    if quiet_hours(state, to) is None:
        return at
    window = _window(state, to, at)
    return None if window is None else max(at, window.start)


def answer_by(state: State, question: Question) -> Instant | None:
    """Until when a question can be answered; None: as long as it is open.

    What the midpoint asks is settled by the time the programme's next session opens for check-in: it cuts off no
    dialogue, and none is begun before. One that the two hold on their own account does not hurry anybody.
    """
    if question.kind != "midpoint" or question.answer_by is None:
        return question.answer_by
    booked = [s for s in state.sessions if s.status == "booked" and s.origin != "asked"]
    opens = [s.start - state.policy_for(s).opens_before for s in booked if s.start is not None]
    return min([question.answer_by, *(at for at in opens if at > question.asked_at)])


def soonest(state: State, asked: Instant, now: Instant) -> Instant:
    """After when a session may begin that was asked for at `asked`: it can reach each of the two before it.

    The notice is reckoned from the asking, so that how long the calendar takes to answer undoes nobody's choice. Where
    the windows are not known, as just after somebody changed them, it is looked at again once they are.
    """
    told = max(allowed_from(state, person, asked) or asked for person in PARTNERS)
    return max(told + state.policy.notice, *(allowed_from(state, person, now) or now for person in PARTNERS))


def free_until(state: State, to: str, at: Instant) -> Instant | None:
    """Until when, from `at` on, no quiet hours of `to` begin, as far as is known; None: for one who has none."""
    window = None if quiet_hours(state, to) is None else _window(state, to, at)
    return None if window is None else window.end


def quiet_hours(state: State, to: str) -> QuietHours | None:
    """When `to` wants no message; None: never, as with hours that end when they begin."""
    people = state.plan.people
    quiet = people.a.quiet if to == "a" else people.b.quiet if to == "b" else None
    return None if quiet is None or quiet.start == quiet.end else quiet


def _window(state: State, to: str, at: Instant) -> Window | None:
    """The window that holds `at`, or the next one; None where it is not known."""
    windows = state.windows
    if windows is None or not windows.since <= at < windows.until:
        return None
    return next((w for w in (windows.a if to == "a" else windows.b) if w.end > at), None)


def span_of(state: State, session: Session) -> tuple[Instant, Instant] | None:
    """The time a booked session takes up, for clashes."""
    if session.start is None:
        return None
    return session.start, session.ends or _latest_end(session.start, state.policy_for(session))


def _latest_end(start: Instant, policy: Policy) -> Instant:
    """The last moment to which a session may run: it opens before it counts as missed, and then has its window."""
    return start + policy.missed_after + policy.window


def clashes(state: State, at: Instant, apart_from: int) -> bool:
    """Whether a session that starts at `at` would run into another."""
    end = _latest_end(at, state.policy)
    spans = (span_of(state, s) for s in state.sessions if s.number != apart_from)
    return any(span and at < span[1] and span[0] < end for span in spans)


def offered(state: State, session: Session, now: Instant) -> dict[int, Instant]:
    """The proposals that could be chosen at `now`, each by the number that stays its own while others fall away."""
    moves_left = session.moves < state.policy_for(session).moves
    movable = session.start is None or (session.status == "booked" and moves_left)
    return {
        number: at
        for number, at in enumerate(session.proposals, 1)
        if movable
        and soonest(state, now, now) < at <= now + LATEST_SESSION
        and not clashes(state, at, session.number)
    }
