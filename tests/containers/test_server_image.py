"""The server's own image takes programmes once it is set up."""

import pytest
from temporalio.client import Client

from duologue.worker import namespace

pytestmark = pytest.mark.containers


async def test_it_is_prepared(container_client: Client) -> None:
    assert await namespace.missing(container_client) == []
    again = await namespace.prepare(container_client, retention_days=90)
    assert again == namespace.Prepared(created=False, added=(), retention_days=90)
