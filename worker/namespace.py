"""What a Temporal namespace needs before a programme may start there: search attributes and retention.

Only the preparing and checking of a namespace lives here. It matters more than it looks: an upsert of an attribute
that is not registered fails the workflow task for ever, so `start` refuses where `missing` names any, and `prepare`
(`duologue setup`) is the remedy. All attributes are plain text to whoever runs the server and hold nothing personal.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from duologue.worker.errors import NamespaceError

_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_INT = IndexedValueType.INDEXED_VALUE_TYPE_INT
_DATETIME = IndexedValueType.INDEXED_VALUE_TYPE_DATETIME

ATTRIBUTES: MappingProxyType[str, IndexedValueType.ValueType] = MappingProxyType(
    {
        "DuologueStage": _KEYWORD,
        "DuologueAwaiting": _KEYWORD,
        "DuologueAwaitingSince": _DATETIME,
        "DuologueNextSession": _DATETIME,
        "DuologueSession": _INT,
        "DuologueMissedInARow": _INT,
        "DuologueEscalation": _KEYWORD,
        "DuologueTenant": _KEYWORD,
    }
)
"""The search attributes of a programme and their types."""

_POLL = 0.05
_REFUSED = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)


@dataclass(frozen=True)
class Prepared:
    """What `prepare` found and changed."""

    created: bool
    """Whether the namespace itself was new."""
    added: tuple[str, ...]
    """The attributes that were missing."""
    retention_days: int | None
    """Days for which closed runs are now kept; None where the server does not tell."""


async def prepare(client: Client, retention_days: int, *, within: float = 60.0) -> Prepared:
    """Make the client's namespace ready for programmes, and return once it is usable. May be repeated at any time.

    Creates the namespace if there is none, registers missing attributes, and lengthens the retention to
    `retention_days`; it never shortens one, since that would delete histories. `within`: seconds to wait until the
    server has taken the changes up. Raises `NamespaceError`.
    """
    deadline = time.monotonic() + within
    created = await _create_if_none(client, retention_days, deadline)
    lacking = await _lacking(client)
    added = [name for name in ATTRIBUTES if lacking is None or name in lacking]
    for name in added:
        await _add(client, name)
    if added or created:
        await _until_usable(client, deadline)
    return Prepared(created, tuple(added), await _retain(client, retention_days))


async def missing(client: Client) -> list[str]:
    """The attributes that are not registered in the client's namespace, or are of another type; sorted.

    Empty also where the server cannot list them (the time-skipping test server). Raises `NamespaceError` if there is
    no such namespace.
    """
    try:
        return sorted(await _lacking(client) or ())
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            raise NamespaceError(
                f"There is no namespace '{client.namespace}' here.", "Make it with: duologue setup."
            ) from error
        raise


async def check(client: Client) -> None:
    """Raises `NamespaceError` where the namespace is not prepared for programmes."""
    if lacking := await missing(client):
        raise NamespaceError(
            f"Namespace '{client.namespace}' lacks {', '.join(lacking)}.", "Prepare it with: duologue setup."
        )


async def _registered(client: Client) -> dict[str, int] | None:
    """The custom attributes of the namespace by name, or None where the server cannot list them."""
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), retry=True
        )
    except RPCError as error:
        if error.status == RPCStatusCode.UNIMPLEMENTED:
            return None
        raise
    return dict(listed.custom_attributes)


async def _lacking(client: Client) -> set[str] | None:
    there = await _registered(client)
    return None if there is None else {n for n, kind in ATTRIBUTES.items() if there.get(n) != kind}


async def _add(client: Client, name: str) -> None:
    kind = ATTRIBUTES[name]
    there = (await _registered(client) or {}).get(name, kind)
    if there != kind:
        # Asked to, a server would answer "done" and keep the old type.
        raise NamespaceError(
            f"The search attribute {name} exists in namespace '{client.namespace}' with another type.",
            f"Remove it there and set up again; it has to be {_type_name(kind)}.",
        )
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes={name: kind}), retry=True
        )
    except RPCError as error:
        if error.status == RPCStatusCode.ALREADY_EXISTS:
            return
        if error.status in _REFUSED:
            wanted = ", ".join(f"{n}={_type_name(k)}" for n, k in ATTRIBUTES.items())
            raise NamespaceError(
                f"This service does not let us register search attributes in namespace '{client.namespace}'.",
                f"Register them with its own tools (at Temporal Cloud: the Cloud UI or tcld): {wanted}.",
            ) from error
        raise


async def _create_if_none(client: Client, retention_days: int, deadline: float) -> bool:
    service, created = client.workflow_service, False
    while True:
        try:
            await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace), retry=True)
            await _registered(client)  # which learns of a new namespace later
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            if created:
                await _pause(deadline, f"The new namespace '{client.namespace}' did not become usable.")
                continue
            created = await _register(client, retention_days)
        else:
            return created


async def _register(client: Client, retention_days: int) -> bool:
    try:
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(
                namespace=client.namespace,
                description="Duologue programmes",
                workflow_execution_retention_period=_days(retention_days),
            ),
            retry=True,
        )
    except RPCError as error:
        if error.status not in (*_REFUSED, RPCStatusCode.ALREADY_EXISTS):
            raise
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise NamespaceError(
                f"There is no namespace '{client.namespace}' and this service does not let us make it.",
                "Make it with the service's own tools, or name another in TEMPORAL_NAMESPACE.",
            ) from error
    return True


async def _until_usable(client: Client, deadline: float) -> None:
    """Wait until visibility knows the attributes: a registration takes up to some seconds to reach every service."""
    query = " AND ".join(f"{name} IS NULL" for name in ATTRIBUTES)
    while True:
        try:
            await client.count_workflows(query)
        except RPCError as error:
            if error.status == RPCStatusCode.UNIMPLEMENTED:  # the time-skipping test server counts nothing
                return
            if error.status not in (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND):
                raise
            await _pause(deadline, "The search attributes were registered but did not become usable.")
        else:
            return


async def _retain(client: Client, days: int) -> int | None:
    service = client.workflow_service
    told = await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace), retry=True)
    if not told.config.HasField("workflow_execution_retention_ttl"):
        return None
    now = told.config.workflow_execution_retention_ttl.ToTimedelta()
    if now >= timedelta(days=days):
        return now.days
    try:
        await service.update_namespace(
            UpdateNamespaceRequest(
                namespace=client.namespace,
                config=NamespaceConfig(workflow_execution_retention_ttl=_days(days)),
            ),
            retry=True,
        )
    except RPCError as error:
        if error.status in _REFUSED:
            raise NamespaceError(
                f"Namespace '{client.namespace}' keeps closed runs for {now.days} days only, and does not let us "
                "change that.",
                f"Set its retention to {days} days with the service's own tools, or DUOLOGUE_RETENTION_DAYS to "
                f"{now.days}.",
            ) from error
        raise
    return days


async def _pause(deadline: float, what: str) -> None:
    if time.monotonic() >= deadline:
        raise NamespaceError(what, "Look at the server's log, and set up again.")
    await asyncio.sleep(_POLL)


def _days(days: int) -> Duration:
    span = Duration()
    span.FromTimedelta(timedelta(days=days))
    return span


def _type_name(kind: IndexedValueType.ValueType) -> str:
    return IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").capitalize()
