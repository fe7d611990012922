"""Programmes beside a platform's own workflows, on one client: each has its converter, its failures and its codec.

What belongs to a programme is told by the workflow's id, which Temporal's SDK hands to every converter and codec. It is
converted and encrypted by ours alone: a host's codec that raises on junk would stall a programme for ever, and one that
opens it sooner or later would make a replay differ. Everything else is the host's, as if we were not there.

The one thing without an id is a client's header. A header for a programme is therefore encrypted before it gets here,
and is known by its stamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)

from duologue.codec.codec import Codec

PROGRAMMES = "programme/"
"""How the workflow id of every programme begins."""


def is_programme(workflow_id: str | None) -> bool:
    """Whether a workflow of that id is a programme."""
    return workflow_id is not None and workflow_id.startswith(PROGRAMMES)


def beside(ours: DataConverter, host: DataConverter | None) -> DataConverter:
    """The host's converter, with `ours` for programmes.

    Without a codec of ours, the host's codec and failures are for programmes too.
    """
    host = host or DataConverter.default
    amended = replace(
        host, payload_converter_class=_amended(host.payload_converter_class, ours.payload_converter_class)
    )
    if not isinstance(ours.payload_codec, Codec):
        return amended
    return replace(
        amended,
        failure_converter_class=_amended(host.failure_converter_class, ours.failure_converter_class),
        payload_codec=CodecBeside(ours.payload_codec, host.payload_codec),
    )


class CodecBeside(PayloadCodec, WithSerializationContext):
    """Ours for programmes, and the host's, if there is one, for all else."""

    def __init__(self, ours: Codec, host: PayloadCodec | None) -> None:
        self._ours = ours
        self._host = host

    def with_context(self, context: SerializationContext) -> Any:  # noqa: ANN401 - a codec or none; the SDK says Self
        """The one of the two that is meant, itself."""
        if _of_programme(context):
            return self._ours
        if isinstance(self._host, WithSerializationContext):
            return self._host.with_context(context)
        return self._host

    def wrote(self, payload: Payload) -> bool:
        """Whether a holder of our ring encrypted it."""
        return self._ours.wrote(payload)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """By the host's where nobody says whose they are, but for what we have encrypted before."""
        if self._host is None or any(map(self.wrote, payloads)):
            return list(payloads)
        return await self._host.encode(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """By the one that encrypted them, where nobody says whose they are. Raises as that one does."""
        if any(map(self.wrote, payloads)):
            return await self._ours.decode(payloads)
        return list(payloads) if self._host is None else await self._host.decode(payloads)


class _Beside(WithSerializationContext):
    """What a converter of the host's does first, once it knows whose the values are."""

    host: ClassVar[type]
    ours: ClassVar[type]

    def with_context(self, context: SerializationContext) -> Any:  # noqa: ANN401 - a converter; the SDK says Self
        """Ours for a programme, else the host's as it would be."""
        if _of_programme(context):
            return self.ours()
        return super().with_context(context) if issubclass(self.host, WithSerializationContext) else self


def _amended(host: type[Any], ours: type) -> type[Any]:
    """The host's class of converter, of a kind derived from it: whoever asks what it is, is told the same."""
    return type(f"{host.__name__}BesideProgrammes", (_Beside, host), {"host": host, "ours": ours})


def _of_programme(context: SerializationContext) -> bool:
    return is_programme(getattr(context, "workflow_id", None))
