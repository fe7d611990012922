"""The typed client: what a platform uses to start programmes, to act for partners, and to see where things stand.

Here is the connection, and what concerns many couples; what is done with one is `programme`'s. It holds no rule of the
practice and opens no server; it knows nothing of workers.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import client as temporal
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.envconfig import ClientConfigProfile
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from duologue import trouble
from duologue.codec import data_converter
from duologue.errors import DuologueError
from duologue.listing import Listed, listed
from duologue.practice.messages import COMMANDS, Command
from duologue.practice.plan import Plan
from duologue.practice.sealed import words_of
from duologue.practice.state import Awaiting, Stage
from duologue.programme import Programme, make, workflow_id
from duologue.trouble import (
    AlreadyStarted,
    Encrypted,
    Ended,
    NotSetUp,
    PlainWords,
    Refused,
    Stuck,
    UnknownProgramme,
    Unreachable,
    Unsealed,
)
from duologue.vault.errors import Over
from duologue.vault.memory import Remembering
from duologue.vault.reading import Keeper
from duologue.workflows.programme import ATTRIBUTE_KEYS, WORKFLOW, Start

TASK_QUEUE = "duologue"
"""The default task queue."""

IDENTITY = "duologue-client"
"""The identity that servers record; fixed, since the default would tell process and host."""

QUERY_PATIENCE = timedelta(seconds=10)
"""How long a query is asked again while it has no answer."""


@dataclass
class Client:
    """A connection to a Temporal service that programmes run on."""

    temporal: temporal.Client
    task_queue: str = TASK_QUEUE
    keys: Keeper | None = field(default=None, repr=False)
    """The vault whose keys seal words before they leave and open them in views; by default that of `DuologuePlugin`,
    where the Temporal client has one. Without any, words go as they are given, and `PlainWords` warns of it."""
    plain: bool = False
    """Without a vault, words go as they are given: that is meant, and nothing warns of it."""
    query_patience: timedelta = QUERY_PATIENCE
    """How long overviews and views are asked for again while there is no answer."""
    _checked: bool = field(default=False, repr=False)
    _warned: bool = field(default=False, repr=False)
    looked_at: set[str] = field(default_factory=set, repr=False)
    """Programmes that are known to be encrypted as this client does, or not at all: what it sends them is in order."""

    def __post_init__(self) -> None:
        """Remember keys for a moment: a turn has no time to ask a vault."""
        if self.keys is None:
            self.keys = _plugged(self.temporal)
        if self.keys is not None:
            self.keys = Remembering(self.keys)

    @classmethod
    async def connect(
        cls,
        *,
        task_queue: str = TASK_QUEUE,
        keys: Keeper | None = None,
        plain: bool = False,
        **given: Any,  # noqa: ANN401 - Temporal's own
    ) -> Client:
        """Connect as the `TEMPORAL_*` variables and profiles say; `given` goes to `temporalio.client.Client.connect`.

        Without an address the local development server is meant. Raises `Unreachable`.
        """
        config: dict[str, Any] = {**ClientConfigProfile.load().to_client_connect_config(), **given}
        config.setdefault("target_host", "localhost:7233")
        config.setdefault("data_converter", data_converter(None))
        config.setdefault("identity", IDENTITY)
        try:
            return cls(await temporal.Client.connect(**config), task_queue, keys, plain)
        except RuntimeError as error:
            what, remedy = trouble.silent(config["target_host"], tls=bool(config.get("tls")))
            raise Unreachable(f"{what}. {remedy}") from error

    async def start(self, plan: Plan) -> Programme:
        """Start a couple's programme, with keys for their words.

        Raises `AlreadyStarted`, `NotSetUp`, `Unreachable`, `Unsealed`.
        """
        await self._check()
        if self.keys is not None:
            # Whatever the policy: it may change, and a pause is sealed in any case.
            with trouble.unsealed():
                try:
                    await self.keys.add(plan.programme, plan.policy.forget_after)
                except Over as error:
                    raise AlreadyStarted(str(error)) from None
        attributes = {
            "DuologueStage": "enrolling",
            "DuologueAwaiting": "couple",
            "DuologueTenant": plan.tenant,
        }
        try:
            await self.temporal.start_workflow(
                WORKFLOW,
                Start(plan=plan),
                id=workflow_id(plan.programme),
                task_queue=self.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=TypedSearchAttributes(
                    [SearchAttributePair(ATTRIBUTE_KEYS[k], v) for k, v in attributes.items()]
                ),
                static_summary=f"Practice programme {plan.programme}",
            )
        except WorkflowAlreadyStartedError:
            message = (
                f"programme '{plan.programme}' has been started before; choose another id, or 'show' that one"
            )
            raise AlreadyStarted(message) from None
        except RPCError as error:
            raise self.explain(error, plan.programme) from error
        return Programme(self, plan.programme)

    async def _check(self) -> None:
        """An unregistered attribute would stall a programme for ever, so it is refused before the start."""
        if self._checked:
            return
        try:
            listed = await self.temporal.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=self.temporal.namespace)
            )
        except RPCError as error:
            if error.status in trouble.PASSING or trouble.no_namespace(error):
                raise self.explain(error) from error
            return  # Not everybody may ask; the start itself is then judged by the service.
        missing = sorted(set(ATTRIBUTE_KEYS) - set(listed.custom_attributes))
        if missing:
            raise NotSetUp(self.temporal.namespace, ", ".join(missing))
        self._checked = True

    def programme(self, programme_id: str) -> Programme:
        """The programme of that id; whether it exists shows when it is used."""
        return Programme(self, programme_id)

    async def list(
        self,
        *,
        stage: Stage | None = None,
        awaiting: Awaiting | None = None,
        tenant: str | None = None,
        needs_a_person: bool = False,
    ) -> AsyncIterator[Listed]:
        """Programmes by their attributes, those still running first by the service's order."""
        wanted: Mapping[str, str | None] = {
            "DuologueStage": stage,
            "DuologueAwaiting": "facilitator" if needs_a_person else awaiting,
            "DuologueTenant": tenant,
        }
        terms = [f"WorkflowType = '{WORKFLOW}'"]
        terms += [
            f"{name} = '{value.replace(chr(39), '')}'" for name, value in wanted.items() if value is not None
        ]
        try:
            async for execution in self.temporal.list_workflows(" AND ".join(terms)):
                yield listed(execution)
        except RPCError as error:
            raise self.explain(error) from error

    def warn_of(self, command: Command) -> None:
        """Say once that words are about to go out as they were given, unless that is meant."""
        if self.plain or self._warned or all(words.text is None for _, words in words_of(command)):
            return
        self._warned = True
        warnings.warn(PlainWords(), stacklevel=2)

    def explain(self, error: RPCError, programme: str = "") -> DuologueError:
        """What the service's answer means."""
        return trouble.service(error, self.temporal.namespace, programme)


def _plugged(client: temporal.Client) -> Keeper | None:
    """The vault of our plugin on that client. The plugin stands above this room, and is known by what it has."""
    vaults = (getattr(plugin, "duologue_vault", None) for plugin in client.config()["plugins"])
    return next((vault for vault in vaults if vault is not None), None)


__all__ = [
    "COMMANDS",
    "AlreadyStarted",
    "Client",
    "DuologueError",
    "Encrypted",
    "Ended",
    "Listed",
    "NotSetUp",
    "PlainWords",
    "Programme",
    "Refused",
    "Stuck",
    "UnknownProgramme",
    "Unreachable",
    "Unsealed",
    "make",
    "workflow_id",
]
