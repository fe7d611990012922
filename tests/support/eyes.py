"""Every fact that a state holds, ways in which it could have been otherwise, and what each reader makes of it.

For docs/reference/eyes.md and its test: `facts` walks the models, `places` a state, `variations` says what else could
stand at a place, and `eyes` is everything that reaches each reader.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, ValidationError

from duologue.activities.deliver import render
from duologue.activities.invitation import invitation
from duologue.codec import Codec, KeyRing
from duologue.codec.converter import ScopedPayloadConverter
from duologue.practice import grammar, texts, views
from duologue.practice.asks import Message
from duologue.practice.evolve import awaiting
from duologue.practice.kinds import KINDS
from duologue.practice.passing import next_deadline
from duologue.practice.plan import OPT_IN, QuietHours
from duologue.practice.shapes import Act
from duologue.practice.state import State
from duologue.practice.values import PARTNERS, By, Frozen, Instant, Partner, Words

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "eyes.md"

Reader = Literal["a", "b", "facilitator", "ops", "safeguarding"]
Column = Literal["own", "other", "facilitator", "ops", "safeguarding"]
COLUMNS: tuple[Column, ...] = ("own", "other", "facilitator", "ops", "safeguarding")


# --- the document -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One fact of the matrix: who sees it, and where it depends on something, on what."""

    fact: str
    condition: str
    cells: Mapping[Column, str]

    def __str__(self) -> str:
        return f"{self.fact} ({self.condition})" if self.condition else self.fact


def matrix(text: str) -> list[Row]:
    """The rows of the document's table; one that names several fields in braces is as many rows."""
    rows = []
    for line in text.splitlines():
        found = re.fullmatch(r"\| `([^`]+)`(?: \(([^)]+)\))? \|(.+)\|", line)
        if found:
            cells = [cell.strip() for cell in found[3].split("|")][: len(COLUMNS)]
            named = dict(zip(COLUMNS, cells, strict=True))
            rows += [Row(fact, found[2] or "", named) for fact in _braces(found[1])]
    return rows


def _braces(name: str) -> list[str]:
    found = re.search(r"\{([^{}]*)\}", name)
    if found is None:
        return [name]
    before, after = name[: found.start()], name[found.end() :]
    return [n for part in found[1].split(",") for n in _braces(f"{before}{part.strip()}{after}")]


# --- what there is to know --------------------------------------------------------------------------------------------


def facts(model: type[BaseModel] = State, path: str = "") -> set[str]:
    """Every leaf field below a model, by its path. What is of `a` and of `b` is one fact, of two people."""
    found = set()
    for name, field in model.model_fields.items():
        here = _path(path, name)
        inner = list(_models(field.annotation))
        found |= {fact for m in inner for fact in facts(m, here)} if inner else {here}
    return found


def _path(path: str, name: str) -> str:
    return path if name in PARTNERS else f"{path}.{name}".lstrip(".")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is not Words:
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _models(argument)


Step = str | int
"""A field, a key of a mapping, or a place in a tuple."""


@dataclass(frozen=True)
class Place:
    """A leaf in a state: the fact, whom it is of, what holds it, and where it stands."""

    fact: str
    of: Partner | None
    holder: Frozen
    name: str
    value: Any
    at: tuple[Step, ...]

    @property
    def says_whose(self) -> bool:
        """Whether the fact is whose its holder is; then the question is whether there is such a thing at all."""
        return self.name == _owner_field(self.holder)


def _owner_field(holder: Frozen) -> str | None:
    return next((n for n in ("by", "to", "asked_by") if isinstance(getattr(holder, n, None), str)), None)


def places(state: State) -> Iterator[Place]:
    """Every leaf of a state."""
    return _inside(state, "", None, ())


def _inside(holder: Frozen, path: str, of: Partner | None, at: tuple[Step, ...]) -> Iterator[Place]:
    says = _owner_field(holder)
    if says is not None:
        of = _partner(getattr(holder, says))
    for name, holds_models in _fields(type(holder)):
        value, here = getattr(holder, name), _path(path, name)
        if holds_models:
            for where, inner in _held(value, (*at, name)):
                yield from _inside(inner, here, _partner(name) or of, where)
        else:
            yield Place(here, of, holder, name, value, (*at, name))


@cache
def _fields(model: type[BaseModel]) -> list[tuple[str, bool]]:
    """The fields of a model, and whether there are models in them."""
    return [(name, any(_models(field.annotation))) for name, field in model.model_fields.items()]


def _partner(name: object) -> Partner | None:
    return next((p for p in PARTNERS if p == name), None)


def _held(value: Any, at: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Frozen]]:
    if isinstance(value, Frozen):
        yield at, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _held(item, (*at, key))
    elif isinstance(value, tuple):
        for n, item in enumerate(value):
            yield from _held(item, (*at, n))


_GONE = object()


def changed(value: Any, at: tuple[Step, ...], new: Any) -> Any:
    """`value` with something else at a place; `_GONE`: without what stands there, or without what must have it."""
    if not at:
        return new
    step, rest = at[0], at[1:]
    if isinstance(value, Frozen):
        inner, name = changed(getattr(value, str(step)), rest, new), str(step)
        if inner is not _GONE:
            return value.with_(**{name: inner})
        optional = NoneType in get_args(type(value).model_fields[name].annotation)
        return value.with_(**{name: None}) if optional else _GONE
    items = dict(value.items() if isinstance(value, Mapping) else enumerate(value))
    items[step] = changed(items[step], rest, new)
    items = {key: item for key, item in items.items() if item is not _GONE}
    return items if isinstance(value, Mapping) else tuple(items.values())


# --- what could have been otherwise -----------------------------------------------------------------------------------


def variations(state: State, place: Place) -> Iterator[tuple[Partner | None, State]]:
    """States that differ in one fact, and in whom they await, which follows from the rest; and whom the fact is of."""
    if place.says_whose:
        others: Iterable[tuple[Partner | None, Any]] = [(place.of, changed(state, place.at[:-1], _GONE))]
    elif place.fact in _SENSIBLE:
        others = [(place.of, changed(state, place.at, v)) for v in _SENSIBLE[place.fact](place.holder)]
    else:
        annotation = type(place.holder).model_fields[place.name].annotation
        others = [
            (of or place.of, changed(state, place.at, v)) for of, v in _instead(annotation, place.value)
        ]
    for of, varied in others:
        yield of, varied if place.fact == "awaiting" else varied.with_(awaiting=awaiting(varied))


def instead(given: Frozen) -> Iterator[Frozen]:
    """What else somebody could have sent, or the world have answered."""
    for name, field in type(given).model_fields.items():
        if name in _SAME:
            continue
        for _, value in _instead(field.annotation, getattr(given, name)):
            with contextlib.suppress(ValidationError):
                yield type(given).model_validate({**dict(given), name: value})


_SAME = frozenset({"command_id", "sent_at", "key", "policy", "windows", "slots", "others"})
"""Of what is given: the ids and moments, and what is the calendar's."""


def differing(one: State, another: State) -> set[str]:
    """The facts in which two states differ."""
    left, right = ({p.at: (p.fact, p.value) for p in places(state)} for state in (one, another))
    differ = {at for at in left.keys() | right.keys() if left.get(at) != right.get(at)}
    return {(left.get(at) or right[at])[0] for at in differ}


def _of_the_same_shape(dialogue: Any) -> list[str]:
    spoken = grammar.current(dialogue).says is None
    movements = grammar.kind_of(dialogue).movements
    return [m.name for m in movements if (m.says is None) == spoken and m.name != dialogue.movement]


def _kinds_with_it(dialogue: Any) -> list[str]:
    having = [kind.name for kind in KINDS.values() if dialogue.movement in {m.name for m in kind.movements}]
    return [name for name in having if name != dialogue.kind]


_STATUS = {"booking": "missed", "booked": "missed", "missed": "unfinished", "unfinished": "missed"}

_SENSIBLE: Mapping[str, Callable[[Any], Iterable[Any]]] = {
    "stage": lambda s: ["ended" if s.stage == "completed" else "completed"] if s.over else ["enrolling"],
    "ending": lambda s: {"decided", "slots_used_up"} if s.over else (),
    "ended": lambda s: [s.ended + timedelta(minutes=1)] if s.over else (),
    "sessions.start": lambda s: [s.start + timedelta(minutes=1)] if s.start else (),
    "sessions.status": lambda s: [_STATUS[s.status]] if s.status in _STATUS else (),
    "sessions.part": lambda s: range(1, len(s.kinds or s.item.kinds)),
    "sessions.item.kinds": lambda item: [("caring",) * len(item.kinds)],
    "sessions.kinds": lambda s: [("caring",) * len(s.kinds or s.item.kinds)],
    "sessions.dialogue.kind": _kinds_with_it,
    "sessions.dialogue.movement": _of_the_same_shape,
    "requests.status": lambda r: (
        {"asked", "kept", "not_yet"} - {r.status} if r.status != "open" else {"kept"}
    ),
    "plan.people.opt_in": lambda _: [(), OPT_IN],
    "asks.language": lambda _: ["de"],
    "asks.zone": lambda _: ["Asia/Tokyo"],
    "outbox.message.language": lambda _: ["de"],
    "outbox.message.zone": lambda _: ["Asia/Tokyo"],
    "plan.people.language": lambda _: ["de"],
    "plan.people.zone": lambda _: ["Asia/Tokyo"],
    "asks.template": lambda m: {"reminder", "idle_nudge"} - {m.template},
    "outbox.message.template": lambda m: {"reminder", "idle_nudge"} - {m.template},
}
"""Facts of which not every value of their type could be."""


def _instead(annotation: Any, value: Any) -> Iterator[tuple[Partner | None, Any]]:
    """Other values of a type; what is said of each of the two is a fact of each."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if NoneType in arguments:
        if value is not None:
            yield None, None
        for argument in arguments:
            if argument is not NoneType:
                yield from _instead(argument, value)
    elif origin is Annotated:
        yield from _instead(arguments[0], value)
    elif origin in (tuple, Mapping) and set(PARTNERS) <= set(get_args(arguments[0])):
        yield from _of_each(arguments, value)
    else:
        yield from ((None, instead) for instead in _others(origin or annotation, arguments, value))


def _of_each(arguments: tuple[Any, ...], value: Any) -> Iterator[tuple[Partner, Any]]:
    """Partners of whom something is so, or is chosen."""
    for p in PARTNERS:
        if not isinstance(value, Mapping):
            here = value or ()
            yield p, tuple(q for q in here if q != p) if p in here else (*here, p)
            continue
        for _, instead in _instead(arguments[1], value.get(p)):
            yield p, {**value, p: instead}
        if p in value:
            yield p, {q: chosen for q, chosen in value.items() if q != p}


def _others(kind: Any, arguments: tuple[Any, ...], value: Any) -> Iterator[Any]:
    if kind is Literal:
        yield from (instead for instead in arguments if instead != value)
    elif kind is tuple:
        if value:
            yield value[1:]
        yield from ((*(value or ()), more) for _, more in _instead(arguments[0], None))
    elif kind is Mapping:
        yield {**value, "done": 77}
    elif kind is Act:
        yield next(act for act in Act if act != value)
    elif kind in _PLAIN:
        yield _PLAIN[kind](value)
    else:
        message = f"say what else a {kind} could be"
        raise TypeError(message)


_MINUTE = timedelta(minutes=1)

_PLAIN: Mapping[Any, Callable[[Any], Any]] = {
    bool: lambda now: not now,
    int: lambda now: (now or 0) + 1,
    str: lambda now: f"{now or 'other'}-2",
    timedelta: lambda now: (now or timedelta(0)) + _MINUTE,
    date: lambda now: (now or date(2027, 1, 4)) + timedelta(days=1),
    AwareDatetime: lambda now: (now or datetime(2027, 1, 4, 19, tzinfo=UTC)) + _MINUTE,
    Words: lambda _: Words(text="something else"),
    QuietHours: lambda _: QuietHours(start="21:00", end="06:00"),
}
"""Another value of each plain type."""


# --- what reaches whom ------------------------------------------------------------------------------------------------


def eyes(state: State, now: Instant, commands: Sequence[str] = ()) -> dict[Reader, str]:
    """Everything that each reader is shown, as one text each. Each asks for the receipts of `commands` too."""
    seen: dict[Reader, list[Any]] = {
        "a": _view(state, "a", now, commands),
        "b": _view(state, "b", now, commands),
        "facilitator": _view(state, "facilitator", now, commands),
        "ops": [_json(views.overview(state)), _json(views.attributes(state)), views.details(state)],
        "safeguarding": [],
    }
    deadline = next_deadline(state)
    seen["ops"] += [views.summary(ask) for ask in state.asks.values()] + [deadline and deadline[1]]
    if state.over:
        seen["ops"].append(_json(views.result(state)))
    told = [p.message for p in state.outbox] + [a for a in state.asks.values() if isinstance(a, Message)]
    for message in told:
        seen[message.to] += read(message)
    return {reader: json.dumps(what) for reader, what in seen.items()}


@cache
def read(message: Message) -> list[Any]:
    """What a recipient reads of a message; padding reaches nobody."""
    if message.template == texts.PADDING:
        return []
    text, entry = render(message), invitation(message)
    reason = message.words if message.to == "safeguarding" else None
    return [_json(text), entry and entry.ics, reason and _json(reason)]


CODEC = Codec(KeyRing.new())


def kept(payloads: Iterable[Frozen]) -> list[Any]:
    """What ops have of the payloads in a history: what opens in their scope, and the size of what does not."""
    found: list[Any] = []
    for value in payloads:
        [plain] = ScopedPayloadConverter().to_payloads([value])
        found.append(_json(value) if value.scope == "ops" else CODEC.encrypt(plain).ByteSize())
    return found


def _view(state: State, by: By, now: Instant, commands: Sequence[str]) -> list[Any]:
    asked: Sequence[str | None] = commands or [None]
    return [_json(views.view(state, views.ViewRequest(by=by, now=now, command_id=c))) for c in asked]


def _json(shown: Frozen) -> Any:
    return shown.model_dump(mode="json")


def columns(reader: Reader, of: Partner | None) -> tuple[Column, ...]:
    """Where a reader stands in the matrix, for a fact of `of`; one that is of nobody is in both partners' columns."""
    if reader not in PARTNERS:
        return (reader,)  # type: ignore[return-value]  # mypy does not narrow by `in`
    return ("own", "other") if of is None else ("own",) if reader == of else ("other",)
