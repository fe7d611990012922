"""The vault: each couple's content keys and contacts, how they are kept, given out, and forgotten for good.

Every couple has four keys: three for words (`shared`, and one private to each of the two) and one for its contacts.
They are kept wrapped by a key-encryption key (`wrapping.py`) and bound to their row, so that a row that is moved or
changed does not open. Since contacts are sealed by a key that is itself wrapped, a backup opens nothing once its
key-encryption key is gone. Who may read which words is not decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Row, Table, delete, func, select, update

from duologue.practice.values import Ref
from duologue.vault.contact import Contact
from duologue.vault.database import CONTACTS, COUPLES, KEYS, RECEIPTS, Database
from duologue.vault.errors import (
    BadReference,
    Damaged,
    Forgotten,
    KeyNotAtHand,
    Over,
    UnknownCouple,
    UnknownKey,
    VaultError,
)
from duologue.vault.values import BYTES, ContentKey, ForgetReceipt, Kept, Kind, Opens, Status, new_id
from duologue.vault.wrapping import KeyEncryption, seal, unseal

Clock = Callable[[], datetime]

_T = TypeVar("_T")
_CONTACTS = "contacts"
_KINDS = ("shared", "a", "b", _CONTACTS)
_REF: TypeAdapter[str] = TypeAdapter(Ref)
_SERVICE = timedelta(seconds=20)
"""How long a key service may take for one key, or for the few of a new couple."""
_BATCH = 200
"""Keys that are wrapped anew in one transaction."""


def utc_now() -> datetime:
    """The moment it is."""
    return datetime.now(UTC)


class Vault:
    """Keys and contacts of couples, in a database. Its methods may be called from any task, thread or process."""

    def __init__(self, database: Database, keys: KeyEncryption, now: Clock = utc_now) -> None:
        self._database = database
        self._keys = keys
        self._now = now
        self._untidy = False

    @classmethod
    def at(cls, url: str, keys: KeyEncryption, now: Clock = utc_now) -> Self:
        """The vault at `url`: `sqlite:///vault.db`, or `postgresql://…`. It is opened when it is used.

        Raises `VaultAway` for a URL that is neither.
        """
        return cls(Database(url), keys, now)

    def __repr__(self) -> str:
        return f"Vault({self._database!r}, {self._keys!r})"

    async def close(self) -> None:
        """Let go of the database. The vault may be used again afterwards."""
        await asyncio.to_thread(self._database.close)

    # --- couples and their keys ---------------------------------------------------------------------------------------

    async def add(self, programme: str, forget_after: timedelta | None = None) -> None:
        """Take a couple in, with new keys. A repeat changes no key; it takes over `forget_after` if that is given.

        Raises `Forgotten`: what was forgotten does not come back under the same id; and `Over` once the end is noted.
        """
        after = _seconds(forget_after)

        def work(db: Connection) -> None:
            row = {"programme": programme, "created": int(self._now().timestamp()), "forget_after": after}
            insert = self._database.insert(COUPLES).values(row).on_conflict_do_nothing()
            new = db.execute(insert, execution_options={"preserve_rowcount": True}).rowcount
            # Only now, since this insert has waited for a forgetting that was under way.
            if _receipt(db, programme) is not None:
                raise Forgotten(programme)
            if new:
                db.execute(KEYS.insert(), wrapped)
                return
            found = _couple(db, programme)
            if found is not None and found.ended is not None:
                raise Over(programme)
            if after is not None:
                db.execute(update(COUPLES).where(_is(programme)).values(forget_after=after))

        _check(programme)
        known = await self.knows(programme)
        # A key service may take its time: it is asked while no transaction is open.
        wrapped = [] if known else await self._asked(self._keys.current, lambda: self._new_keys(programme))
        await self._write(work)

    async def knows(self, programme: str) -> bool:
        """Whether the couple is in the vault. Raises `Forgotten`."""

        def work(db: Connection) -> bool:
            found = _couple(db, programme) is not None
            if not found and _receipt(db, programme) is not None:
                raise Forgotten(programme)
            return found

        return await self._read(work)

    async def key(self, programme: str, kind: Kind) -> ContentKey:
        """The couple's content key of that kind. Raises `UnknownCouple`, `Forgotten`, `KeyNotAtHand`, `Damaged`."""
        return await self._content_key(programme, KEYS.c.kind == kind, Damaged(kind))

    async def key_by_id(self, programme: str, key_id: str) -> ContentKey:
        """The couple's content key of that id, as it stands beside a sealed text. Raises `UnknownKey` too."""
        return await self._content_key(programme, KEYS.c.id == key_id, UnknownKey(key_id))

    async def _content_key(self, programme: str, which: Any, lacking: VaultError) -> ContentKey:  # noqa: ANN401 - a clause of SQLAlchemy
        asked = select(KEYS).where(KEYS.c.programme == programme, which, KEYS.c.kind != _CONTACTS)

        def work(db: Connection) -> Row[Any]:
            _known(db, programme)
            row = db.execute(asked).one_or_none()
            if row is None:
                raise lacking
            return row

        row = await self._read(work)
        secret = await self._open(row)
        return ContentKey(row.id, cast("Kind", row.kind), secret)

    # --- contacts -----------------------------------------------------------------------------------------------------

    async def put_contacts(self, programme: str, ref: str, contacts: tuple[Contact, ...]) -> None:
        """Keep how a person is reached, in place of what was kept before. None at all: by no way, from now on.

        Raises `UnknownCouple`, `Forgotten`, `KeyNotAtHand`, `Damaged`.
        """
        _check(programme, ref)
        listed = json.dumps([contact.model_dump() for contact in contacts], ensure_ascii=False)
        key = await self._contacts_key(programme)
        sealed = seal(key, listed.encode(), _about(_CONTACTS, programme, ref))

        def work(db: Connection) -> None:
            _known(db, programme, hold=True)
            row = {"programme": programme, "ref": ref, "sealed": sealed}
            put = self._database.insert(CONTACTS).values(row)
            db.execute(
                put.on_conflict_do_update(index_elements=["programme", "ref"], set_={"sealed": sealed})
            )

        await self._write(work)

    async def contacts(self, programme: str, ref: str) -> tuple[Contact, ...] | None:
        """How a person is reached; None where nothing is kept of that person, or there is no such couple.

        Raises `Forgotten`, `KeyNotAtHand`, `Damaged`.
        """
        return (await self._people(programme, CONTACTS.c.ref == ref)).get(ref)

    async def people(self, programme: str) -> dict[str, tuple[Contact, ...]]:
        """All of a couple's contacts by reference. Raises `UnknownCouple` and what `contacts` does."""
        await self._read(lambda db: _known(db, programme))
        return await self._people(programme)

    async def _people(self, programme: str, *which: Any) -> dict[str, tuple[Contact, ...]]:  # noqa: ANN401 - clauses of SQLAlchemy
        asked = select(CONTACTS).where(CONTACTS.c.programme == programme, *which).order_by(CONTACTS.c.ref)

        def work(db: Connection) -> list[Row[Any]]:
            if _couple(db, programme) is None and _receipt(db, programme) is not None:
                raise Forgotten(programme)
            return list(db.execute(asked))

        rows = await self._read(work)
        key = await self._contacts_key(programme) if rows else b""
        return {row.ref: _opened(key, row) for row in rows}

    async def _contacts_key(self, programme: str) -> bytes:
        asked = select(KEYS).where(KEYS.c.programme == programme, KEYS.c.kind == _CONTACTS)

        def work(db: Connection) -> Row[Any] | None:
            _known(db, programme)
            return db.execute(asked).one_or_none()

        row = await self._read(work)
        if row is None:
            raise Damaged(_CONTACTS)
        return await self._open(row)

    # --- forgetting ---------------------------------------------------------------------------------------------------

    async def forget(self, programme: str, *, unknown: bool = False) -> ForgetReceipt:
        """Delete all that is kept of a couple, and see that it is gone. A repeat gives the receipt of the first time.

        Raises `UnknownCouple`, unless also an `unknown` one is to have a receipt: of nothing.
        """

        def work(db: Connection) -> None:
            # First the lock: whoever is adding to this couple is waited for, and what comes later finds nobody.
            if db.execute(_one(programme).with_for_update()).one_or_none() is None:
                if _receipt(db, programme) is not None:
                    return
                if not unknown:
                    raise UnknownCouple(programme)
            contacts, keys = (
                db.execute(delete(table).where(table.c.programme == programme)).rowcount
                for table in (CONTACTS, KEYS)
            )
            db.execute(delete(COUPLES).where(_is(programme)))
            at = int(self._now().timestamp())
            row = {"programme": programme, "at": at, "keys": keys, "contacts": contacts}
            db.execute(RECEIPTS.insert().values(row))

        def verified(db: Connection) -> Row[Any]:
            left = sum(_count(db, t, t.c.programme == programme) for t in (COUPLES, KEYS, CONTACTS))
            receipt = _receipt(db, programme)
            if left or receipt is None:
                raise VaultError(f"{left} rows of this couple are still there.", "Forget it again.")
            return receipt

        await self._write(work)
        await self._sweep()
        found = await self._read(verified)
        return ForgetReceipt(programme, _instant(found.at), found.keys, found.contacts)

    async def tidy(self) -> None:
        """Sweep up what a forgetting of before has left in the database's files, if that failed then."""
        if self._untidy:
            self._untidy = False
            await self._sweep()

    async def ended(self, programme: str, at: datetime | None, forget_after: timedelta | None = None) -> None:
        """Note that a programme ended at that instant, with what its policy says of forgetting; None: it runs again."""
        seen = None if at is None else int(at.timestamp())
        changes = {"ended": seen, "forget_after": _seconds(forget_after)}
        await self._write(lambda db: db.execute(update(COUPLES).where(_is(programme)).values(changes)))

    async def kept(self) -> tuple[Kept, ...]:
        """Every couple that has not been forgotten."""
        rows = await self._read(lambda db: list(db.execute(select(COUPLES).order_by(COUPLES.c.programme))))
        return tuple(
            Kept(
                row.programme,
                _instant(row.created),
                None if row.forget_after is None else timedelta(seconds=row.forget_after),
                None if row.ended is None else _instant(row.ended),
            )
            for row in rows
        )

    async def due(self) -> tuple[Kept, ...]:
        """Those that are to be forgotten by now."""
        now = self._now()
        return tuple(each for each in await self.kept() if each.until is not None and each.until <= now)

    # --- key-encryption keys ------------------------------------------------------------------------------------------

    async def rewrap(self) -> int:
        """Wrap by the current key-encryption key whatever another one wraps; says how many keys that were.

        What cannot be unwrapped stays as it is and hinders nothing else; when the rest is done, the first such trouble
        is raised (`KeyNotAtHand`, `Damaged`).
        """
        return await asyncio.to_thread(self._rewrap)

    async def status(self) -> Status:
        """How much is kept, and by which keys it is wrapped."""

        def work(db: Connection) -> tuple[list[int], dict[str, int], list[Row[Any]]]:
            counts = [_count(db, table) for table in (COUPLES, CONTACTS, RECEIPTS)]
            by_key = select(KEYS.c.kek, func.count(), func.min(KEYS.c.id)).group_by(KEYS.c.kek)
            found = db.execute(by_key.order_by(KEYS.c.kek)).all()
            samples = db.execute(select(KEYS).where(KEYS.c.id.in_([sample for _, _, sample in found])))
            return counts, {kek: count for kek, count, _ in found}, list(samples)

        counts, wrapped, samples = await self._read(work)
        opens = {row.kek: await asyncio.to_thread(self._opens, row) for row in samples}
        couples, contacts, forgotten = counts
        return Status(couples, contacts, forgotten, self._keys.current, wrapped, opens)

    def _rewrap(self) -> int:
        current, done, trouble, last = self._keys.current, 0, None, ""
        while True:
            asked = (
                select(KEYS).where(KEYS.c.kek != current, KEYS.c.id > last).order_by(KEYS.c.id).limit(_BATCH)
            )
            rows = self._database.run(lambda db, asked=asked: list(db.execute(asked)))  # type: ignore[misc]
            if not rows:
                break
            last = rows[-1].id
            changes = []
            for row in rows:
                try:
                    kek, blob = self._wrapped(self._unwrapped(row), _about_key(row))
                except (KeyNotAtHand, Damaged) as error:
                    trouble = trouble or error
                    continue
                # Only if it is still as it was read: another process may be at the same.
                same = update(KEYS).where(KEYS.c.id == row.id, KEYS.c.wrapped == row.wrapped)
                changes.append(same.values(kek=kek, wrapped=blob))
            done += self._database.run(
                lambda db, changes=changes: sum(db.execute(c).rowcount for c in changes),  # type: ignore[misc]
                writing=True,
            )
        if done:
            self._database.sweep()
        if trouble is not None:
            raise trouble
        return done

    # --- helpers ------------------------------------------------------------------------------------------------------

    async def _read(self, work: Callable[[Connection], _T]) -> _T:
        return await self._database.answer(work)

    async def _write(self, work: Callable[[Connection], _T]) -> _T:
        return await self._database.answer(work, writing=True)

    async def _sweep(self) -> None:
        try:
            await asyncio.to_thread(self._database.sweep)
        except BaseException:
            self._untidy = True
            raise

    def _new_keys(self, programme: str) -> list[dict[str, object]]:
        """New keys of all kinds, as rows."""
        rows: list[dict[str, object]] = []
        for kind in _KINDS:
            key_id = new_id()
            kek, blob = self._wrapped(secrets.token_bytes(BYTES), _about("key", programme, kind, key_id))
            rows.append({"id": key_id, "programme": programme, "kind": kind, "wrapped": blob, "kek": kek})
        return rows

    async def _open(self, row: Row[Any]) -> bytes:
        return await self._asked(row.kek, lambda: self._unwrapped(row))

    async def _asked(self, key_id: str, work: Callable[[], _T]) -> _T:
        """What a key service answers. One that stands still is not waited for for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SERVICE.total_seconds()):
                return await asyncio.to_thread(work)
        raise KeyNotAtHand(key_id, "The key service does not answer.")

    def _wrapped(self, plain: bytes, about: bytes) -> tuple[str, bytes]:
        return _told(self._keys.current, lambda: self._keys.wrap(plain, about))

    def _unwrapped(self, row: Row[Any]) -> bytes:
        return _told(row.kek, lambda: self._keys.unwrap(row.kek, row.wrapped, _about_key(row)))

    def _opens(self, row: Row[Any]) -> Opens:
        try:
            self._unwrapped(row)
        except KeyNotAtHand:
            return "not_at_hand"
        except Damaged:
            return "no"
        return "yes"


def _told(key_id: str, work: Callable[[], _T]) -> _T:
    try:
        return work()
    except VaultError:
        raise
    except Exception as error:  # noqa: BLE001 - a key service's own, which may repeat anything
        failed = type(error).__name__
    raise KeyNotAtHand(key_id, f"The key service fails ({failed}).")


def _about(*what: str) -> bytes:
    """What a sealed thing is for. None of the parts can hold a stroke."""
    return "|".join(("duologue.vault.1", *what)).encode()


def _about_key(row: Row[Any]) -> bytes:
    return _about("key", row.programme, row.kind, row.id)


def _opened(key: bytes, row: Row[Any]) -> tuple[Contact, ...]:
    """The contacts in a row. It was sealed by us, and so it reads."""
    plain = unseal(key, row.sealed, _about(_CONTACTS, row.programme, row.ref), key_id=_CONTACTS)
    return tuple(Contact.model_validate(each) for each in json.loads(plain))


def _count(db: Connection, table: Table, *which: Any) -> int:  # noqa: ANN401 - clauses of SQLAlchemy
    return db.execute(select(func.count()).select_from(table).where(*which)).scalar_one()


def _is(programme: str) -> Any:  # noqa: ANN401 - a clause of SQLAlchemy
    return COUPLES.c.programme == programme


def _one(programme: str) -> Any:  # noqa: ANN401 - a select of SQLAlchemy
    return select(COUPLES).where(_is(programme))


def _couple(db: Connection, programme: str) -> Row[Any] | None:
    return db.execute(_one(programme)).one_or_none()


def _known(db: Connection, programme: str, *, hold: bool = False) -> None:
    """Raises unless the couple is there. With `hold` it cannot be forgotten until the transaction has ended."""
    asked = _one(programme).with_for_update(read=True) if hold else _one(programme)
    if db.execute(asked).one_or_none() is None:
        raise UnknownCouple(programme) if _receipt(db, programme) is None else Forgotten(programme)


def _receipt(db: Connection, programme: str) -> Row[Any] | None:
    return db.execute(select(RECEIPTS).where(RECEIPTS.c.programme == programme)).one_or_none()


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _check(*refs: str) -> None:
    try:
        for ref in refs:
            _REF.validate_python(ref)
    except ValidationError:
        raise BadReference from None
