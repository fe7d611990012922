"""One participant's eyes: whose turn it is, what I may do now, and what I am asked.

A partner's view holds what is that person's or shared, never the other's misses, private answers, notes or who called
a pause. Pure projections of a state; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from duologue.practice import grammar, texts
from duologue.practice.grammar import Act, Dialogue, Role
from duologue.practice.messages import Receipt
from duologue.practice.moments import answer_by, offered
from duologue.practice.passing import pass_time
from duologue.practice.plan import KindName
from duologue.practice.spoken import Spoken
from duologue.practice.state import (
    CHOICES,
    SCREEN,
    Awaiting,
    Question,
    QuestionKind,
    Session,
    Stage,
    State,
)
from duologue.practice.telling import Ledger
from duologue.practice.values import PARTNERS, By, CommandId, Frozen, Instant, Partner, Scope, Words


class ViewRequest(Frozen):
    """Whose eyes, and when: `now` is the asker's clock, since a query has none of its own."""

    by: By
    now: Instant
    command_id: CommandId | None = None
    """Also answer with the receipt of this command, if it has been applied."""


class ActPrompt(Frozen):
    """Something the reader may do now, with words that help to do it."""

    act: Act
    stem: str = ""
    """A sentence to begin with."""
    guidance: str = ""
    """What it is about."""


class LineView(Frozen):
    """A line of a list, as the reader may see it."""

    number: int
    by: Partner
    words: Words | None
    shared: bool
    within_days: int | None = None


class DialogueView(Frozen):
    """The open dialogue (or the check-in before it) in one partner's eyes."""

    session: int
    kind: KindName
    title: str
    theme: str
    movement: str
    step: str
    role: Role
    awaiting: Awaiting
    your_turn: bool
    acts: tuple[ActPrompt, ...]
    topic: Words | None = None
    said: Words | None = None
    """What was said last: to be mirrored, or checked against."""
    mirrored: Words | None = None
    lines: tuple[LineView, ...] = ()
    common: tuple[int, ...] = ()
    time_out_until: Instant | None = None
    ends: Instant | None = None


class QuestionView(Frozen):
    """A question that is open to the reader."""

    id: str
    kind: QuestionKind
    text: str
    choices: Mapping[str, str] = Field(default_factory=dict)
    """Each possible answer with its label."""
    items: Mapping[str, str] = Field(default_factory=dict)
    """For the suitability questions: each with its text; answer all of them with yes, no or unsure."""
    answer_by: Instant | None = None
    """None: there is no hurry, as while it is paused."""
    about: KindName | None = None
    topic: Words | None = None
    request: str | None = None
    """For a follow-up: which of `requests` it is about."""


class SessionView(Frozen):
    """A session that is booked, or waits to be booked."""

    number: int
    title: str
    kinds: tuple[KindName, ...]
    status: Literal["booking", "booked", "open", "to_book"]
    start: Instant | None
    local: str
    first_sender: Partner
    night: bool = False
    """Whether the start lies in the reader's own quiet hours."""
    proposals: Mapping[int, Instant] = Field(default_factory=dict)
    """Free times to book it again, or to move it to, each by its number for `reschedule`."""


class NoteView(Frozen):
    """An entry of the trigger log that the reader may see."""

    id: str
    mine: bool
    shared: bool
    words: Words


class RequestView(Frozen):
    """A request that was given as a gift."""

    id: str
    asked_by: Partner
    words: Words | None
    due: Instant
    open: bool


NeutralEnding = Literal["completed", "ended", "not_now", "not_enrolled"]
"""How a programme ended, as a partner may know it."""


class MissView(Frozen):
    """An appointment that did not take place, for a facilitator."""

    session: int
    at: Instant
    absent: tuple[Partner, ...] = ()
    """Who was absent. Empty: they did not both share it then, or do not now."""


class View(Frozen):
    """One participant's eyes."""

    programme: str
    by: By
    stage: Stage
    ending: NeutralEnding | None = None
    """How it ended, in words that are the same for both and name nobody."""
    consented: bool = False
    dialogue: DialogueView | None = None
    spoken: Spoken | None = None
    """For a partner: what was said last, in the dialogue that is open or was held last, until another begins."""
    sessions: tuple[SessionView, ...] = ()
    questions: tuple[QuestionView, ...] = ()
    notes: tuple[NoteView, ...] = ()
    requests: tuple[RequestView, ...] = ()
    done: int = 0
    """Sessions held."""
    of: int = 0
    """Sessions in the curriculum."""
    paused_until: Instant | None = None
    alerts: tuple[str, ...] = ()
    """For a facilitator: alerts that wait to be acknowledged."""
    missed: tuple[MissView, ...] = ()
    """For a facilitator: what did not take place."""
    receipt: Receipt | None = None

    @property
    def scope(self) -> Scope:
        """What a participant sees is no more ops' than what that person wrote."""
        return "safeguarding"


def as_of(state: State, now: Instant) -> State:
    """The state with time passed up to `now`, on paper: nothing is sent, and nothing changes.

    It goes no further than to what private answers decide: `now` is the asker's own, and whoever names a day to come
    must not be foretold by it what the other has answered.
    """
    ledger = Ledger(state, now)
    pass_time(ledger, now, foretold=False)
    return ledger.state


def view(state: State, request: ViewRequest) -> View:
    """What `request.by` may see at `request.now`."""
    state, by = as_of(state, request.now), request.by
    alerts = tuple(a.id for a in state.calls)
    shared = View(
        programme=state.plan.programme,
        by=by,
        stage=state.stage,
        ending=neutral(state.ending),
        sessions=tuple(_session(state, s, request) for s in state.sessions),
        done=state.counts.get("done", 0),
        of=len(state.plan.curriculum.items),
        paused_until=state.paused.until if state.paused else None,
        alerts=alerts if by == "facilitator" else (),
        receipt=_receipt(state, request),
    )
    if by == "facilitator":
        return shared.with_(missed=tuple(_missed(state)))
    language = (state.plan.people.a if by == "a" else state.plan.people.b).language
    return shared.with_(
        consented=by in state.consents,
        dialogue=_dialogue(state, by, request.now, language),
        spoken=state.spoken,
        questions=tuple(_question(state, q, language) for q in state.questions if q.to == by),
        notes=tuple(
            NoteView(id=n.id, mine=n.by == by, shared=n.shared, words=n.words)
            for n in state.notes
            if n.shared or n.by == by
        ),
        requests=tuple(
            RequestView(
                id=r.id, asked_by=r.asked_by, words=r.words, due=r.due, open=r.status in ("open", "asked")
            )
            for r in state.requests
        ),
    )


def _missed(state: State) -> Iterator[MissView]:
    for held in state.held:
        if held.outcome == "missed":
            absent = held.absent if state.attendance_shared else ()
            yield MissView(session=held.number, at=held.at, absent=absent)


def neutral(ending: str | None) -> NeutralEnding | None:
    """An ending in words that are the same for both and tell nobody's doing; a service's own endings too."""
    match ending:
        case None:
            return None
        case "completed" | "slots_used_up":
            return "completed"
        case "not_now" | "not_enrolled":
            return ending
        case _:
            return "ended"


def _receipt(state: State, request: ViewRequest) -> Receipt | None:
    """The receipt that is asked for, where the command was the reader's own."""
    applied = state.applied.get(request.command_id or "")
    return state.receipt(request.command_id or "") if applied and applied.by == request.by else None


def _session(state: State, session: Session, request: ViewRequest) -> SessionView:
    return SessionView(
        number=session.number,
        title=session.item.title,
        kinds=session.kinds or state.kinds_of(session.item),
        status="to_book" if session.waits else _booked(session),
        start=session.start,
        local=session.local,
        first_sender=session.first_sender,
        night=request.by in session.night_for,
        proposals=offered(state, session, request.now),
    )


def _booked(session: Session) -> Literal["booking", "booked", "open"]:
    return "open" if session.status == "open" else "booked" if session.status == "booked" else "booking"


def _dialogue(state: State, by: Partner, now: Instant, language: str) -> DialogueView | None:
    session = state.next_session
    if session is None or session.start is None:
        return None
    dialogue = session.dialogue
    if session.status != "open" or dialogue is None:
        if now < session.start - state.policy_for(session).opens_before:
            return None
        kind = state.kinds_now(session, held=session.part)[session.part]
        if dialogue is None or dialogue.kind != kind:
            dialogue = grammar.begin(kind, session.first_sender)
        missing = tuple(p for p in PARTNERS if p not in session.present)
        acts: tuple[Act, ...] = (Act.READY,) if by in missing else ()
    else:
        missing = grammar.awaited(dialogue)
        acts = grammar.options(dialogue)[by]
    return DialogueView(
        session=session.number,
        kind=dialogue.kind,
        title=texts.kind_title(dialogue.kind, language),
        theme=session.item.theme,
        movement=dialogue.movement,
        step=dialogue.step,
        role=dialogue.role(by),
        awaiting="none" if not missing else "couple" if len(missing) > 1 else missing[0],
        your_turn=by in missing,
        acts=tuple(_prompt(dialogue, act, language) for act in acts),
        topic=dialogue.topic,
        said=dialogue.said,
        mirrored=dialogue.mirrored,
        lines=tuple(
            LineView(number=n.number, by=n.by, words=n.words, shared=n.shared, within_days=n.within_days)
            for n in grammar.visible(dialogue, by)
        ),
        common=dialogue.common,
        time_out_until=dialogue.time_out.until if dialogue.time_out else None,
        ends=session.ends,
    )


def _prompt(dialogue: Dialogue, act: Act, language: str) -> ActPrompt:
    movement = grammar.current(dialogue)
    stem = movement.stems[dialogue.stem] if movement.stems else None
    prompt = texts.prompt(dialogue.kind, dialogue.movement, act, stem, language)
    return ActPrompt(act=act, stem=prompt.stem, guidance=prompt.guidance)


def _question(state: State, question: Question, language: str) -> QuestionView:
    screens = question.kind in ("intake", "midpoint")
    return QuestionView(
        id=question.id,
        kind=question.kind,
        text=texts.question(question.kind, language),
        choices={c: texts.choice(question.kind, c, language) for c in CHOICES[question.kind]},
        items={i: texts.screen(language)[i] for i in SCREEN} if screens else {},
        answer_by=None if state.paused else answer_by(state, question),
        about=question.about,
        topic=question.topic,
        request=question.request,
    )
