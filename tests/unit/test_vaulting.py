"""The vault that settings name, and the post that finds a couple's contacts there."""

import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from duologue.activities import Contacts, ContactsError, Everyone, VaultContacts
from duologue.vault import Contact, LocalKeys, Vault
from duologue.worker import keys as codec_keys
from duologue.worker.delivery import post_of
from duologue.worker.errors import SettingsError
from duologue.worker.settings import Settings
from duologue.worker.vaulting import keys_file, vault_of
from tests.support.vaults import EMAIL, NEW, OLD, PAGER, keys

ELSEWHERE = "temporal.example:7233"


def settings(folder: Path, **given: object) -> Settings:
    return Settings.load(data_dir=folder / "data", **given)


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "service", [None, "127.0.0.1:7233", "localhost:7233", "[::1]:7233", "http://127.0.0.1:1"]
)
async def test_on_this_machine_a_key_file_is_made_once_and_said_so(
    tmp_path: Path, service: str | None
) -> None:
    told: list[str] = []
    here = settings(tmp_path)
    vault = vault_of(here, service, told.append)
    await vault.add("c1")
    path = keys_file(here)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(told) == 1
    assert str(path) in told[0]
    assert path.read_text().strip().partition(":")[2] not in told[0]
    again = vault_of(here, service, told.append)
    assert await again.key("c1", "a") == await vault.key("c1", "a")
    assert len(told) == 1


@pytest.mark.parametrize("service", [ELSEWHERE, "10.0.0.7:7233", "127.0.0.1.example:7233", ""])
def test_elsewhere_it_says_what_is_missing_and_makes_nothing(
    tmp_path: Path, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", ELSEWHERE)
    with pytest.raises(SettingsError, match=r"no DUOLOGUE_VAULT_KEYS.*duologue keys new"):
        vault_of(settings(tmp_path), service)
    assert not list(tmp_path.iterdir())
    assert "kek-old" in repr(vault_of(settings(tmp_path, vault_keys=OLD), service))


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    named = settings(tmp_path, vault_keys_file=tmp_path / "my.keys")
    with pytest.raises(SettingsError, match=r"no file .*my\.keys"):
        vault_of(named)
    (tmp_path / "my.keys").touch(0o600)
    (tmp_path / "my.keys").write_text(OLD)
    assert "KeyFile" in repr(vault_of(named, ELSEWHERE))


async def test_beside_a_vault_that_is_there_no_new_key_hides_a_lost_one(tmp_path: Path) -> None:
    here = settings(tmp_path)
    await vault_of(here).add("c1")
    kept = keys_file(here).rename(tmp_path / "away")
    with pytest.raises(SettingsError, match=r"its key file .* is gone"):
        vault_of(here)
    kept.rename(keys_file(here))
    assert (await vault_of(here).key("c1", "a")).kind == "a"


async def test_beside_a_vault_that_was_named_no_new_key_hides_a_lost_one(tmp_path: Path, url: str) -> None:
    given = settings(tmp_path, vault_url=url, vault_keys=OLD)
    await vault_of(given).add("c1")
    lost = settings(tmp_path, vault_url=url)
    with pytest.raises(SettingsError, match="no DUOLOGUE_VAULT_KEYS"):
        vault_of(lost)
    assert not keys_file(lost).exists()
    keys_file(lost).parent.mkdir()
    keys_file(lost).touch(0o600)
    keys_file(lost).write_text(OLD)
    assert await vault_of(lost).key("c1", "a") == await vault_of(given).key("c1", "a")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"vault_keys": OLD, "vault_keys_file": "x"}, "given twice"),
        ({"vault_keys": "canary"}, "key 1 is not 32 bytes"),
        ({"vault_keys": OLD, "vault_url": "mysql://u:canary@h/d"}, "SQLite, or in PostgreSQL"),
        ({"vault_keys": OLD, "vault_url": "canary"}, "URL"),
    ],
)
def test_what_cannot_be_used_says_so_and_repeats_no_secret(
    tmp_path: Path, given: dict[str, str], says: str
) -> None:
    here = settings(tmp_path, **given)
    with pytest.raises(SettingsError, match=says) as raised:
        vault_of(here)
    for secret in ("canary", OLD.partition(":")[2]):
        assert secret not in str(raised.value) + repr(here)


def test_codec_keys_that_anybody_may_read_are_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "codec-keys.json"
    named, told = settings(tmp_path, codec_keys_file=path), list[str]()
    codec_keys.make(path)
    for mode, lines in ((0o600, 0), (0o640, 0), (0o644, 1)):
        path.chmod(mode)
        assert codec_keys.keys_of(named, ELSEWHERE, told.append)
        assert len(told) == lines
    assert f"chmod o= {path}" in told[0]
    with capture_logs() as logged:
        codec_keys.keys_of(named, ELSEWHERE)
    assert [line["note"] for line in logged] == told


# --- contacts ---------------------------------------------------------------------------------------------------------

OTHERS = Everyone(Contact(channel="webhook"))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'vault.db'}"


async def test_a_couple_is_reached_as_the_vault_says_and_all_others_as_before(url: str) -> None:
    vault = Vault.at(url, keys(OLD))
    contacts: Contacts = VaultContacts(vault, OTHERS)
    await vault.add("c1")
    await vault.put_contacts("c1", "p1", (EMAIL, PAGER))
    await vault.put_contacts("c1", "p2", ())
    assert await contacts.of("p1", "c1") == (EMAIL, PAGER)
    assert await contacts.of("p2", "c1") == ()
    everybody = await OTHERS.of("", "")
    assert await contacts.of("lead", "c1") == everybody
    assert await contacts.of("p1", "c2") == everybody


async def test_whoever_was_forgotten_is_reached_by_no_way(url: str) -> None:
    vault = Vault.at(url, keys(OLD))
    await vault.add("c1")
    await vault.put_contacts("c1", "p1", (EMAIL,))
    await vault.forget("c1")
    contacts = VaultContacts(vault, OTHERS)
    assert await contacts.of("p1", "c1") == await contacts.of("p2", "c1") == ()


async def test_while_a_key_is_missing_messages_wait(url: str) -> None:
    vault = Vault.at(url, keys(OLD))
    await vault.add("c1")
    await vault.put_contacts("c1", "p1", (EMAIL,))
    with pytest.raises(ContactsError, match="not at hand") as raised:
        await VaultContacts(Vault.at(url, keys(NEW)), OTHERS).of("p1", "c1")
    assert "canary" not in str(raised.value)
    assert await VaultContacts(Vault.at(url, keys(NEW, OLD)), OTHERS).of("p1", "c1") == (EMAIL,)


async def test_while_the_vault_is_away_messages_wait() -> None:
    away = Vault.at("postgresql://u:canary@127.0.0.1:1/d", LocalKeys.parse(OLD))
    with pytest.raises(ContactsError, match="DUOLOGUE_VAULT_URL") as raised:
        await VaultContacts(away, OTHERS).of("p1", "c1")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["postgresql://u:canary@h:canary/d", "postgresql://u:1@h:canary@h/d", "canary"]
)
def test_a_url_that_is_none_is_said_to_be_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DUOLOGUE_VAULT_URL") as raised:
        vault_of(settings(tmp_path, vault_url=url))
    assert "canary" not in str(raised.value)


async def test_the_post_of_a_worker_asks_the_vault_first(tmp_path: Path) -> None:
    here = settings(tmp_path)
    vault = vault_of(here)
    await vault.add("c1")
    await vault.put_contacts("c1", "p1", (EMAIL,))
    contacts = post_of(here, vault)._contacts
    assert await contacts.of("p1", "c1") == (EMAIL,)
    assert await contacts.of("p2", "c1") == (Contact(channel="console"),)
