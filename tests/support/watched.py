"""What a workflow itself has in mind, whole, and what it lets be seen of it, beside what its history leads to.

`PracticeProgramme` has no way to hand over its state, and needs none. The tests look inside by an interceptor: of the
class as it is, on any worker and in any replay of ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from duologue.audit import Derived
from duologue.client import Programme
from duologue.practice.state import State
from duologue.practice.values import By
from duologue.practice.views import Overview, View, ViewRequest, overview, view

WHOLE = "whole"
"""The query that answers with everything a watched workflow remembers, and has been answered."""

EVERYBODY: tuple[By, ...] = ("a", "b", "facilitator")


class Watching(Interceptor):
    """Of a worker or of a replay: every workflow there answers `WHOLE`, and is kept to be looked into."""

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor]:
        """What meets each workflow within the sandbox, and how it reaches out."""
        input.unsafe_extern_functions["kept"] = self._kept
        return _Watch

    def _kept(self, run_id: str, found: object) -> None:
        self._seen[run_id] = found

    @property
    def states(self) -> dict[str, State]:
        """Where each run stood when it was last heard of, by its id."""
        return {run_id: found._shown() for run_id, found in self._seen.items()}


class _Watch(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        found = workflow.instance()

        def whole() -> str:
            return str(found._shown().model_dump_json())

        workflow.set_query_handler(WHOLE, whole)
        workflow.extern_functions()["kept"](workflow.info().run_id, found)
        return await super().execute_workflow(input)


def whole(state: State) -> str:
    """A state, to the last word and in its order, as a watched workflow answers it."""
    return state.model_dump_json()


def fingerprint(state: State) -> str:
    """A fingerprint of the whole state. What is as a new field begins is left out, so that a new one changes none."""
    return hashlib.sha256(state.model_dump_json(exclude_defaults=True).encode()).hexdigest()


async def remembered(programme: Programme) -> str:
    """The state of a programme on a watched worker, as JSON."""
    said: str = await programme._query("facilitator", WHOLE, str)
    return said


def differences(one: str, other: str) -> str:
    """In which parts two states differ, each with both; empty where they are the same to the byte."""
    if one == other:
        return ""
    a, b = json.loads(one), json.loads(other)
    parts = [
        f"{key}: {a.get(key)!r}\n  not: {b.get(key)!r}" for key in {**a, **b} if a.get(key) != b.get(key)
    ]
    return "\n".join(parts) or "the order of something"


async def seen(programme: Programme, now: datetime) -> tuple[Overview, Mapping[By, View]]:
    """What a programme shows to ops and to each of the three, as it was sent: sealed words stay sealed."""

    async def asked(by: By) -> View:
        shown: View = await programme._query(by, "view", View, ViewRequest(by=by, now=now))
        return shown

    return await programme.overview(), {by: await asked(by) for by in EVERYBODY}


def to_be_seen(derived: Derived, now: datetime) -> tuple[Overview, Mapping[By, View]]:
    """The same by the core alone."""
    shown = {by: view(derived.state, ViewRequest(by=by, now=now)) for by in EVERYBODY}
    return overview(derived.state, derived.entered), shown


async def disagreement(programme: Programme, derived: Derived, *, watched: bool = True) -> str:
    """In what a workflow differs from what its history led to; empty where in nothing.

    Everything it shows is compared, and what it remembers where its worker is `watched`.
    """
    if watched and (found := differences(await remembered(programme), whole(derived.state))):
        return f"the workflow remembers {found}"
    now = datetime.now(UTC)
    shown, expected = await seen(programme, now), to_be_seen(derived, now)
    for whose, a, b in [("ops", shown[0], expected[0])] + [
        (by, shown[1][by], expected[1][by]) for by in EVERYBODY
    ]:
        if found := differences(a.model_dump_json(), b.model_dump_json()):
            return f"the workflow shows {whose} {found}"
    return ""
