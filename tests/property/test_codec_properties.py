"""Whatever is done to an encrypted payload, it opens to what it was, or is refused; it never opens to anything else."""

import asyncio

from hypothesis import assume, example, given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from duologue.codec import Codec, KeyNotAtHand, KeyRing
from duologue.codec.codec import ENCODING, UNOPENED

OLD = KeyRing.new()
RING = OLD.rotated()
FOREIGN = KeyRing.new()
REFUSED = Payload(metadata={"encoding": UNOPENED})

payloads = st.builds(
    lambda data, encoding, scope: Payload(data=data, metadata={"encoding": encoding} | scope),
    st.binary(max_size=3000),
    st.sampled_from([b"json/plain", b"binary/null", b"", b"\xff"]),
    st.sampled_from([{}, {"scope": b"ops"}, {"scope": b"safeguarding"}, {"scope": b"\xff"}]),
)


def encoded(payload: Payload, ring: KeyRing = RING) -> Payload:
    return asyncio.run(Codec(ring).encode([payload]))[0]


def decoded(payload: Payload, ring: KeyRing = RING) -> Payload:
    return asyncio.run(Codec(ring).decode([payload]))[0]


@given(payloads)
def test_it_opens_to_what_it_was_by_the_new_key_and_the_old(payload: Payload) -> None:
    for ring in (OLD, RING):
        closed = encoded(payload, ring)
        assert decoded(closed) == payload
        assert encoded(closed) == closed


@given(payloads, st.data())
def test_one_bit_changed_anywhere_is_refused(payload: Payload, data: st.DataObject) -> None:
    closed = encoded(payload)
    place = data.draw(st.integers(0, len(closed.data) * 8 - 1))
    changed = bytearray(closed.data)
    changed[place // 8] ^= 1 << place % 8
    closed.data = bytes(changed)
    assert decoded(closed) == REFUSED


@given(payloads, st.data())
def test_cut_short_or_made_longer_it_is_refused(payload: Payload, data: st.DataObject) -> None:
    closed = encoded(payload)
    end = data.draw(st.integers(0, len(closed.data) - 1))
    more = data.draw(st.binary(min_size=1, max_size=40))
    for changed in (closed.data[:end], closed.data + more, more + closed.data):
        assert decoded(Payload(metadata=closed.metadata, data=changed)) == REFUSED


@given(
    payloads,
    st.sampled_from(["encryption-version", "encryption-scope", "encryption-key-id"]),
    st.binary(max_size=20) | st.sampled_from([b"ops", b"safeguarding", b"1", b"2"]),
)
def test_other_metadata_is_refused(payload: Payload, name: str, other: bytes) -> None:
    closed = encoded(payload)
    assume(closed.metadata[name] != other)
    closed.metadata[name] = other
    assert decoded(closed) == REFUSED
    del closed.metadata[name]
    assert decoded(closed) == REFUSED


@given(payloads, st.binary(max_size=300), st.sampled_from(["old", "new", "none"]))
@example(Payload(), b"", "none")
def test_what_is_made_up_is_refused_whether_its_key_is_at_hand_or_not(
    payload: Payload, junk: bytes, key: str
) -> None:
    closed = encoded(payload, OLD if key == "old" else RING)
    closed.data = junk
    if key == "none":
        closed.metadata["encryption-key-id"] = junk[:30]
    for ring in (RING, OLD, RING.only(), RING.without(*RING.ids("ops"))):
        assert decoded(closed, ring) == REFUSED


@given(payloads)
def test_another_rings_is_refused(payload: Payload) -> None:
    assert decoded(encoded(payload, FOREIGN)) == REFUSED


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=40), max_size=5), st.binary(max_size=200))
def test_anything_at_all_is_decoded_without_an_error(metadata: dict[str, bytes], data: bytes) -> None:
    for given_ in (metadata, {**metadata, "encoding": ENCODING}):
        payload = Payload(metadata=given_, data=data)
        assert decoded(payload) in (payload, REFUSED)


@given(payloads)
def test_a_key_that_is_not_at_hand_is_never_a_refusal(payload: Payload) -> None:
    closed = encoded(payload)
    try:
        decoded(closed, OLD)
    except KeyNotAtHand as missing:
        assert missing.key.encode() == closed.metadata["encryption-key-id"]  # noqa: PT017 - of every example
    else:
        raise AssertionError
