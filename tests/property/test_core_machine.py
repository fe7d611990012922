"""Any sequence of commands, answers and times keeps what must always hold (`tests/support/world.py`).

Twice: a machine of Hypothesis looks for the shortest sequence that breaks something, and walks of chance go far,
through whole programmes with misses, pauses, time-outs, late answers and second thoughts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from duologue.practice.asks import Delivered, Resolution, Windows
from duologue.practice.decide import Cancelled, Junk
from duologue.practice.events import TailBegan
from duologue.practice.grammar import Act
from duologue.practice.kinds import KINDS
from duologue.practice.messages import Reason
from duologue.practice.plan import OPT_IN, KindName, Plan
from duologue.practice.values import PARTNERS, Partner
from tests.support.world import (
    POLICIES,
    Offers,
    Pick,
    Sent,
    World,
    may_agree,
    may_answer,
    may_consent,
    may_end,
    may_go_on,
    may_interrupt,
    may_manage,
    may_turn,
)

BEGINS = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
OPTED = {"opt_in": OPT_IN}
NIGHT = {"start": "22:00", "end": "07:00"}


def a_plan(pick: Pick, only: KindName | None = None) -> Plan:
    """One of many plans; or one with a single dialogue of a kind, and what may come after the last."""
    midpoint = pick([False, False, True])
    count = 1 if only else pick([1, 2, 5])
    items = [{"kinds": (only or pick(list(KINDS)),), "midpoint": midpoint} for _ in range(count)]
    if only is None and pick([False, True]):
        items[0]["kinds"] = ("appreciation", *items[0]["kinds"])
    weekly = {"every": "week", "on": ("monday", "thursday"), "at": "19:00"}
    listed = {"every": "list", "at": [f"+{n}d" for n in range(1, 9)]}
    tail = {"item": {"kinds": ("mirroring",)}, "cadence": weekly, "count": 2}
    people = {
        "a": {"ref": "person-a", "quiet": pick([None, NIGHT])} | OPTED,
        "b": {"ref": "person-b", "quiet": pick([None, NIGHT]), "zone": pick(["UTC", "America/New_York"])},
    }
    people["b"] |= OPTED if only else pick([OPTED, OPTED, {}])
    return Plan.model_validate(
        {
            "programme": "p",
            "people": people,
            "facilitators": ("facilitator-1", "facilitator-2")[: pick([2, 0, 1])],
            "safeguarding": pick(["safeguarding-1", None]),
            "cadence": pick([weekly, weekly, listed]),
            "curriculum": {"name": "x", "items": items, "tail": pick([tail, tail if only else None])},
            "policy": pick(POLICIES),
        }
    )


# --- the machine ------------------------------------------------------------------------------------------------------

partners = st.sampled_from(PARTNERS)
anybody = st.sampled_from(["a", "b", "facilitator"])


def with_(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


anything = st.one_of(
    st.tuples(st.just("turn"), anybody, with_(act=st.sampled_from(Act))),
    st.tuples(st.just("reschedule"), partners, with_(session=st.integers(1, 9), proposal=st.just(1))),
    st.tuples(st.just("reply"), partners, with_(question=st.text(max_size=9), answer=st.just("yes"))),
    st.tuples(
        st.just("note"), partners, with_(note=st.sampled_from(["a1", "b2", "x"]), remove=st.just(True))
    ),
    st.tuples(st.just("consent"), anybody, with_()),
    st.tuples(st.just("resume"), anybody, with_()),
    st.tuples(st.just("decide"), anybody, with_(decision=st.just("go_on"))),
)

spans = st.one_of(
    st.integers(0, 120).map(lambda n: timedelta(seconds=n)),
    st.integers(1, 120).map(lambda n: timedelta(minutes=n)),
    st.integers(1, 96).map(lambda n: timedelta(hours=n)),
    st.integers(1, 20).map(lambda n: timedelta(days=n)),
)


class Programmes(RuleBasedStateMachine):
    """One programme, alive."""

    world: World

    @initialize(data=st.data(), enrolling=st.integers(0, 7))
    def begin(self, data: st.DataObject, enrolling: int) -> None:
        self.world = World(a_plan(pick_of(data)), BEGINS)
        if enrolling:
            self.world.enrol()

    @rule(data=st.data(), offers=st.sampled_from([may_consent, may_answer, may_turn, may_manage]))
    def do_what_may_be_done(self, data: st.DataObject, offers: Offers) -> None:
        self.world.choose(offers, pick_of(data))

    @rule(
        data=st.data(), offers=st.sampled_from([may_interrupt, may_interrupt, may_agree, may_agree, may_end])
    )
    def interrupt_or_end(self, data: st.DataObject, offers: Offers) -> None:
        self.world.choose(offers, pick_of(data))

    @rule(sent=anything)
    def do_anything(self, sent: Sent) -> None:
        name, by, fields = sent
        self.world.command(name, by, **fields)

    @rule(
        late=st.sampled_from([-5, 0, 4, 6, 14]),
        who=st.sampled_from([("a", "b"), ("b", "a"), ("a",)]),
        turns=st.sampled_from([0, 12, 150]),
    )
    def hold_the_next_session(self, late: int, who: tuple[Partner, ...], turns: int) -> None:
        self.world.answer_everything()
        self.world.come(late, who)
        self.world.take_turns(turns, 1)

    @rule(data=st.data(), back=spans)
    def do_something_dated_back(self, data: st.DataObject, back: timedelta) -> None:
        self.world.choose(may_turn, pick_of(data), sent_at=self.world.now - back)

    @rule(data=st.data())
    @precondition(lambda self: self.world.state.applied)
    def repeat(self, data: st.DataObject) -> None:
        self.world.repeat(pick_of(data))

    @rule(reason=st.sampled_from(Reason))
    def send_junk(self, reason: Reason) -> None:
        before = self.world.state
        self.world.apply(Junk(name="unknown", reason=reason))
        plain = {"seq", "digest", "journal", "refused"}
        assert self.world.state.model_dump(exclude=plain) == before.model_dump(exclude=plain)

    @rule(data=st.data())
    @precondition(lambda self: self.world.state.asks)
    def hear_an_answer(self, data: st.DataObject) -> None:
        self.world.answer_one(pick_of(data))

    @rule()
    def hear_an_answer_to_nothing(self) -> None:
        self.world.pass_time(timedelta(0))
        before = self.world.state
        self.world.apply(Delivered(key="nothing", outcome="delivered"))
        never = Windows(since=BEGINS, until=BEGINS, a=(), b=())
        self.world.apply(Resolution(key="nothing", slots=(), tzdata="x", windows=never))
        assert self.world.state == before

    @rule(span=spans, cuts=st.lists(st.floats(0, 1), max_size=4))
    def let_time_pass(self, span: timedelta, cuts: list[float]) -> None:
        self.world.pass_time(span, cuts)

    @rule()
    def let_time_pass_to_what_comes_next(self) -> None:
        self.world.pass_to_next()

    @rule(span=spans)
    def be_away_while_time_passes(self, span: timedelta) -> None:
        self.world.now += span

    @rule(chance=st.integers(0, 9))
    def cancel(self, chance: int) -> None:
        if chance == 9:
            self.world.apply(Cancelled())
            assert self.world.state.over

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.replay()


def pick_of(data: st.DataObject) -> Pick:
    return lambda options: data.draw(st.sampled_from(options))


def test_whatever_happens_in_whatever_order() -> None:
    run_state_machine_as_test(
        Programmes,
        settings=settings(
            max_examples=45,
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


# --- walks of chance --------------------------------------------------------------------------------------------------


COMING: list[tuple[Partner, ...]] = [*[PARTNERS] * 6, ("a",), ("b",), ()]
FADING: list[tuple[Partner, ...]] = [("a", "b"), ("b",), ("a",), (), ()]


def step(world: World, rng: Random, who: list[tuple[Partner, ...]]) -> None:
    """Something that a couple, its facilitator, its world or its worker might do."""
    pick: Pick = rng.choice
    state = world.state
    match rng.choices(range(10), weights=[30, 6, 6, 12, 4, 12, 8, 4, 4, 2])[0]:
        case 0:
            world.answer_everything()
            world.come(pick([-5, 0, 0, 4, 6, 14]), pick(who))
            world.pass_time(timedelta(minutes=pick([0, 0, 20])))
            world.take_turns(
                pick([3, 12, 150, 150, 150]), pick([0, 1, 1, 5]), defer=pick([False, False, True])
            )
        case 1:
            world.choose(pick([may_turn, may_turn, may_consent]), pick)
        case 2:
            world.choose(may_manage, pick)
        case 3:
            world.choose(may_agree if state.paused else may_answer, pick)
        case 4 if rng.random() < 0.5 or state.paused:
            world.choose(may_interrupt, pick)
        case 5:
            world.pass_to_next()
        case 6:
            span = pick([timedelta(minutes=7), timedelta(minutes=31), timedelta(hours=5), timedelta(days=2)])
            world.pass_time(span * rng.random(), [rng.random() for _ in range(3)])
        case 7 if state.asks:
            world.answer_one(pick)
        case 8:
            world.now += timedelta(minutes=rng.randint(1, 60))
            world.choose(may_turn, pick, sent_at=world.now - timedelta(minutes=rng.randint(0, 90)))
        case 9 if rng.random() < 0.1:
            world.choose(may_end, pick)


@pytest.mark.parametrize("kind", KINDS)
def test_a_walk_of_chance_through_each_kind_and_into_what_comes_after_the_last(kind: KindName) -> None:
    rng = Random(kind)
    pick: Any = rng.choice
    world = World(a_plan(pick, kind), BEGINS)
    world.enrol()
    world.come(0, PARTNERS)
    assert world.state.open_session is not None
    assert world.state.open_session.kinds == (kind,)
    for _ in range(40):
        world.choose(may_go_on, pick)
    world.take_turns(150, 0)
    for question in [q for q in world.state.questions if q.kind == "tail"]:
        world.command("reply", question.to, question=question.id, answer="go_on")
    assert [event for event in world.events if isinstance(event, TailBegan)]
    for _ in range(40):
        step(world, rng, COMING)
    world.replay()


@pytest.mark.parametrize("seed", range(24))
def test_a_walk_of_chance(seed: int) -> None:
    """Every fourth couple fades: they come less and less."""
    rng = Random(seed)
    pick: Any = rng.choice
    world = World(a_plan(pick), BEGINS)
    world.enrol()
    for _ in range(120):
        step(world, rng, FADING if seed % 4 == 0 else COMING)
        if world.state.over:
            break
    world.answer_everything()
    while world.state.over and world.state.outbox:
        world.pass_to_next()
        world.answer_everything()
    world.replay()
