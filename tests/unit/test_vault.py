"""The vault on SQLite: what every vault promises, and what is the file's own matter."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from duologue.client import make
from duologue.practice.sealed import words_of
from duologue.vault import KeyNotAtHand, Vault, VaultAway, database, store
from duologue.vault.reading import sealed_for
from tests.support.vaults import EMAIL, NEW, OLD, Place, VaultCase, alone, keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "vault.db"


@pytest.fixture
def place(file: Path) -> Place:
    return Place(f"sqlite:///{file}")


class TestOnSQLite(VaultCase):
    """All of it."""


def contents(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in file.parent.iterdir())


async def test_its_files_are_for_nobody_else(place: Place, file: Path) -> None:
    await place.vault().add("c1")
    reader = sqlite3.connect(file)
    reader.execute("SELECT * FROM vault_keys").fetchall()
    await place.vault().add("c2")
    modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    reader.close()
    assert modes.keys() == {"vault.db", "vault.db-wal", "vault.db-shm"}
    assert set(modes.values()) == {0o600}
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("restored", "then"), [(0o644, 0o640), (0o666, 0o660), (0o660, 0o660), (0o600, 0o600)]
)
async def test_one_that_was_restored_is_closed_to_anybody(
    place: Place, file: Path, restored: int, then: int
) -> None:
    await place.vault().add("c1")
    file.chmod(restored)
    assert (await place.vault().key("c1", "a")).kind == "a"
    assert file.stat().st_mode & 0o777 == then


async def test_what_was_forgotten_is_in_no_byte_of_its_files(place: Place, file: Path) -> None:
    vault = place.vault()
    for n in range(20):
        await vault.add(f"couple-{n}")
        await vault.put_contacts(f"couple-{n}", "p1", (EMAIL,) * 20)
    reader = sqlite3.connect(file)
    reader.execute("SELECT * FROM vault_keys").fetchall()
    rows = place.rows()
    gone = [r.wrapped for r in rows["vault_keys"] if r.programme == "couple-7"]
    gone += [r.sealed for r in rows["vault_contacts"] if r.programme == "couple-7"]
    ids = [r.id.encode() for r in rows["vault_keys"] if r.programme == "couple-7"]
    assert all(each[:16] in contents(file) for each in (*gone, *ids))
    await vault.forget("couple-7")
    left = contents(file)
    reader.close()
    assert len(gone) == 5
    assert not any(each[:16] in left for each in (*gone, *ids))


async def test_what_was_wrapped_by_an_old_key_is_in_no_byte_of_its_files(place: Place, file: Path) -> None:
    await place.vault().add("c1")
    old = [row.wrapped for row in place.rows()["vault_keys"]]
    await place.vault(NEW, OLD).rewrap()
    assert not any(each in contents(file) for each in old)


async def test_a_forgetting_that_cannot_be_swept_up_says_so_and_is_repeated(
    place: Place, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT", 0.1)
    vault = place.vault()
    await vault.add("c1")
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM vault_keys").fetchall()
    with pytest.raises(VaultAway, match="in use"):
        await vault.forget("c1")
    reader.execute("COMMIT")
    reader.close()
    assert (await vault.forget("c1")).keys == 4


async def test_many_forgettings_at_once_wait_for_each_other(place: Place) -> None:
    vault = place.vault()
    for n in range(8):
        await vault.add(f"c{n}")
    receipts = await asyncio.gather(*(vault.forget(f"c{n}") for n in (*range(8), *range(8))))
    assert {(receipt.programme, receipt.keys) for receipt in receipts} == {(f"c{n}", 4) for n in range(8)}
    assert not any(place.rows().values())


async def test_a_file_that_has_gone_does_not_come_back_empty(place: Place, file: Path) -> None:
    vault = place.vault()
    await vault.add("c1")
    moved = file.rename(file.with_name("moved.db"))
    with pytest.raises(VaultAway, match="OperationalError"):
        await vault.key("c1", "a")
    assert not file.exists()
    moved.rename(file)
    assert (await vault.key("c1", "a")).kind == "a"


async def test_a_database_that_stands_still_is_not_waited_for_for_ever(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does whose machine is halted: its connections stay, and nothing comes."""
    vault, goes_on = place.vault(), threading.Event()
    monkeypatch.setattr(database, "_WAIT", 0.1)
    monkeypatch.setattr(database.Database, "run", lambda *_, **__: goes_on.wait(30))
    try:
        for asked in (vault.key("c1", "a"), vault.add("c1"), vault.knows("c1"), vault.forget("c1")):
            with pytest.raises(VaultAway, match="does not answer"):
                await asked
        pause = await sealed_for(make("pause", "a"), "c1", vault)
    finally:
        goes_on.set()
    assert dict(words_of(pause))["reason"].sealed, "this exit stands open"


@pytest.mark.parametrize("how", ["fails", "stands still"])
async def test_a_key_service_in_trouble_is_a_key_that_is_not_at_hand(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    vault, goes_on = place.vault(), threading.Event()
    await vault.add("c1")
    await vault.put_contacts("c1", "p1", (EMAIL,))

    def trouble(*_: object) -> bytes:
        if how == "fails":
            raise ConnectionError("canary-token")
        goes_on.wait(30)
        return b""

    monkeypatch.setattr(store, "_SERVICE", timedelta(seconds=0.2))
    monkeypatch.setattr(vault._keys, "unwrap", trouble)
    monkeypatch.setattr(vault._keys, "wrap", trouble)
    try:
        for asked in (vault.key("c1", "a"), vault.contacts("c1", "p1"), vault.add("c2")):
            with pytest.raises(
                KeyNotAtHand, match=r"The key service (fails \(ConnectionError\)|does not answer)"
            ) as raised:
                await asked
            assert alone(raised.value)
        pause = await sealed_for(make("pause", "a"), "c1", vault)
    finally:
        goes_on.set()
    assert dict(words_of(pause))["reason"].sealed, "this exit stands open"


async def test_what_cannot_be_wrapped_anew_stays_as_it_is(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.vault(OLD).add("c1")
    vault = place.vault(NEW, OLD)

    def trouble(*_: object) -> tuple[str, bytes]:
        raise ConnectionError("canary-token")

    monkeypatch.setattr(vault._keys, "wrap", trouble)
    with pytest.raises(KeyNotAtHand, match=r"The key service fails \(ConnectionError\)"):
        await vault.rewrap()
    assert (await place.vault(OLD).key("c1", "a")).kind == "a"


KILLED = """
import os, sqlite3, sys
vault = sqlite3.connect(sys.argv[1], isolation_level=None)
vault.execute("PRAGMA wal_autocheckpoint = 0")
vault.executescript("BEGIN; DELETE FROM vault_keys; DELETE FROM vault_couples; COMMIT;")
os._exit(9)
"""


@pytest.mark.parametrize("with_its_log", [True, False])
async def test_a_backup_comes_in_the_place_of_a_vault_with_its_log(
    place: Place, file: Path, tmp_path: Path, *, with_its_log: bool
) -> None:
    """The how-to says to move both away: what a killed process left in the log takes the place of what is restored."""
    await place.vault().add("c1")
    backup = file.read_bytes()
    assert subprocess.run([sys.executable, "-c", KILLED, file], check=False).returncode == 9
    left = sorted(file.parent.iterdir())
    assert [each.name for each in left] == ["vault.db", "vault.db-shm", "vault.db-wal"]
    for each in left if with_its_log else left[:1]:
        each.rename(tmp_path / each.name)
    file.write_bytes(backup)
    assert await place.vault().knows("c1") == with_its_log


async def test_one_that_is_busy_is_waited_for(place: Place, file: Path) -> None:
    vault = place.vault()
    await vault.add("c1")
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    adding = asyncio.create_task(vault.add("c2"))
    assert (await vault.key("c1", "a")).kind == "a"
    assert not adding.done()
    writer.execute("COMMIT")
    writer.close()
    await adding
    assert await vault.knows("c2")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vault.db",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://u:canary@h/d",
        "canary://[",
        "postgresql://u:canary@127.0.0.1:1/d",
    ],
)
async def test_a_vault_that_is_nowhere_says_so_and_repeats_nothing(url: str) -> None:
    with pytest.raises(VaultAway, match="DUOLOGUE_VAULT_URL") as raised:
        await Vault.at(url, keys(OLD)).status()
    assert "canary" not in str(raised.value)
    assert alone(raised.value)


async def test_a_file_that_is_no_database_says_so(place: Place, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"canary" * 2000)
    with pytest.raises(VaultAway, match="DatabaseError") as raised:
        await place.vault().status()
    assert "canary" not in str(raised.value)
