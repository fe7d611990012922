"""How long the guard gives up a reading that is doubtful; against what, is in workflow/test_between_tasks.py."""

from typing import Any, cast

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance

from duologue.worker import runner
from duologue.worker.runner import Doubts, Guarded


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(runner, "monotonic", lambda: now[0])
    return now


def test_a_doubt_that_comes_back_for_so_long_counts_no_more(clock: list[float]) -> None:
    doubts = Doubts()
    for clock[0] in (0.0, 0.1, 0.3, 0.7, 1.5, 2.9):
        assert doubts.holds("run", 1)
    clock[0] = 3.1
    assert not doubts.holds("run", 1)
    assert doubts.holds("run", 2), "another one begins anew"
    assert doubts.holds("another run", 1)


def test_on_a_machine_so_busy_that_it_reads_seldom_a_doubt_holds_for_four_readings(
    clock: list[float],
) -> None:
    doubts = Doubts()
    for clock[0] in (0.0, 4.0, 8.0, 12.0):
        assert doubts.holds("run", 1)
    clock[0] = 16.0
    assert not doubts.holds("run", 1)


class Taking:
    """A workflow that takes whatever reaches it."""

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = WorkflowActivationCompletion(run_id=act.run_id)
        completion.successful.SetInParent()
        return completion


def reached(guarded: Guarded, kind: str, at: int, *, replaying: bool = False) -> bool:
    """Whether what came at that second has reached the workflow."""
    act = WorkflowActivation(run_id="a run", is_replaying=replaying, history_length=at)
    act.timestamp.seconds = at
    job: Any = getattr(act.jobs.add(), kind)
    if kind == "query_workflow":
        job.query_id = "legacy_query"
    job.SetInParent()
    return guarded.activate(act).HasField("successful")


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Guarded:
    monkeypatch.setattr(runner, "_doubts", Doubts())
    return Guarded(cast("WorkflowInstance", Taking()))


def test_a_first_task_after_catching_up_is_in_doubt_until_a_second_has_come(guarded: Guarded) -> None:
    assert reached(guarded, "initialize_workflow", 1, replaying=True)
    assert reached(guarded, "signal_workflow", 2)
    assert not reached(guarded, "query_workflow", 2)
    assert reached(guarded, "signal_workflow", 3)
    assert reached(guarded, "query_workflow", 3)


def test_a_task_in_doubt_that_turns_out_to_have_been_kept_was_this_workers_own_and_leaves_no_further_doubt(
    guarded: Guarded,
) -> None:
    assert reached(guarded, "initialize_workflow", 1, replaying=True)
    assert reached(guarded, "signal_workflow", 2)
    assert not reached(guarded, "query_workflow", 2)
    again = Guarded(cast("WorkflowInstance", Taking()))
    assert reached(again, "initialize_workflow", 1, replaying=True)
    assert reached(again, "signal_workflow", 2, replaying=True)
    assert reached(again, "query_workflow", 2)
    for task in (3, 4):
        assert reached(again, "signal_workflow", task)
        assert reached(again, "query_workflow", task)


def test_a_task_that_was_in_doubt_for_anything_else_may_have_been_another_workers(guarded: Guarded) -> None:
    assert reached(guarded, "initialize_workflow", 1, replaying=True)
    assert not reached(guarded, "query_workflow", 2), "what no task has taken yet"
    again = Guarded(cast("WorkflowInstance", Taking()))
    assert reached(again, "signal_workflow", 2, replaying=True)
    assert reached(again, "signal_workflow", 3)
    assert not reached(again, "query_workflow", 3)


def test_a_workflow_that_has_just_begun_is_asked_at_once_and_so_is_one_with_nothing_new(
    guarded: Guarded,
) -> None:
    assert reached(guarded, "initialize_workflow", 1)
    assert reached(guarded, "query_workflow", 1)
    again = Guarded(cast("WorkflowInstance", Taking()))
    assert reached(again, "initialize_workflow", 1, replaying=True)
    assert reached(again, "query_workflow", 1)


def test_no_task_is_taken_on_a_reading_that_stayed_in_doubt(guarded: Guarded, clock: list[float]) -> None:
    assert reached(guarded, "initialize_workflow", 1, replaying=True)
    assert reached(guarded, "signal_workflow", 2)
    for clock[0] in (0.0, 4.0, 8.0, 12.0):
        assert not reached(guarded, "query_workflow", 2)
    clock[0] = 16.0
    assert reached(guarded, "query_workflow", 2), "somebody may wait for an answer"
    assert not reached(guarded, "signal_workflow", 3), "but the next task reads anew"
    assert reached(guarded, "remove_from_cache", 3)
