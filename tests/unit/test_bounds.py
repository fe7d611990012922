"""However much is said, kept and waiting: a programme's state stays under 256 KB.

The state here is filled to every bound that the core keeps, each with the largest that may stand there, all at once. No
couple gets there; what cannot be exceeded needs no watching.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from duologue.practice import grammar
from duologue.practice.asks import Message, Resolve, Window, Windows
from duologue.practice.grammar import Act, Dialogue, Line
from duologue.practice.kinds import KINDS
from duologue.practice.plan import PLAN_BYTES, THEME, TITLE, Item, Plan, QuietHours
from duologue.practice.policy import MOST_STEPS, Policy
from duologue.practice.shapes import MOST_LINES
from duologue.practice.spoken import SPOKEN_BYTES, SPOKEN_KEPT, Spoken, Utterance
from duologue.practice.state import (
    APPLIED_KEPT,
    CONCERNS_EXTRA,
    HALVES_DEFERRED,
    JOURNAL_KEPT,
    LIVE_SESSIONS,
    MESSAGES_RECALLED,
    MESSAGES_UNDER_WAY,
    MESSAGES_WAITING,
    NOTES_KEPT,
    REQUESTS_KEPT,
    SESSIONS_KEPT,
    STAFF_EXTRA,
    Alert,
    Applied,
    Escalation,
    Granted,
    Held,
    JournalEntry,
    Pending,
    Question,
    Session,
    State,
    TriggerNote,
)
from duologue.practice.values import LINE_BYTES, PARTNERS, SEALED_PREFIX, WORDS_BYTES, Words
from tests.support.core import Play

NOW = datetime(2027, 1, 4, 9, 0, 0, 123456, tzinfo=UTC)
REF = "r" * 64
ZONE = "America/Argentina/ComodRivadavia"
KEY = "k" * 64


def sealed(size: int) -> Words:
    """The largest words of that size: sealed ones, with what sealing adds, and that is a third longer in letters."""
    longest = "x" * ((size + SEALED_PREFIX + 2) * 4 // 3 + 1)
    assert Words.model_construct(sealed=longest + "x", key=KEY).size > size
    words = Words(sealed=longest, key=KEY)
    assert words.size <= size
    return words


def full_plan() -> Plan:
    people = {by: {"ref": f"{by}{REF[1:]}", "zone": ZONE} for by in PARTNERS}
    times = [f"2027-01-04T09:00:{n % 60:02}.{n:06}Z" for n in range(120)]
    items: list[Any] = []
    given: dict[str, Any] = {
        "programme": REF,
        "people": people,
        "zone": ZONE,
        "facilitators": (REF, *(f"{n}{REF[1:]}" for n in range(4))),
        "cadence": {"every": "list", "at": times},
        "policy": {"reminders": ["1d", "2d", "3d"]},
    }
    for theme in (200, 20, 2):
        while True:
            items.append({"kinds": ["full"], "title": "題" * (theme * 2 // 5), "theme": "題" * theme})
            try:
                Plan.model_validate(given | {"curriculum": {"name": "x", "items": items[:]}})
            except ValueError:
                items.pop()
                break
    plan = Plan.model_validate(given | {"curriculum": {"name": "x", "items": items}})
    assert PLAN_BYTES - 128 < plan.json_bytes <= PLAN_BYTES
    return plan


def message(plan: Plan, n: int, **sent: Any) -> Message:
    return Message(
        key=f"{plan.programme}:dialogue_request.a{n:06}:dialogue_answered:safeguarding:{n:03}",
        programme=plan.programme,
        to="safeguarding",
        ref=REF,
        template="t" * 40,
        language="de-AT",
        zone=ZONE,
        session=999,
        revision=99,
        start=NOW,
        until=NOW,
        minutes=180,
        at=NOW,
        question="dialogue_request.a999999",
        **sent,
    )


def full_policy() -> Policy:
    step = {"after": "3650d23h59min59s", "do": "alert", "to": "next_contact", "text": "second_miss"}
    step["reason"] = "unacknowledged"
    return Policy.model_validate(
        {"ladder": [[step] * 12] * 6, "resuming": [step] * 12, "proposals": ["3650d23h59min59s"] * 6}
    )


def lists() -> Dialogue:
    """A dialogue of the kind with the most lines, all of them written."""
    most = max(KINDS.values(), key=lambda k: sum(Act.WRITE in m.also for m in k.movements))
    writings = [m.name for m in most.movements if Act.WRITE in m.also]
    lines = tuple(
        Line(number=99, movement=name, by=by, words=sealed(LINE_BYTES), shared=True, within_days=366)
        for name in writings
        for by in PARTNERS
        for _ in range(MOST_LINES)
    )
    numbers = tuple(range(1, len(lines) + 1))
    return grammar.begin(most.name, "a").with_(
        lines=lines, marks=dict.fromkeys(PARTNERS, numbers), common=numbers
    )


def spoken() -> Dialogue:
    """A dialogue with the most words between two turns."""
    three = tuple(
        Line(number=n, movement="requests", by="a", words=sealed(LINE_BYTES), shared=True, within_days=366)
        for n in range(1, 4)
    )
    said = sealed(WORDS_BYTES)
    return grammar.begin("request", "a").with_(
        topic=sealed(LINE_BYTES), said=said, mirrored=said, lines=three, chosen=(1, 2)
    )


def full_state() -> State:
    plan = full_plan()
    live = LIVE_SESSIONS + 1
    # Only the curriculum's session and those of other halves keep a dialogue; one that was asked for may be open.
    dialogues = [lists(), lists(), *[spoken()] * HALVES_DEFERRED]
    dialogues += [grammar.begin("full", "a")] * (live - len(dialogues))
    asks = [
        Resolve(
            key=f"{REF}:{n}:time:999999",
            # Only the curriculum's session and those of other halves ask for a slot.
            want="slot" if n <= HALVES_DEFERRED else "exact",
            zone=ZONE,
            people=plan.people,
            cadence=plan.cadence if n <= HALVES_DEFERRED else None,
            anchor=NOW,
            after=NOW,
            since=NOW,
            at=NOW,
            offsets=(timedelta(days=1),) * 6,
        )
        for n in range(live + 1)
    ]
    day = timedelta(days=1)
    windows = tuple(Window(start=NOW + n * day, end=NOW + n * day + day / 2) for n in range(61))
    sent = {"home": ZONE, "quiet": QuietHours(), "free_until": NOW}
    under_way = [message(plan, n, **sent) for n in range(MESSAGES_UNDER_WAY + STAFF_EXTRA + CONCERNS_EXTRA)]
    policy = full_policy()
    steps = policy.ladder[0][:1] * MOST_STEPS
    return State(
        plan=plan,
        opened=NOW,
        clock=NOW,
        digest="0" * 32,
        awaiting_since=NOW,
        sessions=tuple(
            Session(
                number=n,
                item=Item(kinds=("full",) * 3, title="題" * 80, theme="題" * 200),
                first_sender="a",
                origin="curriculum",
                start=NOW,
                local="2027-01-04T19:00:00",
                invited=NOW,
                present=PARTNERS,
                dialogue=dialogue,
                night_for=PARTNERS,
                ends=NOW,
                quiet_since=NOW,
                rebook_by=NOW,
                asking=asks[n].key,
                proposals=(NOW,) * 6,
                kinds=("full",) * 3,
            )
            for n, dialogue in enumerate(dialogues)
        ),
        held=tuple(
            Held(number=n, kinds=("full",) * 3, outcome="unfinished", at=NOW, absent=PARTNERS)
            for n in range(SESSIONS_KEPT)
        ),
        spoken=Spoken(
            session=999,
            utterances=(
                *[Utterance(by="a", act=Act.EXTEND, words=sealed(1))] * (SPOKEN_KEPT - 2),
                *[Utterance(by="a", act=Act.APPRECIATE, words=sealed(SPOKEN_BYTES // 2 - 1))] * 2,
            ),
        ),
        windows=Windows(since=NOW, until=NOW, a=windows, b=windows),
        questions=tuple(
            Question(
                id=f"dialogue_request.a{n}",
                kind="dialogue_request",
                to="a",
                asked_at=NOW,
                answer_by=NOW,
                about="appreciation",
                topic=sealed(LINE_BYTES) if not n else None,
                request="r999.9.99",
            )
            for n in range(REQUESTS_KEPT + 8)
        ),
        notes=tuple(
            TriggerNote(id=f"{by}9999", by=by, words=sealed(LINE_BYTES), shared=True, at=NOW)
            for by in PARTNERS
            for _ in range(NOTES_KEPT)
        ),
        requests=tuple(
            Granted(id="r999.9.99", asked_by="a", words=sealed(LINE_BYTES), due=NOW)
            for _ in range(REQUESTS_KEPT)
        ),
        outbox=tuple(Pending(message=message(plan, n), at=NOW, wanted=NOW) for n in range(MESSAGES_WAITING)),
        asks={**{ask.key: ask for ask in asks}, **{ask.key: ask for ask in under_way}},
        recalled=tuple(ask.key for ask in under_way[:MESSAGES_RECALLED]),
        escalation=Escalation(
            session=1,
            since=NOW,
            counted_from=NOW,
            misses=99,
            occasion="m999.99.999",
            steps=steps,
            alerts=(
                Alert(
                    id="m999.99.99.999",
                    ref=REF,
                    text="t" * 40,
                    at=NOW,
                    acknowledged=NOW,
                    snoozed=NOW,
                    step=99,
                ),
            )
            * MOST_STEPS,
            absent=PARTNERS,
            answers=dict.fromkeys(PARTNERS, "go_on"),
        ),
        called=(Alert(id="call.999999.again", ref=REF, text="t" * 40, at=NOW, acknowledged=NOW, snoozed=NOW),)
        * 2,
        applied={
            f"{n:064}": Applied(
                by="facilitator",
                seq=999999,
                movement="appreciations",
                awaiting="facilitator",
                next_acts=(Act.WRITE, Act.SHARE, Act.KEEP, Act.TIME_OUT, Act.STOP),
            )
            for n in range(APPLIED_KEPT)
        },
        journal=tuple(
            JournalEntry(seq=999999, at=NOW, what="MessageSettled", by="facilitator", detail="d" * 80)
            for _ in range(JOURNAL_KEPT)
        ),
    )


def test_the_fullest_state_stays_under_256_kb() -> None:
    state = full_state()
    sizes = {name: len(state.model_dump_json(include={name}).encode()) for name in type(state).model_fields}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:12]
    assert state.json_bytes < 256 * 1024, largest


async def test_what_is_measured_is_what_is_sent() -> None:
    plan = full_plan()
    [payload] = await pydantic_data_converter.encode([plan])
    assert len(payload.data) == plan.json_bytes


@pytest.mark.parametrize("sign", ["題", "\U0001f54a", "\x07", '"'])
def test_a_title_and_a_theme_are_bounded_in_bytes_too(sign: str) -> None:
    """A picture takes four bytes, and what JSON escapes takes up to six."""
    full = Item(kinds=("full",), title="題" * TITLE, theme="題" * THEME)
    for field, most in (("title", TITLE), ("theme", THEME)):
        given = {"kinds": ["full"], field: sign * most}
        if len(json.dumps(sign, ensure_ascii=False).encode()) - 2 <= 3:
            assert Item.model_validate(given).json_bytes <= full.json_bytes
        else:
            with pytest.raises(ValueError, match=f"a {field} may hold at most {3 * most} bytes"):
                Item.model_validate(given)


SMALL = {"consents", "screened", "tail_chosen", "counts", "asked", "noted", "sent", "sharing", "unreachable"}
"""These hold a number or a choice each, for two people or five outcomes."""


def test_whatever_a_state_collects_is_in_that_measure() -> None:
    state = full_state()
    collections = {
        name for name in type(state).model_fields if isinstance(getattr(state, name), tuple | dict)
    }
    assert {name for name in collections if not getattr(state, name)} <= SMALL


def test_a_changed_policy_and_the_one_before_it_fit_into_the_bound_of_a_plan() -> None:
    play = Play(full_plan())
    assert play.refused("adjust", "facilitator", policy=full_policy().model_dump()) == "malformed"
    play = Play()
    play.send("adjust", "facilitator", policy={"moves": 4})
    before = play.state.policy_before
    assert before is not None
    assert play.state.plan.json_bytes + before.json_bytes <= PLAN_BYTES
