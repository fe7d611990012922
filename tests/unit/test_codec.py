"""The codec: what is opened, what is refused for ever, and what only waits for its key."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.client import GrpcCompression
from temporalio.common import HeaderCodecBehavior
from temporalio.exceptions import ApplicationError

from duologue.client import make
from duologue.codec import Codec, KeyNotAtHand, KeyRing, KeyRingError, Keys, connecting, data_converter
from duologue.codec import ring as rings
from duologue.codec.codec import BRIEF_BUCKET, BUCKETS, UNOPENED, Forged, scope_of
from duologue.codec.ring import STAMP_BYTES
from duologue.practice import views
from duologue.practice.asks import Delivered, Message
from duologue.practice.decide import start
from duologue.practice.kinds import KINDS
from duologue.practice.messages import Pause, Receipt
from duologue.practice.plan import QuietHours
from duologue.practice.shapes import Act
from duologue.practice.values import By, Scope, Words
from duologue.simulate import reference_plan
from duologue.vault.seal import REASON_BYTES, seal
from duologue.vault.values import ContentKey
from duologue.workflows.intake import arguments
from duologue.workflows.programme import Start

RING = KeyRing.new()
HELLO = Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"')
NOW = datetime(2027, 1, 4, 9, tzinfo=UTC)


def encoded(ring: KeyRing, *payloads: Payload) -> list[Payload]:
    return asyncio.run(Codec(ring).encode(payloads))


def decoded(ring: KeyRing, *payloads: Payload) -> list[Payload]:
    return asyncio.run(Codec(ring).decode(payloads))


def converted(*values: Any) -> list[Payload]:
    return data_converter(RING).payload_converter.to_payloads(values)


def scopes(values: Sequence[Any]) -> list[Scope]:
    return [scope_of(payload) for payload in converted(*values)]


def message(to: str, template: str = "paused") -> Message:
    return Message(
        key=f"p:p7:{'notice' if to == 'safeguarding' else template}:{to}:0",
        programme="p",
        to=to,  # type: ignore[arg-type]  # one of them
        ref="somebody",
        template=template,
    )


def test_what_is_encrypted_opens_again_and_tells_only_its_scope_and_key() -> None:
    [closed] = encoded(RING, HELLO)
    assert dict(closed.metadata) == {
        "encoding": b"binary/encrypted",
        "encryption-version": b"1",
        "encryption-scope": b"ops",
        "encryption-key-id": RING.ids("ops")[0].encode(),
    }
    assert b"hello" not in closed.SerializeToString()
    assert decoded(RING, closed) == [HELLO]


def test_the_same_payload_never_looks_the_same_twice() -> None:
    first, second = encoded(RING, HELLO, HELLO)
    assert first.data != second.data


@pytest.mark.parametrize("scope", ["ops", "safeguarding"])
def test_who_knows_no_more_than_the_reference_says_opens_and_writes_payloads(scope: Scope) -> None:
    """`docs/reference/encrypted-payloads.md`, line by line, with none of our classes."""
    ring = json.loads(RING.dump())
    seal_of_ring, key = b64decode(ring["seal"]), b64decode(ring[scope][0])
    name = scope.encode()
    key_id = blake2b(name + b"\0" + key, key=seal_of_ring, digest_size=8, person=b"duologue.key").hexdigest()
    bound = b"\0".join((b"duologue.codec", b"1", name, key_id.encode()))

    def stamp(closed: bytes) -> bytes:
        return blake2b(bound + closed, key=seal_of_ring, digest_size=16, person=b"duologue.stamp").digest()

    [ours] = encoded(RING, Payload(metadata={**HELLO.metadata, "scope": name}, data=HELLO.data))
    assert ours.metadata["encryption-key-id"] == key_id.encode()
    assert ours.data[:16] == stamp(ours.data[16:])
    plain = AESGCM(key).decrypt(ours.data[16:28], ours.data[28:], bound)
    length = int.from_bytes(plain[:4], "big")
    assert Payload.FromString(plain[4 : 4 + length]).data == HELLO.data
    assert len(plain) == BUCKETS[scope]
    assert not plain[4 + length :].strip(b"\0")

    inner = HELLO.SerializeToString()
    plain = (len(inner).to_bytes(4, "big") + inner).ljust(BUCKETS[scope], b"\0")
    closed = bytes(12) + AESGCM(key).encrypt(bytes(12), plain, bound)
    assert decoded(RING, Payload(metadata=dict(ours.metadata), data=stamp(closed) + closed)) == [HELLO]
    told = (Path(__file__).parents[2] / "docs/reference/encrypted-payloads.md").read_text()
    assert f"{BUCKETS[scope]:,}" in told
    assert f"{BRIEF_BUCKET} " in told


def test_the_example_of_the_reference_is_what_it_says() -> None:
    told = (Path(__file__).parents[2] / "docs/reference/encrypted-payloads.md").read_text()
    example = told[told.index("## To try yours by") :]
    ring = json.loads(example.partition("`")[2].partition("`")[0])
    key_id, inner, stamp, digest = (row.split("`")[-2] for row in example.splitlines() if "` |" in row)
    seal_of_ring, key = b64decode(ring["seal"]), b64decode(ring["ops"][0])

    def blake(what: bytes, size: int, person: bytes) -> str:
        return blake2b(what, key=seal_of_ring, digest_size=size, person=person.ljust(16, b"\0")).hexdigest()

    assert blake(b"ops\0" + key, 8, b"duologue.key") == key_id
    hello = Payload(metadata={"encoding": b"json/plain"}, data=b"{}")
    assert hello.SerializeToString().hex() == inner
    bound = b"\0".join((b"duologue.codec", b"1", b"ops", key_id.encode()))
    plain = (len(inner) // 2).to_bytes(4, "big") + bytes.fromhex(inner)
    closed = bytes(12) + AESGCM(key).encrypt(bytes(12), plain.ljust(256, b"\0"), bound)
    assert blake(bound + closed, 16, b"duologue.stamp") == stamp
    data = bytes.fromhex(stamp) + closed
    assert (len(data), sha256(data).hexdigest()) == (300, digest)
    [ours] = encoded(KeyRing.parse(json.dumps(ring)), HELLO)
    assert decoded(KeyRing.parse(json.dumps(ring)), Payload(metadata=ours.metadata, data=data)) == [hello]


def test_what_is_not_encrypted_passes_as_it_is() -> None:
    others = [HELLO, Payload(), Payload(metadata={"encoding": b"binary/null"}), Payload(data=b"\xff")]
    assert decoded(RING, *others) == others


def test_what_is_encrypted_already_is_not_encrypted_again() -> None:
    once = encoded(RING, HELLO)
    assert encoded(RING, *once) == once
    assert encoded(RING.rotated(), *once) == once


def test_what_only_says_that_it_is_encrypted_is_encrypted_like_anything_else() -> None:
    junk = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"junk")
    [closed] = encoded(RING, junk)
    assert decoded(RING, closed) == [junk]


def test_sizes_within_a_bucket_are_equal() -> None:
    for scope in ("ops", "safeguarding"):
        sizes = set()
        for length in range(BUCKETS[scope] // 2):
            given = Payload(metadata={"encoding": b"json/plain", "scope": scope.encode()}, data=b"x" * length)
            sizes.add(encoded(RING, given)[0].ByteSize())
        assert len(sizes) == 1


def test_a_pause_looks_the_same_with_a_concern_and_without() -> None:
    pauses = [make("pause", "a", command_id="x", concern=concern) for concern in (False, True)]
    plain, concerned = encoded(RING, *converted(*pauses))
    assert plain.ByteSize() == concerned.ByteSize()
    assert plain.metadata == concerned.metadata


def test_a_pause_and_its_notice_are_of_one_size_with_a_reason_and_without() -> None:
    words = seal(
        "I am afraid",
        ContentKey.thrown_away("a"),
        programme="p",
        command="pause",
        field="reason",
        command_id="x",
        by="a",
    )
    for sent in (make("pause", "a", command_id="x"), message("safeguarding", "concern")):
        field = "reason" if isinstance(sent, Pause) else "words"
        sizes = {
            payload.ByteSize() for payload in encoded(RING, *converted(sent, sent.with_(**{field: words})))
        }
        assert len(sizes) == 1


LONGEST = 64
"""Characters of an id, a reference, a zone or a content key's name, at the most."""


def longest_notice(template: str, length: int) -> Message:
    """With everything that a message could have, each so long; more than any notice has."""
    name, at = "x" * length, datetime(2027, 1, 4, 9, 1, 2, 345678, tzinfo=UTC)
    return message("safeguarding", template).with_(
        key=f"{name}:p9999:notice:safeguarding:9999",
        of="a",
        programme=name,
        ref=name,
        language="de-AT",
        zone=name,
        home=name,
        quiet=QuietHours(start="22:00", end="07:00"),
        session=9999,
        revision=9999,
        start=at,
        free_until=at,
        until=at,
        minutes=1440,
        at=at,
        words=longest_reason(name),
        question=name,
    )


def longest_reason(name: str) -> Words:
    words = seal(
        "x" * REASON_BYTES,
        ContentKey.thrown_away("a"),
        programme=name,
        command="pause",
        field="reason",
        command_id=name,
        by="a",
    )
    return words.with_(key=name)


def test_no_length_of_an_id_or_zone_makes_a_concern_larger_than_a_pause() -> None:
    """From the shortest to the longest that any may be, all notices are of one size, and so are all pauses."""
    notices: list[Any] = [message("safeguarding", "none")]
    pauses: list[Any] = [make("pause", "a", command_id="x")]
    for length in range(1, LONGEST + 1):
        notices += [longest_notice(template, length) for template in ("none", "concern", "paused")]
        name = "x" * length
        given = {"reason": longest_reason(name).model_dump(exclude_none=True), "until": NOW.isoformat()}
        pauses += [make("pause", "a", command_id=name, concern=c, **given) for c in (False, True)]
    for all_of_them in (notices, pauses):
        assert len({payload.ByteSize() for payload in encoded(RING, *converted(*all_of_them))}) == 1
    with pytest.raises(ValidationError):
        Pause.model_validate({"command_id": "x" * (LONGEST + 1), "by": "a"})


def test_the_shortest_receipt_and_the_longest_are_of_one_size_and_a_small_one() -> None:
    shortest = Receipt(command_id="x", seq=1)
    longest = Receipt(
        command_id="x" * LONGEST,
        seq=9_999_999,
        movement=max((movement.name for kind in KINDS.values() for movement in kind.movements), key=len),
        awaiting="facilitator",
        next_acts=tuple(Act),
    )
    short, long = encoded(RING, *converted(shortest, longest))
    assert len(short.data) == len(long.data) == STAMP_BYTES + 12 + BRIEF_BUCKET + 16
    assert scope_of(short) == scope_of(long) == "safeguarding"
    assert decoded(RING, long)[0].data == longest.model_dump_json().encode()


def test_another_rings_payload_is_refused_and_does_not_wait() -> None:
    [foreign] = encoded(KeyRing.new(), HELLO)
    assert decoded(RING, foreign) == [Payload(metadata={"encoding": UNOPENED})]


def test_what_cannot_be_opened_is_no_json_to_a_programme_and_repeats_nothing() -> None:
    foreign = encoded(KeyRing.new(), HELLO)
    opened = decoded(RING, *foreign)
    assert arguments(opened) == [None]
    assert opened[0].data == b""


@pytest.mark.parametrize("scope", ["ops", "safeguarding"])
def test_a_key_that_is_missing_is_told_apart_from_a_forgery(scope: Scope) -> None:
    given = Payload(metadata={**HELLO.metadata, "scope": scope.encode()}, data=HELLO.data)
    [closed] = encoded(RING, given)
    told: list[KeyNotAtHand] = []
    lacking = RING.without(*RING.ids(scope))
    with pytest.raises(KeyNotAtHand, match=RING.ids(scope)[0]):
        asyncio.run(Codec(lacking, told.append).decode([closed]))
    assert [(missing.scope, missing.key) for missing in told] == [(scope, RING.ids(scope)[0])]
    assert "hello" not in str(told[0])
    assert "DUOLOGUE_CODEC_KEYS" in told[0].remedy

    # Damaged, it is refused whether the key is there or not; and with the key, what is whole opens.
    closed.data, whole = (
        closed.data[:-1] + bytes([closed.data[-1] ^ 1]),
        Payload.FromString(closed.SerializeToString()),
    )
    assert decoded(lacking, closed) == decoded(RING, closed) == [Payload(metadata={"encoding": UNOPENED})]
    assert decoded(RING, whole) == [given]


def test_nothing_is_encrypted_without_a_current_key() -> None:
    with pytest.raises(KeyNotAtHand, match="safeguarding"):
        encoded(RING.only("ops"), *converted(make("pause", "a")))


def test_rotation_opens_the_old_and_encrypts_by_the_new() -> None:
    old = encoded(RING, HELLO)
    prepared = RING.with_new()
    assert prepared.ids("ops")[0] == RING.ids("ops")[0], "at first only to decrypt with"
    rotated = prepared.with_newest_current()
    new = encoded(rotated, HELLO)
    assert new[0].metadata["encryption-key-id"] == prepared.ids("ops")[1].encode()
    assert decoded(rotated, *old, *new) == [HELLO, HELLO]
    assert decoded(prepared, *new) == [HELLO], "a process that has only prepared opens it too"
    with pytest.raises(KeyNotAtHand):
        decoded(RING, *new)


def test_a_key_that_was_put_back_by_hand_is_not_taken_for_the_new_one() -> None:
    """As the how-to says to, where one is missing: whoever does it may put it last."""
    prepared, lost = RING.with_new("ops"), KeyRing.new().dump()
    written = json.loads(prepared.dump())
    written["ops"].append(json.loads(lost)["ops"][0])
    used = KeyRing.parse(json.dumps(written)).with_newest_current()
    assert used.ids("ops")[0] == prepared.ids("ops")[-1]
    assert len(used.ids("ops")) == 3


def test_one_scope_can_be_rotated_alone() -> None:
    rotated = RING.rotated("ops")
    assert len(rotated.ids("ops")) == 2
    assert rotated.ids("safeguarding") == RING.ids("safeguarding")


def test_a_payload_moved_to_the_other_scope_is_refused() -> None:
    [closed] = encoded(RING, HELLO)
    closed.metadata["encryption-scope"] = b"safeguarding"
    with pytest.raises(Forged):
        Codec(RING).decrypt(closed)


def test_a_ring_reads_back_as_it_was_written() -> None:
    ring = RING.rotated()
    assert KeyRing.parse(ring.dump()).dump() == ring.dump()
    assert decoded(KeyRing.parse(ring.dump()), *encoded(ring, HELLO)) == [HELLO]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"seal": "c2VjcmV0"}',
        '{"seal": 1}',
        json.dumps({**json.loads(RING.dump()), "ops": "c2VjcmV0"}),
        json.dumps({**json.loads(RING.dump()), "more": []}),
        json.dumps({**json.loads(RING.dump()), "added": ["id", 1]}),
        json.dumps({**json.loads(RING.dump()), "ops": json.loads(RING.dump())["safeguarding"]}),
        "[" * 100_000,
    ],
)
def test_what_is_no_ring_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(KeyRingError) as raised:
        KeyRing.parse(text)
    assert "c2VjcmV0" not in str(raised.value)


def test_a_ring_shows_no_secret() -> None:
    secrets = json.loads(RING.dump())
    for shown in (repr(RING), str(RING), repr(Codec(RING)), repr(data_converter(RING))):
        assert secrets["seal"] not in shown
        assert secrets["ops"][0] not in shown


def test_keys_are_read_again_when_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings, "_AGAIN", 0)
    rotated = RING.rotated()
    sources = [RING, rotated]
    keys = Keys(lambda: sources.pop(0))
    new = encoded(rotated, HELLO)
    assert asyncio.run(Codec(keys).decode(new)) == [HELLO]


@pytest.mark.parametrize("scope", ["ops", "safeguarding"])
def test_keys_are_read_again_when_there_is_none_to_encrypt_with(
    monkeypatch: pytest.MonkeyPatch, scope: Scope
) -> None:
    monkeypatch.setattr(rings, "_AGAIN", 0)
    sources = [RING.without(*RING.ids(scope)), RING]
    codec = Codec(Keys(lambda: sources.pop(0)))
    assert asyncio.run(codec.decode([codec.encrypt(HELLO, scope)])) == [HELLO]


def test_a_source_that_has_gone_bad_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings, "_AGAIN", 0)
    texts = [RING.dump().encode(), b"{", KeyRing.new().dump().encode(), b'{"seal": "\xc3']
    keys = Keys(lambda: KeyRing.parse(texts.pop(0).decode()))
    missing: list[KeyNotAtHand] = []
    for told in range(1, 4):
        with pytest.raises(KeyNotAtHand):
            asyncio.run(Codec(keys, missing.append).decode(encoded(RING.rotated(), HELLO)))
        assert len(missing) == told
    assert texts == []
    assert asyncio.run(Codec(keys).decode(encoded(RING, HELLO))) == [HELLO]


def test_who_paused_left_or_answered_and_what_each_sees_is_for_safeguarding() -> None:
    plan = reference_plan()
    state, _ = start(plan, NOW)
    whose: tuple[By, ...] = ("a", "b", "facilitator")
    seen = [views.view(state, views.ViewRequest(by=by, now=NOW)) for by in whose]
    commands = [make("pause", "a"), make("withdraw", "b"), make("reply", "a", question="intake.a1")]
    assert set(scopes([*commands, Start(plan=plan, state=state), *seen])) == {"safeguarding"}


def test_what_ops_need_is_for_ops() -> None:
    plan = reference_plan()
    state, _ = start(plan, NOW)
    commands = [make("turn", "a", act="mirror"), make("decide", "facilitator", decision="go_on")]
    assert set(scopes([*commands, Start(plan=plan), views.overview(state), "a summary", None, {}])) == {"ops"}


def test_a_message_to_the_safeguarding_side_is_for_it_and_so_is_what_becomes_of_it() -> None:
    for to, scope in (("facilitator", "ops"), ("safeguarding", "safeguarding")):
        for template in ("concern", "none"):
            sent = message(to, template)
            outcomes = [Delivered(key=sent.key, outcome=o) for o in ("delivered", "undeliverable")]
            assert set(scopes([sent, *outcomes])) == {scope}
    assert scopes([Delivered(key="of no known form", outcome="delivered")]) == ["safeguarding"]


def test_who_came_and_who_did_not_is_not_for_ops() -> None:
    """A check-in tells it, what only the absent one is asked, and by how much their receipts count on."""
    asked = message("a", "still_on")
    told = [
        Receipt(command_id="x", seq=1, movement=movement, awaiting="b") for movement in ("opening", "send")
    ]
    private = [make("turn", "a", act="ready"), *told, asked, Delivered(key=asked.key, outcome="delivered")]
    assert set(scopes(private)) == {"safeguarding"}


def test_the_scope_of_a_payload_survives_being_opened() -> None:
    [closed] = encoded(RING, *converted(make("pause", "a")))
    [opened] = decoded(RING, closed)
    assert scope_of(closed) == scope_of(opened) == scope_of(encoded(RING, opened)[0]) == "safeguarding"


def failure_of(error: BaseException) -> Failure:
    converter, failure = data_converter(RING), Failure()
    try:
        raise error  # noqa: TRY301 - for its traceback
    except BaseException as raised:  # noqa: BLE001
        converter.failure_converter.to_failure(raised, converter.payload_converter, failure)
    return failure


def test_the_words_of_a_failure_are_encrypted_and_those_nobody_chose_are_for_safeguarding() -> None:
    ours, theirs = failure_of(ApplicationError("no channel")), failure_of(ValueError("words of a state"))
    for failure, scope in ((ours, "ops"), (theirs, "safeguarding")):
        assert failure.message == "Encoded failure"
        assert not failure.stack_trace
        assert scope_of(failure.encoded_attributes) == scope
        asyncio.run(Codec(RING).encode_failure(failure))
        assert b"words of" not in failure.SerializeToString()
        assert b"no channel" not in failure.SerializeToString()


def test_a_failure_with_details_that_nobody_can_read_is_read_without_them() -> None:
    converter, failure = (
        data_converter(RING),
        failure_of(ApplicationError("no channel", "details", type="Type")),
    )
    failure.application_failure_info.details.payloads[0].metadata["encoding"] = b"unheard/of"
    read = converter.failure_converter.from_failure(failure, converter.payload_converter)
    assert isinstance(read, ApplicationError)
    assert (read.message, read.type, read.details) == ("no channel", "Type", ())


def test_without_keys_nothing_is_encrypted_and_what_is_encrypted_says_what_is_missing() -> None:
    plain = data_converter(None)
    pause = make("pause", "a")
    [payload] = asyncio.run(plain.encode([pause]))
    assert dict(payload.metadata) == {"encoding": b"json/plain"}
    with pytest.raises(KeyNotAtHand, match=RING.ids("safeguarding")[0]):
        asyncio.run(plain.decode(encoded(RING, *converted(pause))))


def test_headers_are_encrypted_where_there_are_keys() -> None:
    assert connecting(RING)["header_codec_behavior"] == HeaderCodecBehavior.CODEC
    assert connecting(None)["header_codec_behavior"] == HeaderCodecBehavior.NO_CODEC


def test_what_is_encrypted_is_not_compressed_in_vain() -> None:
    assert connecting(RING)["grpc_compression"] is GrpcCompression.NONE
    assert connecting(None)["grpc_compression"] is GrpcCompression.GZIP
