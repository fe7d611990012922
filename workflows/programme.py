"""`PracticeProgramme`: the durable shell around the pure core.

It feeds commands, answers and time into `practice.decide`, carries out the events that ask the world for something,
and shows ops where things stand. It holds no rule of the practice; a rule that seems to belong here belongs there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy, SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from duologue.practice import views
    from duologue.practice.asks import DELIVER, RESOLVE, TRIED_FOR, Message, Resolve, called_off
    from duologue.practice.decide import Cancelled, Tick, start
    from duologue.practice.events import Event
    from duologue.practice.evolve import evolve
    from duologue.practice.messages import Command, Receipt, Refusal
    from duologue.practice.passing import finished, next_deadline
    from duologue.practice.plan import Plan
    from duologue.practice.state import State
    from duologue.practice.values import Frozen, Instant, Scope
    from duologue.workflows import intake

WORKFLOW = "PracticeProgramme"
"""The workflow type."""

ATTRIBUTE_KEYS: dict[str, SearchAttributeKey[Any]] = {
    "DuologueStage": SearchAttributeKey.for_keyword("DuologueStage"),
    "DuologueAwaiting": SearchAttributeKey.for_keyword("DuologueAwaiting"),
    "DuologueAwaitingSince": SearchAttributeKey.for_datetime("DuologueAwaitingSince"),
    "DuologueNextSession": SearchAttributeKey.for_datetime("DuologueNextSession"),
    "DuologueSession": SearchAttributeKey.for_int("DuologueSession"),
    "DuologueMissedInARow": SearchAttributeKey.for_int("DuologueMissedInARow"),
    "DuologueEscalation": SearchAttributeKey.for_keyword("DuologueEscalation"),
    "DuologueTenant": SearchAttributeKey.for_keyword("DuologueTenant"),
}
"""The search attributes by name; a namespace must have them all before a start."""

_RESOLVE_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=10))
DELIVER_RETRY = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=30))

_ASK_AGAIN = timedelta(minutes=1)
"""After which the calendar is asked again, should it have failed for good."""

MARK = "seq"
"""The memo that is set where a workflow task has to leave a mark: the number of the journal's last entry."""


class Start(Frozen):
    """The workflow's input: the plan, and after a continue-as-new the state that goes on."""

    plan: Plan
    state: State | None = None

    @property
    def scope(self) -> Scope:
        """A plan is what ops wrote; a state knows who paused, and why."""
        return "ops" if self.state is None else "safeguarding"


@workflow.defn(name=WORKFLOW)
class PracticeProgramme:
    """One couple's practice programme, from enrolling to its end."""

    @workflow.init
    def __init__(self, given: Start) -> None:
        """Begin at once: an update may be delivered before `run` starts."""
        self._woken = False
        self._cancelled = False
        self._dated = False
        self._marked: Instant | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at: Instant | None = None
        self._alarm_place: tuple[object, ...] = ()
        self._effects: dict[str, asyncio.Task[None]] = {}
        self._delivering: dict[str, Instant] = {}
        self._called_off: set[str] = set()
        self._updates: list[tuple[str, list[bytes | None]]] = []
        self._before: State | None = None
        self._answers: deque[intake.Given] = deque()
        self._answered = False
        self._ran: Instant | None = None
        self._failed: dict[str, Instant] = {}
        self._last_call: asyncio.Task[None] | None = None
        self._continues = False
        self._published: dict[str, Any] = {
            key: value
            for key in ATTRIBUTE_KEYS
            if (value := workflow.info().typed_search_attributes.get(ATTRIBUTE_KEYS[key])) is not None
        }
        self._details = ""
        if given.state is None:
            self._state, _ = start(given.plan, workflow.now())
        else:
            self._state = given.state

    @workflow.run
    async def run(self, given: Start) -> views.Result:
        """Let time pass, carry out what is asked, show where things stand, and wait: until the programme is over."""
        del given
        while True:
            self._updates.clear()
            self._ran = workflow.now()
            if self._answered:
                self._take_answers()
            self._heed_cancellation()
            self._pass_time()
            self._call_off()
            if finished(self._state):
                self._publish()
                return views.result(self._state)
            if self._continues:
                await workflow.wait_condition(workflow.all_handlers_finished)
                self._take_answers()
                workflow.continue_as_new(Start(plan=self._state.plan, state=self._state))
            self._carry_out()
            self._set_alarm()
            self._end_run()
            self._publish()
            self._leave_a_mark()
            # What has waited comes after what woke it: see `_perform`.
            self._answered = bool(self._answers)
            if not self._answered:
                await self._wake()

    @workflow.signal(
        dynamic=True, description="Any command of the contract; what is none is entered as refused."
    )
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Apply a command, or enter it in the journal as refused. Never fails, whatever was sent.

        Signals come before the updates of the same task. So a replay always has it; only right after a reset the
        first run of a task does not, and then those updates are judged once more.
        """
        if self._updates and self._before is not None:
            self._state = self._before
        refused = self._state.refused
        self._take(intake.signalled(self._state, name, _json(args), workflow.now()))
        if self._state.refused > refused:
            workflow.logger.info("signal refused", extra={"refused": self._state.journal[-1].detail})
        self._before = self._state
        for update in self._updates:
            outcome = intake.updated(self._state, *update, workflow.now())
            self._take([] if isinstance(outcome, Refusal) else outcome[1])

    @workflow.update(dynamic=True, description="Any command of the contract; answers with a receipt.")
    def on_update(self, name: str, args: Sequence[RawValue]) -> Receipt:
        """Apply a command that the validator has let pass, and answer with its receipt."""
        command, events = self._judge(name, args)
        if not self._updates:
            self._before = self._state
        self._updates.append((name, _json(args)))
        self._take(events)
        self._marked = workflow.now()
        receipt = self._state.receipt(command.command_id)
        assert receipt is not None  # noqa: S101 - it has just been applied, or was before
        return receipt

    @on_update.validator
    def check_update(self, name: str, args: Sequence[RawValue]) -> None:
        """Refuse, with a typed reason and without a trace in the history, what cannot be applied now."""
        self._judge(name, args)

    @workflow.query(description="Where the programme stands, for ops: no words.")
    def overview(self) -> views.Overview:
        """What ops may see."""
        return views.overview(self._shown(), entered=self._state)

    @workflow.query(
        description="One participant's eyes: whose turn, what I may do now, prompts, open questions."
    )
    def view(self, request: views.ViewRequest) -> views.View:
        """What one participant may see at `request.now`."""
        return views.view(self._shown(), request)

    def _shown(self) -> State:
        """The state with the answers that have waited: what is asked does not wait for what comes next."""
        return intake.settled(self._state, self._answers)

    def _judge(self, name: str, args: Sequence[RawValue]) -> tuple[Command, list[Event]]:
        outcome = intake.updated(self._state, name, _json(args), workflow.now())
        if isinstance(outcome, Refusal):
            # The error's type is the reason, its detail the whole refusal.
            raise ApplicationError(outcome.message, outcome, type=str(outcome.reason), non_retryable=True)
        return outcome

    def _take(self, events: Sequence[Event]) -> None:
        """The one path by which anything changes the state."""
        for event in events:
            self._state = evolve(self._state, event)
        self._dated |= any(event.at == workflow.now() for event in events)
        self._woken = True

    def _take_answers(self) -> None:
        """What the world has answered: here, since what fails in `run` fails the task."""
        while self._answers:
            ask, given = self._answers.popleft()
            del self._effects[ask.key]
            self._delivering.pop(ask.key, None)
            self._called_off.discard(ask.key)
            answer = intake.answered(ask, given)
            if answer is None:
                self._failed[ask.key] = workflow.now() + _ASK_AGAIN
            else:
                taken = intake.world(self._state, answer, workflow.now())
                self._take(taken)
                self._dated |= bool(taken)

    def _heed_cancellation(self) -> None:
        if self._cancelled and not self._state.over:
            # Cancelling from the Web UI is a way for ops to end a programme, and it ends like any other.
            self._take(intake.world(self._state, Cancelled(), workflow.now()))

    def _pass_time(self) -> None:
        passed = intake.world(self._state, Tick(), workflow.now())
        self._take(passed)
        self._dated |= bool(passed)

    async def _wake(self) -> None:
        """Wait until something happens. A request to cancel is the last of the things that come at once."""
        self._woken = False
        try:
            await workflow.wait_condition(lambda: self._woken)
        except asyncio.CancelledError:
            if self._cancelled or workflow.cancellation_reason() is None:
                raise  # evicted from the cache
            self._cancelled = True
            await workflow.wait_condition(lambda: True)

    def _carry_out(self) -> None:
        """Start what the core has asked for and is not under way; after a continue-as-new that is everything open."""
        self._failed = {k: again for k, again in self._failed.items() if again > workflow.now()}
        for key, ask in self._state.asks.items():
            if key not in self._effects and key not in self._failed:
                self._effects[key] = asyncio.create_task(self._perform(key, ask))
                self._marked = workflow.now()
                if isinstance(ask, Message):
                    self._delivering[key] = workflow.now()

    def _call_off(self) -> None:
        """Have the server cancel what the core has taken back; it says what has become of it.

        What it has not been asked for yet, in this task or since a continue-as-new, it never will be: that is settled.
        """
        for key in self._delivering:
            if key not in self._state.asks and key not in self._called_off:
                self._effects[key].cancel()
                self._called_off.add(key)
        for key in self._state.recalled:
            if self._delivering.get(key, workflow.now()) == workflow.now():
                self._take(intake.world(self._state, called_off(key), workflow.now()))
                self._dated = True

    async def _perform(self, key: str, ask: Resolve | Message) -> None:
        """Carry out one effect. Its answer wakes the programme, unless nothing follows from it.

        Then it waits for what wakes it next, and is taken after that: so its task leaves no mark, and it makes no
        difference whether a replay takes the two together (docs/decisions/0012).
        """
        given: list[bytes | None] | None = None
        with contextlib.suppress(ActivityError):
            answer = await (self._resolve(ask) if isinstance(ask, Resolve) else self._deliver(ask))
            given = _json([answer] if answer else [])
        self._answers.append((ask, given))
        if self._ran == workflow.now() or not intake.may_wait(self._state, ask, given):
            self._answered = self._woken = True

    async def _resolve(self, ask: Resolve) -> RawValue | None:
        answer: RawValue | None = await workflow.execute_activity(
            RESOLVE,
            ask,
            result_type=RawValue,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=_RESOLVE_RETRY,
            summary=views.summary(ask),
        )
        return answer

    async def _deliver(self, message: Message) -> RawValue | None:
        latest = workflow.now() + TRIED_FOR
        until = min(message.until or latest, latest)
        taken_over = self._state.plan.delivery
        delivered: RawValue | None = await workflow.execute_activity(
            DELIVER,
            message,
            result_type=RawValue,
            # A platform's own worker, if it delivers; otherwise the programme's.
            task_queue=taken_over.task_queue if taken_over else None,
            start_to_close_timeout=timedelta(minutes=1),
            schedule_to_close_timeout=max(until - workflow.now(), timedelta(minutes=1)),
            retry_policy=DELIVER_RETRY,
            # Once called off there is no further attempt; but one that is being made says whether it has delivered.
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=views.summary(message),
        )
        return delivered

    def _set_alarm(self) -> None:
        """Sleep until the next deadline.

        A deadline that moves later leaves the alarm as it is, and it re-arms itself: so a turn costs no timer. Only
        where a session is booked, opens or ends is it set anew, for two events in place of five for waking in vain.
        """
        deadline = next_deadline(self._state)
        wishes = [(again, "ask the calendar again") for again in self._failed.values()]
        wishes += [deadline[:2]] if deadline else []
        at, what = min(wishes, default=(None, ""))
        session = self._state.next_session
        place = (self._state.stage, session and (session.number, session.status))
        kept = self._alarm_at is not None and at is not None and self._alarm_at <= at
        if at is None or (kept and (self._alarm_at == at or self._alarm_place == place)):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at, self._alarm_place = at, place
        self._alarm = asyncio.create_task(self._sleep(at, what))
        self._marked = workflow.now()

    async def _sleep(self, at: datetime, what: str) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await workflow.sleep(
                max(at - workflow.now(), timedelta(milliseconds=1)), summary=f"until: {what}"
            )
            self._alarm = self._alarm_at = None
            self._woken = True

    def _end_run(self) -> None:
        """Let a new run begin once this one is long enough, but not in the middle of a task.

        A task brings signals and updates first, and then whatever else has come. A run that ends on the former never
        sees an answer, or a request to cancel, that is there already. An alarm is the latter, and takes both along.
        """
        if self._last_call is None and workflow.info().is_continue_as_new_suggested():
            self._last_call = asyncio.create_task(self._call_last())
            self._marked = workflow.now()

    async def _call_last(self) -> None:
        await workflow.sleep(timedelta(milliseconds=1), summary="until: a new run begins")
        self._continues = self._woken = True

    def _publish(self) -> None:
        """Show ops where things stand: what has changed of the search attributes, in one upsert, and the details."""
        text = views.details(self._state)
        if text != self._details:
            self._details = text
            workflow.set_current_details(text)
        if not views.settled(self._state):
            return
        wanted = {k: v for k, v in views.attributes(self._state) if v is not None}
        updates: list[SearchAttributeUpdate[Any]] = [
            ATTRIBUTE_KEYS[k].value_set(v) for k, v in wanted.items() if self._published.get(k) != v
        ]
        updates += [ATTRIBUTE_KEYS[k].value_unset() for k in self._published if k not in wanted]
        if updates:
            workflow.upsert_search_attributes(updates)
            self._published = wanted
            self._marked = workflow.now()

    def _leave_a_mark(self) -> None:
        """See to it that a task which has used its own time leaves an event behind.

        A replay may take a task that left none together with the next one, and so at a later time
        (github.com/temporalio/sdk-rust/issues/1606). A turn that says when it was sent does not depend on it.
        """
        if self._dated and self._marked != workflow.now():
            workflow.upsert_memo({MARK: self._state.seq})
            self._marked = workflow.now()
        self._dated = False


def _json(args: Sequence[RawValue]) -> list[bytes | None]:
    return intake.arguments(arg.payload for arg in args)
