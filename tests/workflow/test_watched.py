"""The comparison that the other tests rely on finds a shell out that goes wrong where the fingerprint tells nothing."""

from temporalio.client import Client as TemporalClient

from duologue.audit import derive_chain
from duologue.practice.views import overview
from tests.support.mutants import Forgetful
from tests.support.programmes import Desk, a_plan, chain, client_of, enrol, opened, replays, settled, working
from tests.support.watched import differences, disagreement, whole


async def test_a_shell_that_loses_every_word_and_shares_every_note_is_found_out(
    embedded_client: TemporalClient,
) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk(), workflows=[Forgetful]):
        programme = await client.start(a_plan())
        await enrol(programme)
        await opened(programme)
        await programme.do("turn", "a", act="frame", words="what it is about")
        await programme.do("note", "a", words="for nobody else")
        await settled(programme)
        runs = await chain(programme)
        derived = await derive_chain(runs)
        assert await programme.overview() == overview(derived.state, derived.entered), "ops see no difference"
        remembered = await disagreement(programme, derived)
        shown = await disagreement(programme, derived, watched=False)
    for part in ("sessions", "notes"):
        assert f"{part}: [" in remembered
    assert shown.startswith("the workflow shows a")
    assert differences(whole(await replays(runs[-1])), whole(derived.state)) == ""
    assert differences(whole(await replays(runs[-1], workflow=Forgetful)), whole(derived.state)) != ""
