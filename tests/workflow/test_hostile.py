"""A thousand and more hostile signals, updates and queries, raw, against a programme in the middle of a dialogue.

Whatever arrives is answered: an update with a typed refusal, a signal with an entry in the journal that repeats nothing
of it. No workflow task fails, and the two finish their dialogue.
"""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from itertools import product
from random import Random
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client as TemporalClient

from duologue.client import make
from duologue.practice.messages import COMMANDS, Reason
from tests.support.programmes import (
    Desk,
    a_plan,
    chain,
    client_of,
    enrol,
    events,
    opened,
    practise,
    proved,
    working,
)
from tests.support.raw import MARK, Attack, all_at_once, answered, payload, query, signal, update


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Everything that is logged, on every level."""
    written = StringIO()
    handler, logger = logging.StreamHandler(written), logging.getLogger()
    level = logger.level
    handler.setFormatter(logging.Formatter("%(message)s %(__dict__)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield written
    logger.setLevel(level)
    logger.removeHandler(handler)


TURN: dict[str, Any] = {"command_id": "hostile-1", "by": "a", "act": "mirror", "words": MARK}


def of(value: Any) -> Payload:
    return payload(json.dumps(value).encode())


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def payloads() -> Iterator[Payload]:
    """Single arguments of which none can be a command."""
    for value in (
        None,
        True,
        0,
        -1,
        1e308,
        MARK,
        "",
        [],
        [TURN],
        {},
        {MARK: MARK},
        {"a": {"b": {"c": MARK}}},
    ):
        yield of(value)
    for bad in (
        b"",
        b"{",
        b"nul",
        b"\xff\xfe",
        b'{"command_id": "x", "by": "a", "act": "\xff"}',
        b"NaN",
        b'{"command_id": "x", "by": "a"} trailing',
        b'{"command_id": "x", "by": "a", "words": "\\ud800", "act": "send"}',
        b'\xef\xbb\xbf{"command_id": "x"}',
        b'{"by": ' + b"9" * 5000 + b"}",
        nested(100),
        nested(20_000),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'"' + b"x" * 40_000 + b'"',
    ):
        yield payload(bad)
    right = json.dumps(TURN).encode()
    for encoding in (
        None,
        b"",
        b"binary/null",
        b"binary/plain",
        b"binary/protobuf",
        b"binary/encrypted",
        b"binary/zlib",
        b"json/plain ",
        b"JSON/PLAIN",
        b"\xff\xfe",
        MARK.encode(),
    ):
        yield payload(right, encoding)
    yield payload(b"", None)
    yield payload(
        b"\x00" * 64, b"binary/encrypted", **{"encryption-key-id": b"no-such-key", "cipher": b"\xff"}
    )
    yield payload(b"gAAAAA" + MARK.encode(), b"binary/encrypted", **{"encryption-key-id": MARK.encode()})
    yield payload(b"\x0a\x03abc", b"json/protobuf", messageType=b"temporal.api.common.v1.Payload")


def turns() -> Iterator[Payload]:
    """Commands that are nearly right."""
    for field, value in (
        ("command_id", None),
        ("command_id", ""),
        ("command_id", " "),
        ("command_id", 7),
        ("command_id", "x" * 65),
        ("command_id", f"{MARK}@example.org"),
        ("command_id", "a\u0000b"),
        ("command_id", {"$ne": None}),
        ("by", "c"),
        ("by", "A"),
        ("by", ["a", "b"]),
        ("by", MARK),
        ("by", None),
        ("act", MARK),
        ("act", "READY"),
        ("act", 1),
        ("sent_at", "yesterday"),
        ("sent_at", "0000-00-00T00:00:00Z"),
        ("sent_at", "0001-01-01T00:00:00Z"),
        ("sent_at", "9999-12-31T23:59:59Z"),
        ("sent_at", "+292277026596-12-04T15:30:08Z"),
        ("sent_at", "2027-01-01T00:00:00"),
        ("sent_at", 1e300),
        ("sent_at", -1e18),
        ("sent_at", True),
        ("words", 1),
        ("words", {"text": MARK, "sealed": "x"}),
        ("words", {"sealed": MARK + "!"}),
        ("words", {}),
        ("words", "x" * 4097),
        ("words", "\U0001f494" * 1025),
        ("lines", "1"),
        ("lines", list(range(1, 60))),
        ("lines", [0]),
        ("lines", [1e40]),
        ("within_days", 10**30),
        ("within_days", 0.5),
        ("until", "9999-12-31T23:59:59+00:00"),
        ("note", "x" * 17),
        (MARK, 1),
        ("__class__", MARK),
        ("name", "turn"),
    ):
        yield of({**TURN, field: value})
    for field in ("command_id", "by", "act"):
        yield of({k: v for k, v in TURN.items() if k != field})
    # A right command that comes at the wrong time.
    yield of({**TURN, "act": "stop", "by": "facilitator"})
    yield of({**TURN, "act": "validate"})


def others() -> Iterator[Attack]:
    """Commands of other names that are nearly right, or not for now."""
    base = {"command_id": "hostile-2", "by": "a"}
    for name, fields in (
        ("consent", {}),
        ("consent", {"agree": MARK}),
        ("ask_dialogue", {"kind": MARK}),
        ("ask_dialogue", {"kind": "full"}),
        ("reply", {"question": MARK, "answer": "yes"}),
        ("reply", {"question": "intake.a1", "answers": {MARK: "yes"}}),
        ("note", {"words": "x" * 1025}),
        ("note", {"note": MARK[:16], "words": MARK}),
        ("adjust", {"zone": "../../etc/passwd"}),
        ("adjust", {"zone": f"Europe/{MARK}\u0000"}),
        ("adjust", {"language": MARK}),
        ("adjust", {"opt_in": {MARK: True}}),
        ("adjust", {"opt_in": {"full": True}}),
        ("adjust", {"quiet": {"start": "25:00"}}),
        ("reschedule", {"session": 10**100}),
        ("reschedule", {"session": 999, "proposal": 1}),
        ("pause", {"until": "2000-01-01T00:00:00Z"}),
        ("pause", {"until": "2199-12-31T23:59:59Z"}),
        ("pause", {"concern": MARK}),
        ("resume", {}),
        ("withdraw", {"words": [MARK]}),
        ("acknowledge", {"by": "facilitator", "alert": MARK}),
        ("acknowledge", {"alert": MARK}),
        ("decide", {"by": "facilitator", "decision": MARK}),
        ("decide", {"by": "facilitator", "decision": "go_on"}),
        ("decide", {"decision": "end"}),
    ):
        yield name, [of({**base, **fields})]


NAMES = (
    *(
        MARK,
        "Turn",
        "turn ",
        "TURN",
        "turn\u0000",
        "turns",
        "__init__",
        "run",
        "on_signal",
        "overview",
        "view",
    ),
    *("\U0001f494", "../turn", "'; DROP TABLE", "x" * 900, "__temporal", "__temporal_turn", "__stack_trace"),
    *("__temporal_workflow_metadata", "__temporal_reserved_" + MARK, "__duration", "\u202eturn"),
)


def attacks() -> list[Attack]:
    """Every attack once, in an order that is always the same."""
    right = of(TURN)
    found: list[Attack] = [(name, [p]) for name, p in product(COMMANDS, payloads())]
    found += [(name, arguments) for name in COMMANDS for arguments in ((), (right, right), (right,) * 20)]
    found += [("turn", [p]) for p in turns()]
    found += others()
    found += [(name, arguments) for name in NAMES for arguments in ((), (right,), (of(MARK),))]
    Random(7).shuffle(found)
    return found


def huge() -> list[Attack]:
    """As large as the server lets through."""
    size = 1_900_000
    return [
        ("turn", [of({**TURN, "words": "x" * size})]),
        ("turn", [payload(nested(size // 2))]),
        (MARK, [payload(b"\x00" * size, b"binary/plain")]),
    ]


async def test_nothing_that_arrives_fails_stalls_or_soils_a_programme(
    embedded_client: TemporalClient, log: StringIO
) -> None:
    client = client_of(embedded_client)
    hostile = attacks()
    assert len(hostile) >= 500
    async with working(client, Desk()):
        programme = await client.start(a_plan(kinds=["mirroring"]))
        await enrol(programme)
        await opened(programme)
        await programme.send(make("turn", "a", act="frame", words="late plans", command_id="frame-1"))
        # An id that was applied, with a field missing: malformed all the same.
        hostile += [("turn", [of({"command_id": "frame-1", "by": "a"})])]
        before = await programme.overview()

        refusals = await all_at_once(update, programme, hostile + huge()[:1])
        assert {r for r in refusals if r} <= set(Reason)
        assert (await programme.overview()).digest == before.digest

        sent = 0
        # A busy machine would have them all in one workflow task, and no time for it.
        for some in range(0, len(hostile), 100):
            sent += (await all_at_once(signal, programme, hostile[some : some + 100])).count(True)
            await answered(programme, sent)
        # So much of it that the programme continues as new.
        for attack in huge():
            sent += await signal(programme, attack)
            await answered(programme, sent)
        assert sent + sum(r is not None for r in refusals) >= 1000
        await all_at_once(query, programme, list(_queries()))

        seen = await programme.overview()
        assert (seen.stage, seen.movement, seen.counts) == (before.stage, before.movement, before.counts)
        metadata = await programme.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        described = await programme.handle.describe()
        for told in (
            seen.model_dump_json(),
            (await programme.view("a")).model_dump_json(),
            metadata.current_details,
            str(described.typed_search_attributes),
            str(described.raw_description.workflow_execution_info.memo),
            log.getvalue(),
        ):
            assert MARK not in told

        await practise(programme)
        assert (await programme.result()).counts == {"done": 1}
        derived = await proved(programme)
        assert derived.state.refused == sent
        assert MARK not in "".join(e.model_dump_json() for e in derived.events)
        runs = await chain(programme)
        kinds = [e.event_type for run in runs for e in run.events]
        assert EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT not in kinds
        # The server itself has a run's last task tried again where more has come meanwhile.
        causes = [failed.cause for run in runs for failed in events(run, "workflow_task_failed")]
        assert set(causes) <= {WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND}


def _queries() -> Iterator[Attack]:
    for name, argument in product(("view", "overview", MARK, "__temporal"), payloads()):
        yield name, [argument]
    now = "2027-01-01T00:00:00Z"
    for request in (
        {"by": "c", "now": now},
        {"by": "a"},
        {"by": "a", "now": "9999-12-31T23:59:59Z"},
        {"by": "a", "now": "2199-12-31T23:59:59Z"},
        {"by": "a", "now": "2000-01-01T00:00:00Z"},
        {"by": "a", "now": now, "command_id": MARK + "@"},
        {"by": "a", "now": now, MARK: 1},
    ):
        yield "view", [of(request)]
        yield "view", [of(request), of(request)]
    yield "view", []
    yield "overview", [of(MARK)] * 3
