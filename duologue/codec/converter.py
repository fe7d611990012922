"""How values become payloads: as pydantic writes them, marked with their scope, and what failed with as few words.

The scope is said by the value's type (`Frozen.scope`), never read out of what somebody wrote. What has none is `ops`,
but for the words of a failure that nobody of us has chosen: those may quote a state, and are for safeguarding's eyes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.client import GrpcCompression
from temporalio.common import HeaderCodecBehavior
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    EncodingPayloadConverter,
    PayloadConverter,
)
from temporalio.exceptions import FailureError
from temporalio.workflow import NondeterminismError

from duologue.codec.codec import BRIEF, ENCODING, MARK, UNOPENED, Codec
from duologue.codec.ring import KeyNotAtHand, KeyRing, Keys, OtherKeys
from duologue.practice.values import Frozen

SPEAKING = (FailureError, NondeterminismError, KeyNotAtHand, OtherKeys)
"""Exceptions whose text is ours or Temporal's, and quotes no value."""

_PRIVATE = b"safeguarding"


class _Unopened(EncodingPayloadConverter):
    """Says what is the matter where something is needed that the codec could not open."""

    @property
    def encoding(self) -> str:
        """What the codec hands on then."""
        return UNOPENED.decode()

    def to_payload(self, value: Any) -> Payload | None:  # noqa: ANN401 - any value
        """Nothing is written so."""
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:  # noqa: ANN401 - never any
        """Raises `OtherKeys`."""
        raise OtherKeys


class ScopedPayloadConverter(PydanticPayloadConverter):
    """Pydantic's, which marks what is not for the eyes of ops."""

    def __init__(self) -> None:
        super().__init__()
        self._set_converters(*self.converters.values(), _Unopened())

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """The values as payloads, each with its mark."""
        payloads = super().to_payloads(values)
        for value, payload in zip(values, payloads, strict=True):
            if isinstance(value, Frozen):
                if value.scope != "ops":
                    payload.metadata[MARK] = value.scope.encode()
                if value.brief:
                    payload.metadata[BRIEF] = b"1"
        return payloads


class _Closed(EncodingPayloadConverter):
    """Says what is the matter where something encrypted arrives and there are no keys at all."""

    @property
    def encoding(self) -> str:
        """Encrypted."""
        return ENCODING.decode()

    def to_payload(self, value: Any) -> Payload | None:  # noqa: ANN401 - any value
        """Nothing is written so."""
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:  # noqa: ANN401 - never any
        """Raises `KeyNotAtHand`."""
        key = payload.metadata.get("encryption-key-id", b"?").decode(errors="replace")
        private = payload.metadata.get("encryption-scope") == _PRIVATE
        raise KeyNotAtHand("safeguarding" if private else "ops", key)


class PlainPayloadConverter(PydanticPayloadConverter):
    """Pydantic's, for a process without keys."""

    def __init__(self) -> None:
        super().__init__()
        self._set_converters(*self.converters.values(), _Closed())


class CarefulFailureConverter(DefaultFailureConverterWithEncodedAttributes):
    """Message and stack trace of a failure go where the codec reaches them, and into the right scope.

    What cannot be read back of a failure is left out: it must not fail the workflow task that hears of it.
    """

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """As the SDK does it."""
        super().to_failure(exception, payload_converter, failure)
        if not isinstance(exception, SPEAKING):
            failure.encoded_attributes.metadata[MARK] = _PRIVATE

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """As the SDK does it. Never raises but for a key that is not at hand."""
        if failure.encoded_attributes.metadata.get("encoding") == UNOPENED:
            told = Failure()
            told.CopyFrom(failure)
            told.message = OtherKeys().what
            told.ClearField("encoded_attributes")
            failure = told
        try:
            return super().from_failure(failure, payload_converter)
        except KeyNotAtHand:
            raise
        except Exception:  # noqa: BLE001 - whatever somebody has written there
            bare = Failure()
            bare.CopyFrom(failure)
            for part in _chain(bare):
                for info in ("application_failure_info", "canceled_failure_info"):
                    if part.HasField(info):
                        getattr(part, info).ClearField("details")
                if part.HasField("timeout_failure_info"):
                    part.timeout_failure_info.ClearField("last_heartbeat_details")
            return super().from_failure(bare, payload_converter)


class Connecting(TypedDict):
    """What `temporalio.client.Client.connect` takes of ours."""

    data_converter: DataConverter
    header_codec_behavior: HeaderCodecBehavior
    grpc_compression: GrpcCompression


def data_converter(
    keys: Keys | KeyRing | None, on_missing: Callable[[KeyNotAtHand], None] | None = None
) -> DataConverter:
    """The converter for clients, workers and replays. Without keys nothing is encrypted."""
    if keys is None:
        return DataConverter(payload_converter_class=PlainPayloadConverter)
    encrypting = DataConverter(
        payload_converter_class=ScopedPayloadConverter, failure_converter_class=CarefulFailureConverter
    )
    return replace(encrypting, payload_codec=Codec(keys, on_missing))


def connecting(
    keys: Keys | KeyRing | None, on_missing: Callable[[KeyNotAtHand], None] | None = None
) -> Connecting:
    """The same as arguments for `Client.connect`: headers are encrypted too, and nothing is compressed in vain."""
    return {
        "data_converter": data_converter(keys, on_missing),
        "header_codec_behavior": HeaderCodecBehavior.NO_CODEC if keys is None else HeaderCodecBehavior.CODEC,
        # What is encrypted does not get smaller; trying costs processor time on either side.
        "grpc_compression": GrpcCompression.GZIP if keys is None else GrpcCompression.NONE,
    }


def _chain(failure: Failure) -> list[Failure]:
    found = [failure]
    while found[-1].HasField("cause"):
        found.append(found[-1].cause)
    return found
