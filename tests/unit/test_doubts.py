"""How long the guard gives up a reading that is doubtful; against what, is in workflow/test_between_tasks.py."""

import pytest

from duologue.worker import runner
from duologue.worker.runner import Doubts


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
