"""A worker that is given its vault uses that one for everything, and asks the settings for none."""

import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client as TemporalClient

from duologue.client import Client
from duologue.vault import Contact, Damaged, Vault
from duologue.vault.wrapping import seal, unseal
from duologue.worker import service
from duologue.worker.settings import Settings
from tests.support.programmes import Desk, a_plan, client_of, until, working

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/keep-keys.md"


class Service:
    """A key service as the page has it."""

    class Unavailable(Exception):
        pass

    class Invalid(Exception):
        pass

    def encrypt(self, key_id: str, plain: bytes, associated_data: bytes) -> bytes:
        return seal(bytes(32), plain, associated_data)

    def decrypt(self, key_id: str, blob: bytes, associated_data: bytes) -> bytes:
        try:
            return unseal(bytes(32), blob, associated_data, key_id=key_id)
        except Damaged:
            raise self.Invalid from None


def as_the_page_says(url: str) -> dict[str, Any]:
    """What the page's own code defines, with this vault in place of its example."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    made: dict[str, Any] = {"service": Service()}
    code = code.replace("postgresql://…", url).replace("KeyService(…", "KeyService(service")
    exec(code, made)  # noqa: S102 - a page of ours
    return made


async def test_one_with_a_key_service_needs_no_keys_in_the_settings(
    embedded_client: TemporalClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(*_: object) -> Vault:
        pytest.fail("the settings were asked for a vault")

    monkeypatch.setattr(service, "vault_of", elsewhere)
    page = as_the_page_says(f"sqlite:///{tmp_path / 'vault.db'}")
    vault: Vault = page["vault"]
    client = Client(embedded_client, client_of(embedded_client).task_queue, vault)
    ended = await client.start(a_plan(policy={"forget_after": "30d"}))
    async with working(client, Desk()):
        await ended.cancel()
        await ended.result()
    lives = await client.start(a_plan())
    pager = Contact(channel="pager", address="1")
    for person in ("person-1", "person-2"):
        await vault.put_contacts(lives.id, person, (pager,))
    asked: set[str] = set()
    contacts = vault.contacts

    async def watched(programme: str, ref: str) -> tuple[Contact, ...] | None:
        asked.add(programme)
        return await contacts(programme, ref)

    async def served() -> bool:
        seen = {kept.programme: kept.ended for kept in await vault.kept()}
        return seen[ended.id] is not None and lives.id in asked

    monkeypatch.setattr(vault, "contacts", watched)
    settings = Settings.load(data_dir=tmp_path / "data", task_queue=client.task_queue, graceful_shutdown=0)
    async with page["healthy"](embedded_client, settings, vault=vault):
        await until(served, "an end that was seen, and a message that was addressed")
        assert (await vault.status()).opens == {vault._keys.current: "yes"}
    await vault.close()
    assert not (tmp_path / "data" / "vault.db").exists()
