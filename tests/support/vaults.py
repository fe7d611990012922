"""What every vault promises, as one abstract case: run on SQLite by `make test`, on PostgreSQL in a container."""

import asyncio
import base64
import logging
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar, get_args

import pytest
from sqlalchemy import Connection, Row, update

from duologue.vault import (
    BadReference,
    Contact,
    ContentKey,
    Damaged,
    Forgotten,
    KeyNotAtHand,
    Kind,
    LocalKeys,
    Over,
    UnknownCouple,
    UnknownKey,
    Vault,
    VaultAway,
    VaultError,
    database,
)
from duologue.vault.database import CONTACTS, COUPLES, KEYS, RECEIPTS, Database

T = TypeVar("T")

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
EMAIL = Contact(channel="email", address="canary.anna@example.org")
PAGER = Contact(channel="pager", address="canary-4711")
KINDS: tuple[Kind, ...] = get_args(Kind)


def _written(key_id: str, first: int) -> str:
    """A key that is the same in every process."""
    return f"{key_id}:{base64.urlsafe_b64encode(bytes(range(first, first + 32))).decode().rstrip('=')}"


OLD, NEW = _written("kek-old", 100), _written("kek-new", 200)
OLD_ID, NEW_ID = OLD.partition(":")[0], NEW.partition(":")[0]


def keys(*lines: str) -> LocalKeys:
    return LocalKeys.parse(",".join(lines))


@dataclass(frozen=True)
class Place:
    """A database of its own for one test."""

    url: str
    _made: list[Vault] = field(default_factory=list)

    def vault(self, *lines: str) -> Vault:
        """The vault there, with the old key unless others are given."""
        vault = Vault.at(self.url, keys(*(lines or (OLD,))), now=lambda: NOW)
        self._made.append(vault)
        return vault

    async def leave(self) -> None:
        """Let go of all connections."""
        for vault in self._made:
            await vault.close()

    def do(self, work: Callable[[Connection], T]) -> T:
        """What somebody with access to the database does to it."""
        database = Database(self.url)
        try:
            return database.run(work, writing=True)
        finally:
            database.close()

    def rows(self) -> dict[str, list[Row[Any]]]:
        """Everything that is there: a backup."""
        return self.do(lambda db: {t.name: list(db.execute(t.select())) for t in (COUPLES, KEYS, CONTACTS)})

    def restore(self, backup: dict[str, list[Row[Any]]]) -> None:
        """Put a backup in place of what is there."""

        def work(db: Connection) -> None:
            for table in (CONTACTS, KEYS, COUPLES, RECEIPTS):
                db.execute(table.delete())
            for table in (COUPLES, KEYS, CONTACTS):
                db.execute(table.insert(), [row._asdict() for row in backup[table.name]])

        self.do(work)


async def secrets_of(vault: Vault, programme: str) -> dict[str, ContentKey]:
    return {kind: await vault.key(programme, kind) for kind in KINDS}


def alone(error: BaseException) -> bool:
    """Whether nothing of a library's own error is shown with it."""
    return error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)


async def refused(work: Awaitable[object], error: type[VaultError]) -> str:
    with pytest.raises(error) as raised:
        await work
    assert alone(raised.value)
    return str(raised.value)


class VaultCase:
    """The case. A subclass has a fixture `place`."""

    async def test_a_couple_has_three_keys_for_words_which_a_repeat_leaves_alone(self, place: Place) -> None:
        vault = place.vault()
        assert not await vault.knows("c1")
        await vault.add("c1")
        assert await vault.knows("c1")
        first = await secrets_of(vault, "c1")
        assert len({key.secret for key in first.values()}) == 3
        assert {len(key.secret) for key in first.values()} == {32}
        await vault.add("c1", timedelta(days=30))
        assert await secrets_of(vault, "c1") == first
        assert await secrets_of(place.vault(), "c1") == first
        await vault.close()
        assert await vault.key_by_id("c1", first["a"].id) == first["a"]

    async def test_once_an_end_is_noted_nobody_else_begins_under_that_id(self, place: Place) -> None:
        vault = place.vault()
        await vault.add("c1", timedelta(days=90))
        await vault.ended("c1", NOW, timedelta(days=30))
        await refused(vault.add("c1", timedelta(days=1)), Over)
        await vault.put_contacts("c1", "p1", (EMAIL,))
        assert [kept.until for kept in await vault.kept()] == [NOW + timedelta(days=30)]
        await vault.ended("c1", None, timedelta(days=30))
        await vault.add("c1", timedelta(days=1))
        assert [kept.forget_after for kept in await vault.kept()] == [timedelta(days=1)]

    async def test_many_who_add_a_couple_at_once_have_the_same_keys(self, place: Place) -> None:
        vaults = [place.vault() for _ in range(6)]
        await asyncio.gather(*(v.add("c1") for v in vaults))
        found = await asyncio.gather(*(v.key("c1", "a") for v in vaults))
        assert len({key.secret for key in found}) == 1

    async def test_the_id_of_a_key_tells_nothing_of_whose_it_is(self, place: Place) -> None:
        vault = place.vault()
        ids = []
        for n in range(12):
            await vault.add(f"c{n}")
            ids.append([(await vault.key(f"c{n}", kind)).id for kind in KINDS])
        assert all(re.fullmatch(r"k-[0-9a-f]{16}", each) for couple in ids for each in couple)
        # Not even by their order.
        assert len({tuple(sorted(range(3), key=couple.__getitem__)) for couple in ids}) > 1

    async def test_a_key_is_given_out_for_its_own_couple_only(self, place: Place) -> None:
        vault = place.vault()
        await vault.add("c1")
        await vault.add("c2")
        theirs = await vault.key("c2", "shared")
        assert theirs.id in await refused(vault.key_by_id("c1", theirs.id), UnknownKey)
        contacts_key = next(r.id for r in place.rows()["vault_keys"] if r.kind == "contacts")
        await refused(vault.key_by_id("c1", contacts_key), UnknownKey)
        await refused(vault.key_by_id("c2", contacts_key), UnknownKey)

    async def test_an_unknown_couple_has_nothing(self, place: Place) -> None:
        vault = place.vault()
        assert "'c1'" in await refused(vault.key("c1", "a"), UnknownCouple)
        await refused(vault.key_by_id("c1", "k-0"), UnknownCouple)
        await refused(vault.put_contacts("c1", "p1", (EMAIL,)), UnknownCouple)
        await refused(vault.people("c1"), UnknownCouple)
        await refused(vault.forget("c1"), UnknownCouple)
        assert await vault.contacts("c1", "p1") is None
        await refused(vault.add("anna@example.org"), BadReference)
        await vault.add("c1")
        assert "anna" not in await refused(vault.put_contacts("c1", "anna@x", ()), BadReference)

    async def test_contacts_are_kept_in_their_order_and_replaced_as_a_whole(self, place: Place) -> None:
        vault = place.vault()
        await vault.add("c1")
        assert await vault.contacts("c1", "p1") is None
        await vault.put_contacts("c1", "p1", (PAGER, EMAIL))
        await vault.put_contacts("c1", "p2", ())
        assert await vault.contacts("c1", "p1") == (PAGER, EMAIL)
        assert await vault.contacts("c1", "p2") == ()
        assert await vault.people("c1") == {"p1": (PAGER, EMAIL), "p2": ()}
        await vault.put_contacts("c1", "p1", (EMAIL,))
        assert await place.vault().contacts("c1", "p1") == (EMAIL,)

    # --- forgetting ---------------------------------------------------------------------------------------------------

    async def test_forgetting_leaves_a_receipt_and_nothing_else(self, place: Place) -> None:
        vault = place.vault()
        for programme in ("c1", "c2"):
            await vault.add(programme)
            await vault.put_contacts(programme, "p1", (EMAIL,))
        others = await secrets_of(vault, "c2")
        sealed_by = await vault.key("c1", "a")
        receipt = await vault.forget("c1")
        assert (receipt.programme, receipt.at, receipt.keys, receipt.contacts) == ("c1", NOW, 4, 1)
        assert all(row.programme == "c2" for rows in place.rows().values() for row in rows)
        for work in (
            vault.add("c1"),
            vault.key("c1", "a"),
            vault.key_by_id("c1", sealed_by.id),
            vault.contacts("c1", "p1"),
            vault.people("c1"),
            vault.put_contacts("c1", "p1", (EMAIL,)),
        ):
            await refused(work, Forgotten)
        assert await place.vault().forget("c1") == receipt
        assert await secrets_of(vault, "c2") == others
        assert await vault.contacts("c2", "p1") == (EMAIL,)
        assert (await vault.status()).forgotten == 1

    async def test_nothing_is_added_to_a_couple_that_is_being_forgotten(self, place: Place) -> None:
        vault = place.vault()

        async def put(programme: str, n: int) -> None:
            try:
                await vault.put_contacts(programme, f"p{n}", (EMAIL,))
                await vault.add(programme)
            except Forgotten:
                pass

        for programme in ("c1", "c2", "c3", "c4", "c5", "c6"):
            await vault.add(programme)
            await asyncio.gather(
                *(put(programme, n) for n in range(3)),
                vault.forget(programme),
                *(put(programme, n) for n in range(3, 6)),
                vault.forget(programme),
            )
        assert not any(place.rows().values())

    async def test_nobody_waits_for_ever_for_somebodys_lock_and_what_was_given_up_is_not_done_later(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "_WAIT", 1)
        vault, held, over = place.vault(), threading.Event(), threading.Event()
        await vault.add("c1")

        def hold(db: Connection) -> None:
            db.execute(COUPLES.select().with_for_update()).all()
            held.set()
            over.wait(30)

        holding = asyncio.create_task(asyncio.to_thread(place.do, hold))
        await asyncio.to_thread(held.wait, 30)
        try:
            await refused(vault.forget("c1"), VaultAway)
            await vault.key("c1", "a")
        finally:
            over.set()
            await holding
        assert await vault.knows("c1")
        await vault.forget("c1")

    async def test_couples_are_due_their_time_after_the_end(self, place: Place) -> None:
        vault = place.vault()
        for programme, days in (("c1", 30), ("c2", 30), ("c3", 30), ("c4", None), ("c5", None), ("c6", 1)):
            await vault.add(programme, None if days is None else timedelta(days=days))
        await vault.add("c6")
        before = await vault.kept()
        assert [(k.programme, k.forget_after and k.forget_after.days) for k in before] == [
            *(("c1", 30), ("c2", 30), ("c3", 30), ("c4", None), ("c5", None), ("c6", 1))
        ]
        assert all((kept.created, kept.ended, kept.until) == (NOW, None, None) for kept in before)
        assert await vault.due() == ()
        # What the policy says at the end counts, whatever it said before.
        await vault.ended("c1", NOW - timedelta(days=30), timedelta(days=30))
        await vault.ended("c2", NOW - timedelta(days=30) + timedelta(seconds=1), timedelta(days=30))
        await vault.ended("c3", NOW - timedelta(days=99), None)
        await vault.ended("c4", NOW - timedelta(days=99), None)
        await vault.ended("c5", NOW - timedelta(days=2), timedelta(days=1))
        await vault.ended("nobody", NOW, timedelta(0))
        assert [each.programme for each in await vault.due()] == ["c1", "c5"]
        await vault.ended("c5", None, timedelta(days=1))
        assert [each.programme for each in await vault.due()] == ["c1"]

    async def test_a_vault_from_before_is_completed(self, place: Place) -> None:
        vault = place.vault()
        await vault.add("c1", timedelta(days=30))
        place.do(lambda db: db.exec_driver_sql("ALTER TABLE vault_couples DROP COLUMN ended"))
        [kept] = await place.vault().kept()
        assert (kept.programme, kept.forget_after, kept.ended) == ("c1", timedelta(days=30), None)

    async def test_of_a_couple_of_whom_nothing_is_kept_there_can_be_a_receipt(self, place: Place) -> None:
        vault = place.vault()
        receipt = await vault.forget("c1", unknown=True)
        assert (receipt.programme, receipt.keys, receipt.contacts) == ("c1", 0, 0)
        assert await vault.forget("c1") == receipt
        await refused(vault.add("c1"), Forgotten)
        await refused(vault.knows("c1"), Forgotten)
        assert not any(place.rows().values())

    # --- key-encryption keys ------------------------------------------------------------------------------------------

    async def test_the_wrapping_key_is_replaced_and_words_stay_readable(self, place: Place) -> None:
        vault = place.vault()
        for n in range(3):
            await vault.add(f"c{n}")
            await vault.put_contacts(f"c{n}", "p1", (EMAIL,))
        before = await secrets_of(vault, "c1")
        both = place.vault(NEW, OLD)
        await both.add("c3")
        assert await secrets_of(both, "c1") == before
        found = await both.status()
        assert found.wrapped == {OLD_ID: 12, NEW_ID: 4}
        assert (found.current, found.couples, found.contacts) == (NEW_ID, 4, 3)
        assert await both.rewrap() == 12
        assert await both.rewrap() == 0
        only_new = place.vault(NEW)
        assert await secrets_of(only_new, "c1") == before
        assert await only_new.contacts("c2", "p1") == (EMAIL,)
        assert (await only_new.status()).wrapped == {NEW_ID: 16}

    async def test_a_backup_from_before_opens_nothing_once_the_old_key_is_gone(self, place: Place) -> None:
        await place.vault().add("c1")
        await place.vault().put_contacts("c1", "p1", (EMAIL,))
        before = await secrets_of(place.vault(), "c1")
        backup = place.rows()
        both = place.vault(NEW, OLD)
        await both.rewrap()
        await both.forget("c1")
        place.restore(backup)
        vault = place.vault(NEW)
        for work in (
            *(vault.key("c1", kind) for kind in KINDS),
            vault.contacts("c1", "p1"),
            vault.people("c1"),
        ):
            assert OLD_ID in await refused(work, KeyNotAtHand)
        # That it is the key alone which is missing:
        assert await secrets_of(place.vault(NEW, OLD), "c1") == before

    async def test_what_a_missing_key_wraps_waits_until_it_is_back(self, place: Place) -> None:
        await place.vault().add("c1")
        await place.vault().put_contacts("c1", "p1", (EMAIL,))
        before = await secrets_of(place.vault(), "c1")
        without = place.vault(NEW)
        told = await refused(without.key("c1", "a"), KeyNotAtHand)
        assert OLD_ID in told
        assert "Bring it back" in told
        await refused(without.contacts("c1", "p1"), KeyNotAtHand)
        await refused(without.put_contacts("c1", "p1", ()), KeyNotAtHand)
        await refused(without.rewrap(), KeyNotAtHand)
        assert (await without.status()).opens == {OLD_ID: "not_at_hand"}
        await without.add("c2")
        assert await secrets_of(place.vault(NEW, OLD), "c1") == before
        assert await place.vault(NEW, OLD).contacts("c1", "p1") == (EMAIL,)

    async def test_another_key_under_the_same_id_is_told_from_a_missing_one(self, place: Place) -> None:
        await place.vault().add("c1")
        wrong = place.vault(f"{OLD_ID}:{NEW.partition(':')[2]}")
        assert OLD_ID in await refused(wrong.key("c1", "a"), Damaged)
        assert (await wrong.status()).opens == {OLD_ID: "no"}

    async def test_what_does_not_open_keeps_nothing_else_from_being_wrapped_anew(self, place: Place) -> None:
        for n in range(3):
            await place.vault().add(f"c{n}")
        broken = KEYS.c.programme == "c1", KEYS.c.kind == "a"
        place.do(lambda db: db.execute(update(KEYS).where(*broken).values(wrapped=b"?")))
        both = place.vault(NEW, OLD)
        await refused(both.rewrap(), Damaged)
        assert (await both.status()).wrapped == {NEW_ID: 11, OLD_ID: 1}

    # --- rows that somebody has changed -------------------------------------------------------------------------------

    @pytest.mark.parametrize("how", ["bit", "short", "couple", "kind", "id", "gone"])
    async def test_a_changed_key_is_refused(self, place: Place, how: str) -> None:
        vault = place.vault()
        await vault.add("c1")
        await vault.add("c2")
        rows = {(r.programme, r.kind): r for r in place.rows()["vault_keys"]}
        mine, theirs, private = rows["c1", "shared"], rows["c2", "shared"], rows["c1", "b"]
        change: dict[str, Any] = {
            "bit": {"wrapped": mine.wrapped[:-1] + bytes([mine.wrapped[-1] ^ 1])},
            "short": {"wrapped": b""},
            "couple": {"wrapped": theirs.wrapped},
            "kind": {"wrapped": private.wrapped},
            "id": {"id": "k-0123456789abcdef"},
            "gone": {"kind": "nobody"},
        }[how]
        place.do(lambda db: db.execute(update(KEYS).where(KEYS.c.id == mine.id).values(change)))
        await refused(vault.key("c1", "shared"), Damaged)
        assert (await vault.key("c2", "shared")).id == theirs.id

    @pytest.mark.parametrize("how", ["bit", "person", "couple"])
    async def test_changed_contacts_are_refused(
        self, place: Place, how: Literal["bit", "person", "couple"]
    ) -> None:
        vault = place.vault()
        for programme in ("c1", "c2"):
            await vault.add(programme)
            await vault.put_contacts(programme, "p1", (EMAIL,))
            await vault.put_contacts(programme, "p2", (PAGER,))
        rows = {(r.programme, r.ref): r.sealed for r in place.rows()["vault_contacts"]}
        mine = rows["c1", "p1"]
        sealed = {
            "bit": mine[:-1] + bytes([mine[-1] ^ 1]),
            "person": rows["c1", "p2"],
            "couple": rows["c2", "p1"],
        }
        put = update(CONTACTS).where(CONTACTS.c.programme == "c1", CONTACTS.c.ref == "p1")
        place.do(lambda db: db.execute(put.values(sealed=sealed[how])))
        await refused(vault.contacts("c1", "p1"), Damaged)
        assert await vault.contacts("c1", "p2") == (PAGER,)

    # --- what is told and kept in plain -------------------------------------------------------------------------------

    async def test_no_key_and_no_address_is_in_a_row_a_print_out_an_error_or_a_log_line(
        self, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        vault = place.vault()
        await vault.add("c1")
        await vault.put_contacts("c1", "p1", (EMAIL, PAGER))
        found = await secrets_of(vault, "c1")
        told = [repr(vault), repr(found), repr(await vault.people("c1")), str(await vault.status())]
        told.append(str(place.rows()))
        told.append(await refused(place.vault(NEW).contacts("c1", "p1"), KeyNotAtHand))
        place.do(lambda db: db.execute(update(CONTACTS).values(sealed=b"?")))
        told.append(await refused(vault.contacts("c1", "p1"), Damaged))
        told.append(str(await vault.forget("c1")))
        everything = "\n".join([*told, caplog.text])
        written = OLD.partition(":")[2]
        secret = [form for key in found.values() for form in (key.secret.hex(), repr(key.secret)[2:-1])]
        for canary in ("canary", "4711", written, *secret):
            assert canary not in everything
