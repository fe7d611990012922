"""A partner who would like to talk to someone: who is called, and who once nobody has answered.

That is apart from the ladder and from the course of the programme: nothing that becomes of a session or a pause answers
such a call. What staff are told of it goes out by `telling`.
"""

from __future__ import annotations

from duologue.practice import events as e
from duologue.practice.asks import Staff
from duologue.practice.state import Alert, State
from duologue.practice.telling import Ledger, tell
from duologue.practice.values import Instant, Ref


def call(ledger: Ledger) -> None:
    """A partner, asked privately after a miss, would like to talk to someone: a facilitator is called.

    Where none is named it is whoever hears of concerns. That is once for both of them, and apart from the ladder:
    nothing that becomes of the miss answers it.
    """
    if not ledger.state.called and (contacts := _to_talk_to(ledger.state)):
        _call(ledger, f"call.{ledger.state.seq}", *contacts[0])


def _to_talk_to(state: State) -> list[tuple[Staff, Ref]]:
    """Who is called if somebody would like to talk, and who after that one."""
    plan, found = state.plan, list[tuple[Staff, Ref]]()
    found += [("facilitator", ref) for ref in plan.facilitators[:2]]
    return found or [("safeguarding", ref) for ref in plan.hears_of_concerns]


def unanswered(state: State) -> Instant | None:
    """When somebody else is called, because a call has not been acknowledged; None: nobody is."""
    if len(state.called) != 1 or state.called[0].acknowledged is not None:
        return None
    return state.called[0].at + state.policy.call_again_after


def again(ledger: Ledger) -> None:
    """Nobody has acknowledged a call: the next contact is called, or where there is none the same one once more."""
    _call(ledger, f"{ledger.state.called[0].id}.again", *_to_talk_to(ledger.state)[-1])


def _call(ledger: Ledger, about: str, to: Staff, contact: Ref) -> None:
    alert = Alert(id=about, to=to, ref=contact, text="wants_to_talk", at=ledger.now)
    ledger.emit(e.Called(at=ledger.now, alert=alert))
    tell(ledger, to, alert.text, about=about, ref=contact)
