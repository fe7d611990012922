"""A dialogue against the server's own image: what runs on the embedded server runs there too."""

import pytest
from temporalio.client import Client as TemporalClient

from duologue.audit.derive import derive_chain
from tests.support.programmes import Desk, a_plan, chain, client_of, enrol, practise, replays, working

pytestmark = pytest.mark.containers


async def test_a_couple_holds_a_full_dialogue_and_its_history_replays(
    container_client: TemporalClient,
) -> None:
    client = client_of(container_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan(kinds=("full",)))
        await enrol(programme)
        await practise(programme)
        result = await programme.result()
    assert (result.ending, dict(result.counts)) == ("completed", {"done": 1})
    runs = await chain(programme)
    for run in runs:
        await replays(run)
    assert (await derive_chain(runs)).state.digest == result.digest
