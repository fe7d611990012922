"""Servers that only the tests of the shell need."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from duologue.worker import namespace
from tests.support.servers import program

SHORT_RUN = 150
"""After so many events a server of short runs suggests to continue as new; by default it is 4,096."""


@pytest.fixture(scope="session")
async def short_runs() -> AsyncIterator[Client]:
    """A client of a real server on which programmes soon have to continue as new."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=program("temporal"),
        data_converter=pydantic_data_converter,
        identity="duologue-test",
        dev_server_extra_args=[
            "--dynamic-config-value",
            f"limit.historyCount.suggestContinueAsNew={SHORT_RUN}",
        ],
    ) as environment:
        await namespace.prepare(environment.client, retention_days=1)
        yield environment.client
