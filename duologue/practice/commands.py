"""What each command of the contract brings about: one function for each, that refuses or writes events.

The consequences that they share are in `course.py` and `ladder.py`, the rules of a dialogue in `grammar.py`.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError

from duologue.practice import calling, course, grammar, ladder, times
from duologue.practice import events as e
from duologue.practice import messages as m
from duologue.practice.allowing import Refused, allow_practising, allow_time
from duologue.practice.grammar import Act, Turn
from duologue.practice.messages import Reason
from duologue.practice.moments import allowed_from, clashes, soonest
from duologue.practice.plan import OPT_IN, PLAN_BYTES, Item
from duologue.practice.policy import PolicyChange
from duologue.practice.shapes import WITHOUT_WORDS
from duologue.practice.state import (
    CHOICES,
    LATEST_SESSION,
    LIVE_SESSIONS,
    NOTES_KEPT,
    SCREEN,
    Question,
    Session,
    State,
    TriggerNote,
)
from duologue.practice.table import Table
from duologue.practice.telling import Ledger, ask, recall, tell
from duologue.practice.values import LINE_BYTES, PARTNERS, Instant, Partner, format_span, other

LONGEST_PAUSE = timedelta(days=366)
LONGEST_SNOOZE = timedelta(days=14)
"""For how long an alert is put off at a time: nothing rests without an end that nobody has thought of again."""


COMMANDS: Table[Ledger, None] = Table()


def _partner(command: m.Command) -> Partner:
    return m.partner(command.by)


@COMMANDS.on(m.Consent)
def _consent(ledger: Ledger, command: m.Consent) -> None:
    state, by = ledger.state, _partner(command)
    if state.stage != "enrolling":
        raise Refused(Reason.STAGE, "consent is given while enrolling; to leave later, send 'withdraw'")
    if not command.agree:
        course.end(ledger, "not_enrolled")
        return
    if by in state.consents:
        raise Refused(Reason.NOT_OPEN, "you have consented already")
    ledger.emit(e.Consented(at=ledger.now, by=by, share_attendance=command.share_attendance))
    course.enrolled(ledger)


@COMMANDS.on(m.TurnTaken)
def _turn(ledger: Ledger, command: m.TurnTaken) -> None:
    state, by = ledger.state, _partner(command)
    allow_practising(state)
    words = command.words
    if words is not None and command.act in WITHOUT_WORDS:
        raise Refused(Reason.MALFORMED, f"'{command.act}' takes no words; nobody would read them")
    if command.note is not None:
        if command.act != Act.FRAME:
            raise Refused(Reason.MALFORMED, "only 'frame' draws its topic from a note")
        if words is not None:
            raise Refused(Reason.MALFORMED, "the topic is either in 'words' or drawn from a 'note'")
        note = next((n for n in state.notes if n.id == command.note and (n.shared or n.by == by)), None)
        if note is None:
            raise Refused(Reason.UNKNOWN_NOTE, "there is no such note that you may see")
        words = note.words
    turn = Turn(
        by=by,
        act=command.act,
        words=words,
        lines=command.lines,
        within_days=command.within_days,
        until=command.until,
    )
    session = state.open_session
    if session is None or session.dialogue is None:
        _check_in(ledger, turn)
        return
    grammar.check(session.dialogue, turn, wordless=state.policy.words == "none")
    _check_time_out(ledger, session, turn)
    ledger.emit(e.TurnMade(at=ledger.now, session=session.number, turn=turn))
    after = ledger.state.session(session.number)
    if after is not None:
        course.make_room(ledger, after)
        course.dialogue_moved(ledger, after)


def _check_in(ledger: Ledger, turn: Turn) -> None:
    session = ledger.state.next_session
    if session is None or session.start is None:
        if any(s.waits for s in ledger.state.sessions):
            raise Refused(Reason.TOO_LATE, "its time has passed; it can be booked again ('reschedule')")
        raise Refused(Reason.NOT_OPEN, "no dialogue is open and none is booked; see 'view'")
    policy = ledger.state.policy_for(session)
    if ledger.now < session.start - policy.opens_before:
        opens = session.start - policy.opens_before
        raise Refused(
            Reason.NOT_OPEN, f"the next dialogue opens for check-in at {opens:%Y-%m-%d %H:%M:%S} UTC"
        )
    if turn.act != Act.READY:
        raise Refused(Reason.OUT_OF_TURN, "the dialogue has not begun: both say 'ready' first")
    if turn.by in session.present:
        raise Refused(Reason.OUT_OF_TURN, "you are ready; the dialogue begins when your partner is too")
    ledger.emit(e.TurnMade(at=ledger.now, session=session.number, turn=turn))
    after = ledger.state.session(session.number)
    if after is not None and len(after.present) == len(PARTNERS):
        course.open_dialogue(ledger, after)


def _check_time_out(ledger: Ledger, session: Session, turn: Turn) -> None:
    if turn.act not in (Act.TIME_OUT, Act.EXTEND) or turn.until is None or session.dialogue is None:
        return
    policy, running = ledger.state.policy_for(session), session.dialogue.time_out
    shortest = running.until if running else ledger.now + policy.time_out_min
    if not shortest <= turn.until <= ledger.now + policy.time_out_max:
        lengths = f"{format_span(policy.time_out_min)} to {format_span(policy.time_out_max)}"
        raise Refused(Reason.OUT_OF_RANGE, f"a time-out lasts {lengths} from now, and only gets longer")


@COMMANDS.on(m.AskDialogue)
def _ask_dialogue(ledger: Ledger, command: m.AskDialogue) -> None:
    state, by = ledger.state, _partner(command)
    allow_practising(state)
    if state.open_session is not None or len(state.sessions) >= LIVE_SESSIONS:
        raise Refused(Reason.NOT_OPEN, "a dialogue is open, or several are booked; hold those first")
    if any(q.kind == "dialogue_request" for q in state.questions):
        raise Refused(Reason.NOT_OPEN, "a dialogue has been asked for already; it waits for an answer")
    if command.kind in OPT_IN and state.kinds_of(Item(kinds=(command.kind,))) != (command.kind,):
        raise Refused(
            Reason.NOT_OPEN, f"'{command.kind}' is held only while both have opted in; see 'adjust'"
        )
    if command.topic is not None and command.topic.size > LINE_BYTES:
        raise Refused(Reason.MALFORMED, f"a topic may hold at most {LINE_BYTES} bytes")
    ask(
        ledger,
        other(by),
        "dialogue_request",
        within=state.policy.answer_within,
        about=command.kind,
        topic=command.topic,
        template="dialogue_asked",
    )


@COMMANDS.on(m.Reply)
def _reply(ledger: Ledger, command: m.Reply) -> None:
    by, question = _partner(command), ledger.state.question(command.question)
    if question is None or question.to != by:
        raise Refused(
            Reason.UNKNOWN_QUESTION, "no such question is open to you; see 'view' for those that are"
        )
    if command.at is not None and command.answer != "at":
        raise Refused(Reason.MALFORMED, "a moment ('at') goes with the answer 'at' alone")
    if question.kind in ("intake", "midpoint"):
        _screen(ledger, command, question)
        return
    choices = CHOICES[question.kind]
    if command.answer not in choices or command.answers:
        raise Refused(Reason.MALFORMED, f"answer with one of: {', '.join(choices)}")
    if question.kind == "dialogue_request":
        _answer_request(ledger, command, question)
        return
    answered = e.Answered(at=ledger.now, by=by, question=question.id, answer=command.answer)
    ledger.emit(answered)
    match question.kind:
        case "go_on":
            ladder.chosen(ledger)
        case "tail":
            course.chosen_tail(ledger)
        case "followup":
            course.book_next(ledger)
        case "resume":
            _go_on_if_both(ledger)
        case "check_in" if command.answer == "talk_to_someone":
            calling.call(ledger)


def _screen(ledger: Ledger, command: m.Reply, question: Question) -> None:
    if set(command.answers) != set(SCREEN) or command.answer:
        raise Refused(
            Reason.MALFORMED, f"answer each in 'answers' with yes, no or unsure: {', '.join(SCREEN)}"
        )
    well = all(answer == "yes" for answer in command.answers.values())
    by = _partner(command)
    answer = "well" if well else "not_now"
    ledger.emit(e.Answered(at=ledger.now, by=by, question=question.id, answer=answer))
    if question.kind == "intake":
        course.enrolled(ledger)
    else:
        course.screened_again(ledger)


def _allow_answer(state: State, command: m.Reply, latest: Instant, now: Instant) -> None:
    """Refuse what cannot be any more: `now`, where the asker cannot be told of it, or a moment, where none is left.

    Without saying why, since that tells quiet hours.
    """
    at_once = now <= latest and (allowed_from(state, other(_partner(command)), now) or now) <= now
    left = ["now"] * at_once + ["at"] * (soonest(state, now, now) < latest) + ["no"]
    if command.answer not in left:
        still = " or ".join("'at' with a moment" if answer == "at" else f"'{answer}'" for answer in left)
        raise Refused(
            Reason.OUT_OF_RANGE,
            f"'{command.answer}' cannot be any more: it begins by {latest:%Y-%m-%d %H:%M} UTC, "
            f"and both hear of it before; answer {still}",
        )


def _answer_request(ledger: Ledger, command: m.Reply, question: Question) -> None:
    state, by = ledger.state, _partner(command)
    at = ledger.now if command.answer == "now" else command.at
    if command.answer != "no":
        latest = question.asked_at + state.policy.hold_within
        _allow_answer(state, command, latest, ledger.now)
        if at is None or not ledger.now <= at <= latest:
            raise Refused(
                Reason.OUT_OF_RANGE, f"name a moment ('at') from now to {latest:%Y-%m-%d %H:%M} UTC"
            )
        if command.answer == "at":
            allow_time(state, at, ledger.now)
        if clashes(state, at, 0):
            raise Refused(Reason.CLASH, "another dialogue is booked at that time; name another moment")
    ledger.emit(e.Answered(at=ledger.now, by=by, question=question.id, answer=command.answer))
    tell(ledger, other(by), "dialogue_answered", about=f"{other(by)}.{question.id}")
    if at is None or command.answer == "no" or question.about is None:
        return
    topic = question.topic
    made = Session(
        number=state.numbers + 1,
        item=Item(kinds=(question.about,)),
        first_sender=other(by),
        origin="asked",
        dialogue=grammar.begin(question.about, other(by)).with_(topic=topic) if topic else None,
    )
    ledger.emit(e.SessionMade(at=ledger.now, session=made))
    if command.answer == "now":
        ledger.emit(e.SessionBooked(at=ledger.now, session=made.number, start=at))
    else:
        times.ask_time(ledger, made, at=at)


@COMMANDS.on(m.Note)
def _note(ledger: Ledger, command: m.Note) -> None:
    state, by = ledger.state, _partner(command)
    if command.words is not None and command.words.size > LINE_BYTES:
        raise Refused(Reason.MALFORMED, f"a note may hold at most {LINE_BYTES} bytes; write two")
    if command.note is None:
        if command.words is None or command.remove:
            raise Refused(Reason.MALFORMED, "a new note has words; to change or remove one, name it ('note')")
        if sum(n.by == by for n in state.notes) >= NOTES_KEPT:
            raise Refused(Reason.LIMIT, f"you keep {NOTES_KEPT} notes already; remove one first")
        number = state.noted.get(by, 0) + 1
        note = TriggerNote(
            id=f"{by}{number}", by=by, words=command.words, shared=bool(command.shared), at=ledger.now
        )
        ledger.emit(e.NoteKept(at=ledger.now, note=note))
        return
    kept = next((n for n in state.notes if n.id == command.note and n.by == by), None)
    if kept is None:
        raise Refused(Reason.UNKNOWN_NOTE, "there is no such note of yours")
    if command.remove:
        ledger.emit(e.NoteRemoved(at=ledger.now, note=kept.id))
    else:
        shared = kept.shared if command.shared is None else command.shared
        changed = kept.with_(words=command.words or kept.words, shared=shared)
        ledger.emit(e.NoteKept(at=ledger.now, note=changed))


def _change_policy(ledger: Ledger, change: PolicyChange) -> None:
    state = ledger.state
    if any(s.before for s in state.sessions):
        raise Refused(
            Reason.LIMIT, "a session booked before the last change is still to come; change it after that"
        )
    try:
        policy = state.policy.changed(change)
    except ValidationError as error:
        raise Refused(Reason.MALFORMED, m.told(error, "policy")) from None
    # The one before stays too, for what was booked under it.
    changed = state.plan.with_(policy=policy)
    if changed.json_bytes + state.policy.json_bytes > PLAN_BYTES:
        raise Refused(Reason.MALFORMED, "that policy makes the plan too large; use fewer or shorter steps")
    ledger.emit(e.PolicyChanged(at=ledger.now, policy=policy))


@COMMANDS.on(m.Adjust)
def _adjust(ledger: Ledger, command: m.Adjust) -> None:
    if command.by == "facilitator":
        if command.names_own or command.policy is None:
            raise Refused(
                Reason.MALFORMED, "a facilitator adjusts the 'policy'; the rest is each partner's own"
            )
        _change_policy(ledger, command.policy)
        return
    if command.policy is not None:
        raise Refused(Reason.NOT_A_PARTICIPANT, "the policy is for a facilitator to adjust")
    by = _partner(command)
    person = ledger.state.plan.people.a if by == "a" else ledger.state.plan.people.b
    refused = [kind for kind in command.opt_in if kind not in OPT_IN]
    if refused:
        raise Refused(Reason.MALFORMED, f"only {', '.join(OPT_IN)} are opt-in")
    chosen = {*person.opt_in, *(k for k, yes in command.opt_in.items() if yes)}
    chosen -= {k for k, yes in command.opt_in.items() if not yes}
    changed = person.with_(
        zone=command.zone or person.zone,
        language=command.language or person.language,
        quiet=None if command.no_quiet_hours else command.quiet or person.quiet,
        reminders=person.reminders if command.reminders is None else command.reminders,
        opt_in=tuple(k for k in OPT_IN if k in chosen),
    )
    shares = command.share_attendance
    ledger.emit(e.Adjusted(at=ledger.now, by=by, person=changed, share_attendance=shares))
    if not changed.reminders:
        recall(ledger, lambda message: message.to == by and message.what == "reminder")
    if (changed.zone, changed.quiet) != (person.zone, person.quiet):
        times.ask_anew(ledger)


@COMMANDS.on(m.Reschedule)
def _reschedule(ledger: Ledger, command: m.Reschedule) -> None:
    state, by = ledger.state, _partner(command)
    allow_practising(state)
    session = state.session(command.session)
    if session is None:
        raise Refused(Reason.UNKNOWN_SESSION, "no such session is booked or waits to be booked; see 'view'")
    if session.status in ("booking", "open"):
        raise Refused(Reason.NOT_OPEN, "that session is being booked or has begun")
    # While not both are there it can be moved even after its start, until it is missed: `still_on` says so.
    moves = state.policy_for(session).moves
    if session.status == "booked" and session.moves >= moves:
        raise Refused(Reason.LIMIT, f"a session is moved at most {moves} times")
    if (command.proposal is None) == (command.at is None):
        raise Refused(Reason.MALFORMED, "name either a 'proposal' or a moment ('at')")
    at = command.at
    if command.proposal is not None:
        if command.proposal > len(session.proposals):
            raise Refused(Reason.OUT_OF_RANGE, "there is no such proposal; see 'view'")
        at = session.proposals[command.proposal - 1]
    if at is None or not ledger.now < at <= ledger.now + LATEST_SESSION:
        raise Refused(Reason.OUT_OF_RANGE, f"choose a moment from now to {LATEST_SESSION.days} days ahead")
    allow_time(state, at, ledger.now)
    if clashes(state, at, session.number):
        raise Refused(Reason.CLASH, "another dialogue is booked at that time; choose another moment")
    course.book_again(ledger, session, at=at, by=by)


@COMMANDS.on(m.Pause)
def _pause(ledger: Ledger, command: m.Pause) -> None:
    # While it is paused too: the end can be set anew, and a concern can be raised at any time.
    if ledger.state.stage not in ("practising", "paused"):
        raise Refused(Reason.STAGE, "the programme has not begun; to leave, send 'withdraw'")
    if command.until is not None and not ledger.now < command.until <= ledger.now + LONGEST_PAUSE:
        raise Refused(Reason.OUT_OF_RANGE, f"a pause ends within {LONGEST_PAUSE.days} days, or is left open")
    course.pause(
        ledger,
        until=command.until,
        concern=command.concern,
        reason=command.reason,
        by=_partner(command),
    )


@COMMANDS.on(m.Resume)
def _resume(ledger: Ledger, command: m.Resume) -> None:
    state, by = ledger.state, _partner(command)
    if state.paused is None:
        raise Refused(Reason.STAGE, "the programme is not paused")
    if ladder.awaits_decision(state):
        asked = any(q.kind == "go_on" and q.to == by for q in state.questions)
        raise Refused(
            Reason.NOT_OPEN,
            "say what you wish in answer to the question that 'view' shows"
            if asked
            else "what comes next is being decided; until then the programme rests",
        )
    if by in state.paused.ready:
        raise Refused(Reason.NOT_OPEN, "you have asked to go on; your partner is asked too")
    ledger.emit(e.ResumeAsked(at=ledger.now, by=by))
    ladder.ask_to_go_on(ledger)
    _go_on_if_both(ledger)


def _go_on_if_both(ledger: Ledger) -> None:
    paused = ledger.state.paused
    # While a concern is open only a facilitator's decision goes on; to both partners it looks like waiting.
    if paused is not None and len(paused.ready) == len(PARTNERS) and not ledger.state.hushed:
        course.go_on(ledger)


@COMMANDS.on(m.Withdraw)
def _withdraw(ledger: Ledger, command: m.Withdraw) -> None:
    course.end(ledger, "not_enrolled" if ledger.state.stage == "enrolling" else "withdrawn")


@COMMANDS.on(m.Acknowledge)
def _acknowledge(ledger: Ledger, command: m.Acknowledge) -> None:
    state = ledger.state
    if command.alert not in [a.id for a in state.waiting]:
        listed = ", ".join(a.id for a in state.calls) or "none"
        raise Refused(Reason.UNKNOWN_ALERT, f"no such alert waits to be acknowledged; open: {listed}")
    snooze = ledger.now + command.snooze if command.snooze else None
    latest = ladder.ends(state, command.alert, ledger.now + LONGEST_SNOOZE)
    if snooze is not None and snooze > latest:
        raise Refused(Reason.OUT_OF_RANGE, f"put it off until {latest:%Y-%m-%d %H:%M:%S} UTC at the latest")
    ledger.emit(e.Acknowledged(at=ledger.now, alert=command.alert, snooze=snooze))


@COMMANDS.on(m.Decide)
def _decide(ledger: Ledger, command: m.Decide) -> None:
    state = ledger.state
    if state.stage not in ("practising", "paused"):
        raise Refused(Reason.STAGE, f"there is nothing to decide while the programme is {state.stage}")
    if command.decision == "go_on" and state.paused is None and state.escalation is None:
        raise Refused(Reason.NOT_OPEN, "nothing waits for a decision")
    if (command.decision == "jump") != (command.step is not None):
        raise Refused(
            Reason.MALFORMED, "'jump' names the step of the ladder to go to ('step'); nothing else does"
        )
    if command.decision != "jump":
        ladder.decide(ledger, command.decision)
        return
    escalation = state.escalation
    if escalation is None or command.step is None or command.step >= len(escalation.steps):
        raise Refused(Reason.NOT_OPEN, "the ladder is not at work, or has no such step; see 'overview'")
    if command.step < escalation.taken:
        raise Refused(Reason.TOO_LATE, "that step is behind it; jump to one that is still to come")
    if not ladder.possible(state, escalation.steps[command.step]):
        raise Refused(Reason.NOT_OPEN, "that step has nobody to go to")
    if not ladder.to_be_done(state, escalation.steps[command.step]):
        raise Refused(
            Reason.NOT_OPEN, "the reason of that step is gone: it is booked again, answered or decided"
        )
    ladder.take(ledger, command.step, jumped=True)
