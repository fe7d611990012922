"""Fixtures that every test may ask for, how Hypothesis runs here, that nothing is skipped, and what comes first."""

from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.support.containers import container_client, our_image, volume
from tests.support.nothing_skipped import pytest_make_collect_report, pytest_runtest_makereport
from tests.support.servers import embedded_client, embedded_server, time_skipping

__all__ = [
    "container_client",
    "embedded_client",
    "embedded_server",
    "our_image",
    "pytest_collection_modifyitems",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_xdist_make_scheduler",
    "time_skipping",
    "volume",
]

# Two cores are shared with servers: a slow example is no failure; a failing one must be repeatable by its print-out.
settings.register_profile("duologue", deadline=None, print_blob=True)
settings.load_profile("duologue")

LONG = (
    "server/test_canary.py",
    "server/test_delivery_of_programmes.py",
    "server/test_demo.py",
    "workflow/test_budget.py",
    "workflow/test_differential.py",
    "workflow/test_messages_programme.py",
)
"""Tests that wait for long. They begin first, so that none of them is all that is left at the end."""

TOGETHER = (
    "property/test_grammar_space.py",
    "unit/test_attendance.py",
    "unit/test_eyes.py",
    "workflow/test_messages_programme.py",
)
"""Tests that share what takes long to make. One worker process has them all, and makes it once."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first; the order is theirs apart from that."""
    items.sort(key=lambda item: not str(item.path).endswith(LONG))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hands out test by test, and a file of `TOGETHER` as a whole; with pytest 9.2 `--dist loadgroup` does not."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if path.endswith(TOGETHER) else nodeid


@pytest.hookimpl(optionalhook=True)  # there is none without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """The scheduler of `pytest -n`."""
    return Scheduling(config, log)
