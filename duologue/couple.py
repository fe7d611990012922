"""A synthetic couple: given what one person's view shows, what that person does next, and when.

It drives the simulator, tests, the bench and the demo, against the pure core or a real programme alike. It acts on
views alone, so whatever it does that person could do; it knows no state, no clock and no Temporal. All chance comes
from `random.Random`, seeded with the seed and the occasion, so that looking once more changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from duologue.habits import STEADY, Habits, Manner
from duologue.practice.grammar import Act
from duologue.practice.kinds import KINDS
from duologue.practice.messages import COMMANDS, Command
from duologue.practice.state import QuestionKind
from duologue.practice.values import LINE_BYTES, WORDS_BYTES, By, Frozen, Instant
from duologue.practice.views import DialogueView, QuestionView, SessionView, View


class Intent(Frozen):
    """What somebody will do at an instant, unless what they see changes before."""

    by: By
    at: Instant
    occasion: str
    command: Command | None = None
    """None: only look again then."""
    counts: tuple[str, ...] = ()
    """What is counted, by this person, once it has been done."""


_WORDS: Mapping[Act, tuple[str, ...]] = {
    Act.FRAME: (
        "I would like to talk about how we begin our evenings.",
        "It is about how we plan a weekend.",
    ),
    Act.SEND: (
        "When the plan changes late, I feel unsettled and I need a moment to catch up.",
        "I notice that I am calmer when we have sat down together first.",
        "What I long for is a quarter of an hour that belongs to the two of us.",
    ),
    Act.CORRECT: ("Not quite: it is less the change itself than hearing of it late.",),
    Act.SUMMARISE: ("If I got it all: late changes unsettle you, and sitting down first helps.",),
    Act.VALIDATE: ("You make sense to me, because you like to know what comes next.",),
    Act.ASK_MORE: ("Part of it makes sense to me. Is there more about that?",),
    Act.EMPATHISE: ("I imagine you might feel tense at first, and relieved afterwards.",),
    Act.APPRECIATE: ("I appreciate that you took this time with me today.",),
    Act.WRITE: (
        "We eat together without a screen on the table.",
        "We go for a walk before it gets dark.",
        "We plan the week on Sunday over tea.",
    ),
    Act.REQUEST: (
        "On two evenings a week, please sit with me for ten minutes before dinner.",
        "Once this month, please plan a Saturday morning for us.",
        "For two weeks, please send me a message when you leave work.",
    ),
}
_NOTE = "When plans change shortly before we leave."
_HEARD = "What I heard is: "
_ASIDE = frozenset({Act.STOP, Act.TIME_OUT, Act.EXTEND, Act.HOLD_ON})
_ANSWERS: Mapping[QuestionKind, str] = {
    "check_in": "soon",
    "go_on": "go_on",
    "resume": "yes",
    "followup": "kept",
}
_DAY = timedelta(days=1)
_SOON = timedelta(minutes=10)
_APART = timedelta(hours=3)
"""A dialogue that is asked for is not accepted so close to a booked one."""


Fields = dict[str, Any]


@dataclass(frozen=True)
class _Thought:
    """Something somebody might do: at an instant, or so long after it was first seen to be open."""

    occasion: str
    when: Instant | timedelta
    name: str = ""
    """The command; "": only look again then."""
    fields: Callable[[Instant], Fields] | Fields | None = None
    """Its fields, or how they follow from the instant at which it is sent."""
    counts: tuple[str, ...] = ()


class Member:
    """One person. Remembers what they themselves have done and when they first saw something, and nothing else."""

    def __init__(self, by: By, habits: Habits, programme: str, seed: int) -> None:
        self.by = by
        self.habits = habits
        self._id = f"{programme[:40]}-{by}"
        self._seed = f"{seed}/{by}"
        self._sent = 0
        self._done: Counter[str] = Counter()
        self._seen: dict[str, Instant] = {}
        self._starts: dict[int, list[Instant]] = {}

    def next(self, view: View, now: Instant) -> Intent | None:
        """What this person does next, given what `view` shows at `now`; None: nothing until it shows something new."""
        thoughts = [t for t in self._thoughts(view) if not self._done[f"refused {t.occasion}"]]
        self._seen = {t.occasion: self._seen.get(t.occasion, now) for t in thoughts}
        intents = [self._intent(thought, now) for thought in thoughts]
        return min(intents, key=lambda i: (i.at, i.occasion), default=None)

    def done(self, intent: Intent) -> None:
        """It was applied."""
        self._sent += 1
        self._done.update(intent.counts)

    def refused(self, intent: Intent) -> None:
        """It was refused for something this person cannot see (a dialogue asked for by both at once, say)."""
        self._done[f"refused {intent.occasion}"] += 1

    def _intent(self, thought: _Thought, now: Instant) -> Intent:
        when, command = thought.when, None
        at = max(now, self._seen[thought.occasion] + when if isinstance(when, timedelta) else when)
        if thought.name:
            fields = thought.fields(at) if callable(thought.fields) else thought.fields or {}
            command_id = f"{self._id}-{self._sent + 1}"
            command = COMMANDS[thought.name].model_validate(
                {"command_id": command_id, "by": self.by, "sent_at": at, **fields}
            )
        return Intent(by=self.by, at=at, occasion=thought.occasion, command=command, counts=thought.counts)

    def _thoughts(self, view: View) -> Iterator[_Thought]:
        if view.ending is not None:
            return
        patience = self.habits.answers_after
        if self.by == "facilitator":
            for alert in view.alerts:
                yield _Thought(f"alert {alert}", patience, "acknowledge", {"alert": alert})
            if view.stage == "paused" and view.paused_until is None:
                yield _Thought("decision", patience * 2, "decide", {"decision": "go_on"})
            return
        if view.stage == "enrolling" and not view.consented:
            yield _Thought("consent", patience, "consent")
        for question in view.questions:
            # Whether now is a good time is answered before that time has passed.
            within = min(patience, _SOON) if question.kind == "dialogue_request" else patience
            yield _Thought(question.id, within, "reply", partial(self._answer, question, view))
        if view.stage == "practising":
            for session in view.sessions:
                yield from self._appointment(session, view)
            yield from self._aside(view)

    def _answer(self, question: QuestionView, view: View, at: Instant) -> Fields:
        if question.items:
            answers = dict.fromkeys(question.items, "yes" if self.habits.well else "unsure")
            return {"question": question.id, "answers": answers}
        answer = _ANSWERS.get(question.kind, "")
        if question.kind == "dialogue_request":
            near = any(s.start is None or abs(s.start - at) < _APART for s in view.sessions)
            answer = "no" if near else "now"
        elif question.kind == "tail":
            answer = "go_on" if self.habits.goes_on else "complete"
        elif question.kind == "go_on" and self._chance(f"gives up {question.id}", self.habits.gives_up):
            answer = "stop"
        return {"question": question.id, "answer": answer}

    def _aside(self, view: View) -> Iterator[_Thought]:
        """What happens between the sessions, at most once after each."""
        habits, occasion = self.habits, f"after {view.done}"
        mine = sum(note.mine for note in view.notes)
        if mine < habits.keeps_notes:
            words = self._words(_NOTE, LINE_BYTES)
            yield _Thought(f"note {mine}", timedelta(hours=30), "note", {"words": words, "shared": True})
        if view.dialogue is not None or not view.done:
            return
        trip, rest, wish = f"travel {occasion}", f"pause {occasion}", f"ask {occasion}"
        if habits.travels and not self._done[trip]:
            zone = habits.travels[(view.done - 1) % len(habits.travels)]
            yield _Thought(trip, _DAY, "adjust", {"zone": zone}, (trip,))
        if not self._done[rest] and self._chance(rest, habits.pauses):
            yield _Thought(rest, _DAY, "pause", lambda at: {"until": at + habits.pause_for}, (rest,))
        if not self._done[wish] and self._chance(wish, habits.asks):
            yield _Thought(wish, _DAY * 2, "ask_dialogue", {}, (wish,))

    def _appointment(self, session: SessionView, view: View) -> Iterator[_Thought]:
        number, start, dialogue = session.number, session.start, view.dialogue
        starts = self._starts.setdefault(number, [])
        if session.status == "to_book":
            key = f"book {number} {len(starts)}"
            if session.proposals and self._chance(key, self.habits.books_again):
                yield _Thought(key, self.habits.books_after, "reschedule", partial(_first_free, session))
            return
        if start is None:
            return
        if start not in starts:
            starts.append(start)
        place = starts.index(start)
        appointment = f"{number}.{place}"
        if session.status == "booked":
            if place == 0 and self._chance(f"moves {appointment}", self.habits.moves):
                fields: Fields = {"session": number, "at": start + _DAY}
                yield _Thought(f"move {appointment}", start - _DAY * 2, "reschedule", fields)
            if self._stays_away(number, place, start):
                return
        if dialogue is None or dialogue.session != number:
            if session.status == "booked":
                yield _Thought(f"look {appointment}", start + self.habits.arrives)
            return
        if session.status == "open":
            yield from self._turn(dialogue, appointment, view)
        elif any(prompt.act == Act.READY for prompt in dialogue.acts):
            arrival = start + self.habits.arrives
            yield _Thought(f"ready {appointment}", arrival, "turn", {"act": Act.READY})

    def _stays_away(self, number: int, place: int, start: Instant) -> bool:
        first = min(starts[0] for starts in self._starts.values() if starts)
        chance = self.habits.misses + self.habits.fades * ((start - first) // (_DAY * 7))
        return place < self.habits.absent.get(number, 0) or self._chance(f"misses {number}.{place}", chance)

    def _turn(self, seen: DialogueView, appointment: str, view: View) -> Iterator[_Thought]:
        acts = [prompt.act for prompt in seen.acts]
        taken = self._done[f"turns {appointment}"]
        occasion = f"turn {appointment} {seen.kind} {seen.movement} {seen.step} {taken}"
        silent = self._moment("falls silent", appointment, self.habits.falls_silent)
        act = self._choose(seen, acts, appointment, taken)
        if act is None or (silent is not None and taken >= silent):
            return
        longest = int(self.habits.hesitates.total_seconds())
        wait = self.habits.reaction + timedelta(seconds=self._random(occasion).randint(0, longest))
        counts = (f"turns {appointment}", f"{_dialogue(seen)} {act}", f"{_place(seen)} {act}")
        yield _Thought(occasion, wait, "turn", partial(self._said, seen, act, view), counts)

    def _moment(self, what: str, appointment: str, chance: float) -> int | None:
        """At which of one's turns something happens, in an appointment in which it happens at all."""
        key = f"{what} {appointment}"
        return self._random(f"when {key}").randint(2, 10) if self._chance(key, chance) else None

    def _said(self, seen: DialogueView, act: Act, view: View, at: Instant) -> Fields:
        """What a turn of that act carries."""
        fields: Fields = {"act": act}
        match act:
            case Act.TIME_OUT:
                fields["until"] = at + self.habits.time_out_for
            case Act.MIRROR:
                said = seen.said.text if seen.said and seen.said.text else "what you just said."
                fields["words"] = self._words(_HEARD + said, WORDS_BYTES)
            case Act.MARK:
                others = KINDS[seen.kind].movement(seen.movement).of == "others"
                lines = [n.number for n in seen.lines if n.shared and not (others and n.by == self.by)]
                fields["lines"] = lines
            case Act.CHOOSE:
                fields["lines"] = [n.number for n in seen.lines if n.shared and n.by != self.by][:1]
            case Act.FRAME if seen.kind == "trigger" and view.notes:
                fields["note"] = view.notes[0].id
            case _ if act in _WORDS:
                text = _WORDS[act][self._done[f"{_place(seen)} {act}"] % len(_WORDS[act])]
                is_line = act in (Act.FRAME, Act.WRITE, Act.REQUEST)
                fields["words"] = self._words(text, LINE_BYTES if is_line else WORDS_BYTES)
        if act == Act.REQUEST:
            fields["within_days"] = 7 + self._random(f"days {seen.session}").randint(0, 14)
        return fields

    def _choose(self, seen: DialogueView, acts: list[Act], appointment: str, taken: int) -> Act | None:
        stops = self._moment("stops", appointment, self.habits.stops)
        if stops is not None and taken >= stops:
            return Act.STOP
        if Act.TIME_OUT in acts and taken == self._moment("times out", appointment, self.habits.times_out):
            return Act.TIME_OUT
        return self._next_act(seen, [a for a in acts if a not in _ASIDE]) if seen.your_turn else None

    def _next_act(self, seen: DialogueView, acts: list[Act]) -> Act | None:
        """The act that moves the dialogue on."""
        habits, here = self.habits, _place(seen)
        movement = KINDS[seen.kind].movement(seen.movement)
        if Act.NO_MORE in acts:
            rounds = self._done[f"{here} {movement.says}"] // max(1, len(movement.stems))
            return Act.NO_MORE if rounds >= habits.exchanges else movement.says
        if Act.CORRECT in acts:
            so_far = self._done[f"{_dialogue(seen)} {Act.CORRECT}"]
            sent = self._done[f"{_dialogue(seen)} {Act.SEND}"]
            return Act.CORRECT if sent and so_far < habits.corrections else Act.CONFIRM
        if Act.WRITE in acts and self._done[f"{here} {Act.WRITE}"] < habits.lines:
            return Act.WRITE
        if Act.KEEP in acts and not habits.lines:
            return Act.KEEP
        for act, wanted in (
            (Act.ASK_MORE, self._done[f"{_dialogue(seen)} {Act.ASK_MORE}"] < habits.asks_more),
            (Act.DEFER_SWITCH, self._chance(f"defers {seen.session}", habits.defers)),
            (Act.DECLINE, self._chance(f"declines {here}", habits.declines)),
            (Act.ROLE_PLAY, self._chance(f"plays {here}", habits.role_plays)),
        ):
            if act in acts and wanted:
                return act
        return next((a for a in acts if a != Act.WRITE), None)

    def _words(self, text: str, limit: int) -> str:
        long = " ".join([text] * (self.habits.wordiness // len(text) + 1))
        return long[: max(len(text), self.habits.wordiness)][:limit]

    def _random(self, occasion: str) -> Random:
        return Random(f"{self._seed}/{occasion}")  # noqa: S311 - repeatable by design

    def _chance(self, occasion: str, chance: float) -> bool:
        return chance > 0 and self._random(occasion).random() < chance


def _first_free(session: SessionView, at: Instant) -> Fields:
    """The first of the times offered that is not past."""
    free = (n for n, start in sorted(session.proposals.items()) if start > at)
    return {"session": session.number, "proposal": next(free, 1)}


def _dialogue(seen: DialogueView) -> str:
    return f"{seen.session} {seen.kind}"


def _place(seen: DialogueView) -> str:
    return f"{seen.session} {seen.kind} {seen.role} {seen.movement}"


class Couple:
    """The two of them, and their facilitator."""

    def __init__(self, programme: str, manner: Manner = STEADY, seed: int = 0) -> None:
        habits: dict[By, Habits] = {"a": manner.a, "b": manner.b, "facilitator": manner.facilitator}
        self.members: Mapping[By, Member] = {by: Member(by, h, programme, seed) for by, h in habits.items()}

    def next(self, views: Mapping[By, View], now: Instant) -> Intent | None:
        """The first thing that one of those whose views are given will do."""
        intents = [i for by, view in views.items() if (i := self.members[by].next(view, now))]
        return min(intents, key=lambda i: (i.at, i.by), default=None)

    def done(self, intent: Intent) -> None:
        """It was applied."""
        self.members[intent.by].done(intent)

    def refused(self, intent: Intent) -> None:
        """It was refused."""
        self.members[intent.by].refused(intent)
