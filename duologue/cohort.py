"""The course of a cohort: many synthetic couples through one programme, counted week by week.

Each couple has a seed of its own, so that the same arguments give the same cohort. What each couple does is
`couple.py`'s, what comes of it the core's; here it is only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from duologue import calendar
from duologue.habits import Manner
from duologue.practice import events as e
from duologue.practice.decide import Input
from duologue.practice.plan import Plan
from duologue.practice.state import State
from duologue.practice.values import Frozen, Instant
from duologue.simulate import BEGINS, simulate

_WEEK = timedelta(weeks=1)


class Week(Frozen):
    """What happened in one week, over all couples."""

    number: int
    """Counted from the day of the first session."""
    held: int = 0
    """Sessions held, to their end or until one of the two stopped."""
    unfinished: int = 0
    missed: int = 0
    rebooked: int = 0
    """Given another time: chosen by one of the two, or the next regular one."""
    called: int = 0
    """Calls of a facilitator."""
    paused: int = 0
    """Programmes that the ladder paused."""
    couples: int = 0
    """Still in the programme when the week began."""


class Cohort(Frozen):
    """A cohort's course."""

    programme: str
    couples: int
    seed: int
    """Of the first couple; the next has the next."""
    weeks: tuple[Week, ...]
    endings: Mapping[str, int]
    """How many programmes ended how; "open": have not yet."""

    def total(self, what: str) -> int:
        """A column's sum over all weeks."""
        return sum(getattr(week, what) for week in self.weeks)


def cohort(
    plan: Plan,
    *,
    manner: Manner,
    couples: int,
    seed: int = 0,
    weeks: int | None = None,
    begins: Instant = BEGINS,
    each: Callable[[int], object] = lambda _: None,
) -> Cohort:
    """The course of `couples` couples with seeds from `seed` on; `each` is told of every one that is through."""
    happened: list[tuple[Instant, str]] = []
    ended: list[Instant | None] = []
    endings: Counter[str] = Counter()
    first: list[Instant] = []
    for number in range(couples):
        simulation = simulate(plan, weeks=weeks, seed=seed + number, manner=manner, begins=begins)

        def watch(given: Input, written: Sequence[e.Event], state: State, now: Instant) -> None:
            del given, state, now
            for event in written:
                happened.extend((event.at, what) for what in _counted(event))
                if isinstance(event, e.SessionBooked):
                    first[:] = [min([*first, event.start])]

        simulation.watch = watch
        simulation.run()
        ended.append(simulation.state.ended)
        endings[simulation.state.ending or "open"] += 1
        each(number + 1)
    zone = calendar.zone(plan.zone)
    return Cohort(
        programme=plan.programme,
        couples=couples,
        seed=seed,
        weeks=tuple(
            _weeks(
                first[0].astimezone(zone).date() if first else begins.date(),
                [(at.astimezone(zone).date(), what) for at, what in happened],
                [at and at.astimezone(zone).date() for at in ended],
            )
        ),
        endings=dict(sorted(endings.items())),
    )


def _counted(event: e.Event) -> Iterator[str]:
    match event:
        case e.SessionEnded(outcome="done" | "stopped"):
            yield "held"
        case e.SessionUnfinished():
            yield "unfinished"
        case e.SessionMissed():
            yield "missed"
        case e.BookingBegan():
            yield "rebooked"
        case e.Alerted():
            yield "called"
        case e.PauseBegan(for_decision=True):
            yield "paused"


def _weeks(
    origin: date, happened: Sequence[tuple[date, str]], ended: Sequence[date | None]
) -> Iterator[Week]:
    tally: dict[int, Counter[str]] = {}
    for day, what in happened:
        tally.setdefault(max((day - origin).days // 7, 0), Counter())[what] += 1
    for number in range(max(tally, default=-1) + 1):
        begins, counts = origin + number * _WEEK, tally.get(number, Counter())
        there = sum(end is None or end >= begins for end in ended)
        yield Week.model_validate({"number": number + 1, "couples": there, **counts})
