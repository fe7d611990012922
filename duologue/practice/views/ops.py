"""The eyes of ops: where a programme stands, whom it awaits, what it has come to. States, times and counts, no words.

What the Web UI shows is made here: search attributes, current details and the result. No partner ever sees it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Literal

from duologue.practice import grammar
from duologue.practice.asks import ASKING, Message, Resolve
from duologue.practice.passing import due, next_deadline
from duologue.practice.plan import KindName
from duologue.practice.state import (
    NO_SESSION,
    Awaiting,
    Ending,
    JournalEntry,
    Stage,
    State,
)
from duologue.practice.values import PARTNERS, Frozen, Instant, Partner, format_span


class Overview(Frozen):
    """The eyes of ops: states, times and counts, no words."""

    programme: str
    tenant: str
    stage: Stage
    ending: Ending | None
    awaiting: Awaiting
    awaiting_since: Instant
    holds_the_turn: Awaiting
    session: int | None
    kind: KindName | None
    movement: str | None
    next_session: Instant | None
    missed_in_a_row: int
    escalation: str
    unreachable: tuple[Partner, ...]
    """Whom no channel reaches."""
    ladder: tuple[str, ...]
    """The steps of the ladder at work, by their place; those behind it are marked."""
    alerts: Mapping[str, Instant]
    """Alerts that wait to be acknowledged, each with its instant."""
    next_deadline: str | None
    next_deadline_at: Instant | None
    counts: Mapping[str, int]
    refused: int
    under_way: tuple[str, ...]
    """Effects that have not been answered yet."""
    seq: int
    digest: str
    journal: tuple[JournalEntry, ...]


class Result(Frozen):
    """What a programme's workflow returns: how it ended, and its counts."""

    programme: str
    stage: Literal["completed", "ended"]
    ending: Ending
    ended: Instant
    counts: Mapping[str, int]
    seq: int
    digest: str


def escalation_level(state: State) -> str:
    """Where the ladder stands, for ops: `none`, `missed`, `checking_in`, `facilitator`, `next_contact`, `deciding`."""
    escalation = state.escalation
    if escalation and state.paused and state.paused.for_decision:
        return "deciding"
    if state.calls:
        first = state.plan.facilitators[0] if state.plan.facilitators else None
        return "facilitator" if all(a.ref == first for a in state.calls) else "next_contact"
    if escalation is None:
        return "none"
    if escalation.session == NO_SESSION:
        return "checking_in"
    session = state.session(escalation.session)
    if session is None or not session.waits:
        return "none"
    asked = any(step.do == "ask" for step in escalation.steps[: escalation.taken])
    return "checking_in" if asked else "missed"


def holds_the_turn(state: State) -> Awaiting:
    """Who holds the turn in the open dialogue."""
    session = state.open_session
    if session is None or session.dialogue is None:
        return state.awaiting
    awaited = grammar.awaited(session.dialogue)
    return "couple" if len(awaited) > 1 else awaited[0] if awaited else "none"


def overview(state: State, entered: State | None = None) -> Overview:
    """What ops may see.

    `entered` is the programme as its journal has it, where `state` is ahead of it by answers that wait. What is not
    entered yet has no number yet: whoever follows the journal by its numbers would miss what takes them.
    """
    entered = entered or state
    session, deadline = state.next_session, next_deadline(state)
    dialogue = session.dialogue if session and session.status == "open" else None
    return Overview(
        programme=state.plan.programme,
        tenant=state.plan.tenant,
        stage=state.stage,
        ending=state.ending,
        awaiting=state.awaiting,
        awaiting_since=state.awaiting_since,
        holds_the_turn=holds_the_turn(state),
        session=session.number if session else None,
        kind=dialogue.kind if dialogue else None,
        movement=dialogue.movement if dialogue else None,
        next_session=session.start if session else None,
        missed_in_a_row=state.missed_in_a_row,
        escalation=escalation_level(state),
        unreachable=state.unreachable,
        ladder=_ladder(state),
        alerts={a.id: a.at for a in state.waiting},
        next_deadline=deadline[1] if deadline else None,
        next_deadline_at=due(state),
        counts=state.counts,
        refused=state.refused,
        under_way=_under_way(state),
        seq=entered.seq,
        digest=entered.digest,
        journal=_journal(entered),
    )


_TURN_APPLIED = ("CommandApplied", "turn")


def _only_to_the_absent(state: State) -> frozenset[str]:
    """What is said to the absent one alone, so that its recipient tells who that was; nothing if both share that."""
    if state.attendance_shared:
        return frozenset()
    rungs = (*state.policy.ladder, state.escalation.steps if state.escalation else ())
    return frozenset({"still_on", *(step.text for rung in rungs for step in rung if step.to == "absent")})


def _journal(state: State) -> tuple[JournalEntry, ...]:
    """The journal, in which nothing tells who came and who did not, unless both share that."""
    if state.attendance_shared:
        return state.journal
    return without_attendance(state.journal, _only_to_the_absent(state))


def without_attendance(
    journal: Iterable[JournalEntry], hidden: Container[str] = ("still_on",)
) -> tuple[JournalEntry, ...]:
    """A journal that does not tell who checked in, nor to whom the templates `hidden` went."""
    told: list[JournalEntry] = []
    checked_in = True  # what stands before the first entry is not known
    for entry in journal:
        template, _, rest = entry.detail.partition(" to ")
        if entry.what == "TurnMade":
            checked_in = entry.detail.endswith(": ready")
        if entry.what.startswith("Message") and template in hidden:
            told.append(entry.with_(detail=template + rest[1:]))
        elif checked_in and (entry.what == "TurnMade" or (entry.what, entry.detail) == _TURN_APPLIED):
            told.append(entry.with_(by=""))
        else:
            told.append(entry)
    return tuple(told)


def _under_way(state: State) -> tuple[str, ...]:
    hidden = _only_to_the_absent(state)
    return tuple(_nameless(key, ask, hidden) for key, ask in state.asks.items())


def _nameless(key: str, ask: Resolve | Message, hidden: Container[str]) -> str:
    """A key that does not tell who was absent, nor, when one of two is gone, who has answered a question."""
    if isinstance(ask, Message) and ask.what in ASKING:
        return f"{ask.programme}:{ask.what}"
    return key.rsplit(":", 2)[0] if isinstance(ask, Message) and ask.what in hidden else key


def _ladder(state: State) -> tuple[str, ...]:
    escalation = state.escalation
    if escalation is None:
        return ()
    return tuple(
        f"{index} after {format_span(step.after)}: {step.do} {step.text}".strip()
        + (f" to {step.to}" if step.do in ("tell", "ask", "alert") else "")
        + (" (behind)" if index < escalation.taken else "")
        for index, step in enumerate(escalation.steps)
    )


class Attributes(Frozen):
    """The search attributes, by their names on the server. None clears one."""

    DuologueStage: Stage
    DuologueAwaiting: Awaiting
    DuologueAwaitingSince: Instant
    DuologueNextSession: Instant | None
    DuologueSession: int
    DuologueMissedInARow: int
    DuologueEscalation: str
    DuologueTenant: str


def attributes(state: State) -> Attributes:
    """What a programme's search attributes are now."""
    session = state.next_session
    return Attributes(
        DuologueStage=state.stage,
        DuologueAwaiting=state.awaiting,
        DuologueAwaitingSince=state.awaiting_since,
        DuologueNextSession=session.start if session else None,
        DuologueSession=session.number if session else state.numbers,
        DuologueMissedInARow=state.missed_in_a_row,
        DuologueEscalation=escalation_level(state),
        DuologueTenant=state.plan.tenant,
    )


def settled(state: State) -> bool:
    """Whether the attributes are worth publishing: not while a time is being resolved, which changes them again."""
    return not any(s.status == "booking" and s.asking in state.asks for s in state.sessions)


_WHOM = {
    "none": "nobody",
    "couple": "both partners",
    "a": "partner A",
    "b": "partner B",
    "facilitator": "a facilitator",
}


def details(state: State) -> str:
    """The programme at one glance, in Markdown, for the Web UI: who is awaited, since when, what needs a person."""
    session, deadline = state.next_session, next_deadline(state)
    lines = [f"## {state.stage.capitalize()}" + (f": {state.ending}" if state.ending else "")]
    if state.awaiting == "facilitator":
        listed = ", ".join(f"`{a.id}`" for a in state.calls)
        what = f"acknowledge {listed}" if listed else "decide with both partners"
        lines.append(f"- **Needs a person:** {what} (since {_utc(state.awaiting_since)})")
    elif not state.over:
        lines.append(f"- **Awaiting:** {_WHOM[state.awaiting]}, since {_utc(state.awaiting_since)}")
    if session and session.start:
        kinds = ", ".join(session.kinds or state.kinds_of(session.item))
        lines.append(f"- **Session {session.number}:** {kinds}, {session.status}, {_utc(session.start)}")
        if session.status == "open" and session.dialogue:
            where = f"{session.dialogue.movement}, {session.dialogue.step}"
            lines.append(f"- **Dialogue:** {where}; turn: {_WHOM[holds_the_turn(state)]}")
            if session.dialogue.time_out:
                lines.append(f"- **Time-out** until {_utc(session.dialogue.time_out.until)}")
        elif session.present:
            here = ", ".join(session.present) if state.attendance_shared else f"{len(session.present)} of 2"
            lines.append(f"- **Checked in:** {here}")
    waiting = [s for s in state.sessions if s.waits]
    for missed in waiting:
        by = f", by itself at {_utc(missed.rebook_by)}" if missed.rebook_by else ""
        lines.append(f"- **To book again:** session {missed.number} ({missed.status}{by})")
    if escalation_level(state) != "none":
        lines.append(f"- **Escalation:** {escalation_level(state)}, {state.missed_in_a_row} missed in a row")
    if deadline:
        lines.append(f"- **Next by itself:** {deadline[1]}, {_utc(deadline[0])}")
    counts = ", ".join(f"{n} {what}" for what, n in sorted(state.counts.items())) or "none yet"
    lines.append(f"- **Sessions so far:** {counts} (of {len(state.plan.curriculum.items)} planned)")
    if state.refused:
        lines.append(f"- **Signals refused:** {state.refused}")
    return "\n".join(lines)


def _utc(at: Instant) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def summary(ask: Resolve | Message) -> str:
    """What stands beside an activity in the Web UI, in plain text to whoever runs the server."""
    if isinstance(ask, Resolve) and ask.want == "windows":
        return "when messages may be sent"
    if isinstance(ask, Resolve):
        return f"a time for session {ask.key.split(':')[-3]}: {ask.want}"
    # To which of the two would tell who was absent, where it asks the absent one.
    return "a message to a partner" if ask.to in PARTNERS else f"a message to {ask.to}"


def result(state: State) -> Result:
    """What the workflow returns once the programme is over. Raises `ValueError` before."""
    if state.ending is None or state.ended is None:
        message = "the programme is not over"
        raise ValueError(message)
    return Result(
        programme=state.plan.programme,
        stage="completed" if state.stage == "completed" else "ended",
        ending=state.ending,
        ended=state.ended,
        counts=state.counts,
        seq=state.seq,
        digest=state.digest,
    )
