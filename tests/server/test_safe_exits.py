"""A pause, a concern and leaving stand open: without words, before the vault knows the couple, and while it is away."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest
from temporalio.client import Client as TemporalClient

from duologue.client import Client, Programme, Unsealed
from duologue.practice.values import Partner
from duologue.vault import Contact, KeyFile, Kind, LocalKeys, Vault
from duologue.vault.reading import NOT_AT_HAND, UNREADABLE
from tests.support.programmes import Desk, a_plan, booked, client_of, enrol, working

WORDS = "the sea was calm that day"
SAFE = {"facilitators": ("facilitator-1",), "safeguarding": "safe-1"}


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    file = KeyFile(tmp_path / "vault.keys")
    file.begin()
    return file


@pytest.fixture
async def vault(tmp_path: Path, keys: KeyFile) -> AsyncIterator[Vault]:
    kept = Vault.at(f"sqlite:///{tmp_path / 'vault.db'}", keys)
    yield kept
    await kept.close()


def client_with(vault: Vault, embedded_client: TemporalClient, task_queue: str | None = None) -> Client:
    plain = client_of(embedded_client)
    return Client(plain.temporal, task_queue or plain.task_queue, vault)


async def begun(client: Client, **given: Any) -> Programme:
    programme = await client.start(a_plan(**SAFE, **given))
    await enrol(programme)
    await booked(programme)
    return programme


async def paused(programme: Programme, by: Partner) -> bool:
    return (await programme.view(by)).stage == "paused"


async def test_without_words_each_pause_is_taken_with_contacts_in_the_vault(
    vault: Vault, embedded_client: TemporalClient
) -> None:
    client, desk = client_with(vault, embedded_client), Desk()
    plan = a_plan(**SAFE, policy={"words": "none"})
    await vault.add(plan.programme)
    await vault.put_contacts(plan.programme, "person-1", (Contact(channel="email", address="a@example.org"),))
    async with working(client, desk):
        programme = await client.start(plan)
        await enrol(programme)
        await booked(programme)
        await programme.do("pause", "b")
        assert await paused(programme, "a")
        assert not desk.told("concern")
        await programme.do("pause", "a", concern=True)
        await programme.do("withdraw", "a")
        await programme.result()
    assert desk.told("concern") == {"safeguarding"}
    assert not any(message.words for message in desk.messages.values())


async def test_every_couple_has_keys_so_that_its_policy_may_come_to_take_words(
    vault: Vault, embedded_client: TemporalClient
) -> None:
    client = client_with(vault, embedded_client)
    async with working(client, Desk()):
        programme = await begun(client, policy={"words": "none"})
        for kind in get_args(Kind):
            assert (await vault.key(programme.id, kind)).kind == kind
        await programme.do("adjust", "facilitator", policy={"words": "sealed", "opens_before": "10h"})
        await programme.do("note", "a", words=WORDS, shared=True)
        assert (await programme.view("b")).notes[0].words.text == WORDS


TROUBLES = {
    "key_gone": "sqlite:///{}/vault.db",
    "away": "postgresql://u@127.0.0.1:1/d",
    "another": "sqlite:///{}/b.db",
}


@pytest.mark.parametrize(("trouble", "url"), TROUBLES.items(), ids=TROUBLES)
async def test_whatever_is_with_the_vault_the_exits_stand_open_and_all_but_words_is_seen(
    vault: Vault, embedded_client: TemporalClient, tmp_path: Path, trouble: str, url: str
) -> None:
    here, desk = client_with(vault, embedded_client), Desk()
    async with working(here, desk):
        programme = await begun(here)
        await programme.do("note", "a", words=WORDS, shared=True)
        other = Vault.at(url.format(tmp_path), LocalKeys.parse(LocalKeys.new()))
        hindered = client_with(other, embedded_client, here.task_queue).programme(programme.id)
        seen = await hindered.view("b")
        assert seen.stage == "practising"
        assert seen.notes[0].words.text == (UNREADABLE if trouble == "another" else NOT_AT_HAND)
        with pytest.raises(Unsealed, match="Without words"):
            await hindered.do("pause", "a", concern=True, reason=WORDS)
        assert not await paused(programme, "a")
        await hindered.do("pause", "a", concern=True)
        assert await paused(programme, "b")
        await hindered.do("withdraw", "b")
        await programme.result()
        await other.close()
    assert desk.told("concern") == {"safeguarding"}
