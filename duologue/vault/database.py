"""The vault's database: its tables, and how SQLite and PostgreSQL are opened, written to and swept.

What the rows mean, and every key, is the store's matter. SQLite writes wait for one another; in both, a couple's row is
locked by whoever adds to it, so that nothing can be added to a couple that is being forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    NullPool,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from duologue.vault.errors import VaultAway

_T = TypeVar("_T")
_WAIT = 10
"""Seconds to wait for another process's write, or for a server to answer."""
_LOCK = 0x6475_6F6C
"""The name of PostgreSQL's lock under which the tables are made."""
_URL = (
    "Write sqlite:///path/to/vault.db, or postgresql://user:password@host/database (see DUOLOGUE_VAULT_URL)."
)

_AWAY = "See DUOLOGUE_VAULT_URL, whether it runs, and who may read and write there."

_ALL = MetaData()


def _of_couple(*, key: bool) -> Column[str]:
    couple = ForeignKey("vault_couples.programme", ondelete="CASCADE")
    return Column("programme", String(64), couple, primary_key=key, nullable=False)


COUPLES = Table(
    "vault_couples",
    _ALL,
    Column("programme", String(64), primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("forget_after", BigInteger),
    Column("ended", BigInteger),
)
KEYS = Table(
    "vault_keys",
    _ALL,
    Column("id", String(32), primary_key=True),
    _of_couple(key=False),
    Column("kind", String(16), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("kek", String(200), nullable=False, index=True),
    UniqueConstraint("programme", "kind"),
)
CONTACTS = Table(
    "vault_contacts",
    _ALL,
    _of_couple(key=True),
    Column("ref", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
RECEIPTS = Table(
    "vault_receipts",
    _ALL,
    Column("programme", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("keys", Integer, nullable=False),
    Column("contacts", Integer, nullable=False),
)


class Database:
    """The database at a URL. Nothing is opened before it is used; then its tables are made if they are not there."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except (
            SQLAlchemyError,
            ValueError,
        ):  # of a port that is no number it makes the latter, and quotes it
            raise VaultAway("The vault's URL is none.", _URL) from None
        self._file: Path | None = None
        kind = parsed.get_backend_name()
        if kind == "sqlite" and parsed.database and parsed.database != ":memory:":
            self._file = Path(parsed.database).absolute()
            self._engine = _sqlite(self._file)
        elif kind in ("postgresql", "postgres"):
            self._engine = _postgresql(parsed)
        else:
            raise VaultAway("The vault is kept in a file of SQLite, or in PostgreSQL.", _URL)
        self._made = False
        self._making = threading.Lock()

    def __repr__(self) -> str:
        # A URL may hold a password.
        return f"Database({self._engine.dialect.name})"

    @property
    def insert(self) -> Callable[[Table], Any]:
        """The insert that knows what to do about a conflict: the two have the same, each in its own place."""
        return sqlite.insert if self._file else postgresql.insert

    def run(self, work: Callable[[Connection], _T], *, writing: bool = False) -> _T:
        """Do `work` in one transaction. Raises `VaultAway`; the database's own words may quote a row."""
        return self._told(lambda: self._run(work, writing=writing))

    async def answer(self, work: Callable[[Connection], _T], *, writing: bool = False) -> _T:
        """The same in a thread, and not for ever: a server that stands still keeps its connections. Raises `VaultAway`.

        It may then still be done, once the server goes on; not long after it has waited for somebody's lock.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * _WAIT):
                return await asyncio.to_thread(self.run, work, writing=writing)
        raise VaultAway("The vault's database does not answer.", _AWAY)

    def sweep(self) -> None:
        """Make sure that what was deleted or overwritten is not left in the database's own files."""
        self._told(self._sweep)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def _run(self, work: Callable[[Connection], _T], *, writing: bool) -> _T:
        self._make()
        options: dict[str, Any] = {"writing": writing}
        if not (writing or self._file):
            # What is read twice is the same both times, as it is in SQLite.
            options["isolation_level"] = "REPEATABLE READ"
        with self._engine.execution_options(**options).begin() as connection:
            return work(connection)

    def _sweep(self) -> None:
        self._make()
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            if not self._file:
                # To give disk space back would be to wait for others, and so would be to wait for a table.
                # What a page or the server's log may still hold is wrapped.
                connection.exec_driver_sql(f"VACUUM (TRUNCATE FALSE, SKIP_LOCKED) {', '.join(_ALL.tables)}")
                return
            # It writes the file anew from what is there; `secure_delete` alone is not promised to leave no copy of a
            # row in a page that was rearranged.
            connection.exec_driver_sql("VACUUM")
            _waiting(lambda: _emptied(connection))

    def _make(self) -> None:
        with self._making:
            if self._made:
                return
            if self._file:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
                _close_to_anybody(self._file)
            with self._engine.execution_options(writing=True).begin() as connection:
                if not self._file:
                    # Two that make a table at once disturb each other, even when both say "if not exists".
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                _ALL.create_all(connection)
                _complete(connection)
            self._made = True

    def _told(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            what = f"The vault's database does not do what it is asked ({type(error).__name__})."
        # Out here, so that the database's own error does not hang on ours.
        raise VaultAway(what, _AWAY)


def _close_to_anybody(file: Path) -> None:
    """A file that was restored is often open to everybody. A group may stay: it may be how it is shared."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if os.name == "posix" and mode & 0o007:
        # Whoever is not its owner uses it all the same.
        with contextlib.suppress(PermissionError):
            file.chmod(mode & ~0o007)


def _complete(connection: Connection) -> None:
    """Add the columns that a vault from before lacks: whatever is added may be empty."""
    for table in _ALL.sorted_tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")


def _postgresql(url: URL) -> Engine:
    """An engine for a server. What it does not acknowledge is given up, and so is waiting for a lock to write."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": _WAIT, "tcp_user_timeout": _WAIT * 1000},
        pool_pre_ping=True,
        hide_parameters=True,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writing"):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT}s'")

    return engine


def _sqlite(file: Path) -> Engine:
    """An engine for a file. Connections are not kept: opening one takes a fraction of a millisecond."""

    def connect() -> sqlite3.Connection:
        # A file that has gone must not come back empty, and readable by others.
        uri = f"{file.as_uri()}?mode=rw"
        connection = sqlite3.connect(
            uri, uri=True, timeout=_WAIT, check_same_thread=False, isolation_level=None
        )
        try:
            _wal(connection)
            for setting in ("secure_delete = ON", "foreign_keys = ON", "temp_store = MEMORY"):
                connection.execute(f"PRAGMA {setting}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Whoever means to write says so at once: a reader that turns writer can only fail, not wait.
        options = connection.get_execution_options()
        if options.get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writing") else "BEGIN")

    return engine


def _wal(connection: sqlite3.Connection) -> None:
    """Readers and a writer at once: kept by the file, and so only the first time a change."""
    _waiting(lambda: connection.execute("PRAGMA journal_mode = WAL"))


def _emptied(connection: Connection) -> None:
    """Empty SQLite's log. Raises `VaultAway` while somebody reads from it, or empties it too."""
    if connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar():
        raise VaultAway("The vault is in use, and its log could not be emptied.", "Do the same again later.")


def _waiting(work: Callable[[], object]) -> None:
    """Do what SQLite refuses at once, instead of waiting as it does for everything else, while another is at it."""
    until = time.monotonic() + _WAIT
    while True:
        try:
            work()
        except (sqlite3.OperationalError, VaultAway):
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return
