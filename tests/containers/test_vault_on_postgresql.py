"""The vault on PostgreSQL: the same promises as on SQLite, on a real server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count

import psycopg
import pytest
from testcontainers.core.container import DockerContainer

from duologue.vault import VaultAway, database
from tests.support.vaults import Place, VaultCase, alone

pytestmark = pytest.mark.containers

IMAGE, PORT, USER, PASSWORD = "postgres:15", 5432, "duologue", "canary-password"
_PATIENCE = 60.0
_numbers = count()


@pytest.fixture(scope="module")
def server() -> Iterator[DockerContainer]:
    """PostgreSQL in a container, once it answers."""
    told = {"POSTGRES_USER": USER, "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "vault"}
    container = DockerContainer(IMAGE).with_exposed_ports(PORT)
    for name, value in told.items():
        container.with_env(name, value)
    with container:
        _until_answering(lambda: url_of(container))
        yield container


def url_of(container: DockerContainer) -> str:
    where = f"{container.get_container_host_ip()}:{container.get_exposed_port(PORT)}"
    return f"postgresql://{USER}:{PASSWORD}@{where}/vault"


def _until_answering(url: Callable[[], str]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            psycopg.connect(url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "no PostgreSQL answers"
        else:
            return
        time.sleep(0.1)


@pytest.fixture
async def place(server: DockerContainer) -> AsyncIterator[Place]:
    """Tables of its own for each test."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(url_of(server), autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {name}")
    place = Place(f"{url_of(server)}?options=-csearch_path%3D{name}")
    yield place
    await place.leave()


class TestOnPostgreSQL(VaultCase):
    """All of it."""


async def test_workers_that_begin_at_once_make_the_tables_once(place: Place) -> None:
    vaults = [place.vault() for _ in range(8)]
    await asyncio.gather(*(vault.add(f"c{n}") for n, vault in enumerate(vaults)))
    assert (await vaults[0].status()).couples == 8


async def test_whoever_tidies_a_table_holds_up_no_forgetting(place: Place) -> None:
    vault = place.vault()
    await vault.add("c1")
    with psycopg.connect(place.url) as other:
        other.execute("LOCK TABLE vault_keys IN SHARE UPDATE EXCLUSIVE MODE")
        async with asyncio.timeout(_PATIENCE):
            assert (await vault.forget("c1")).keys == 4


async def test_while_the_server_is_away_it_says_so_and_afterwards_goes_on(
    server: DockerContainer, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT", 2)
    vault = place.vault()
    await vault.add("c1")
    before = await vault.key("c1", "a")
    with psycopg.connect(url_of(server), autocommit=True) as admin:
        # As a restart does: the connection that the vault keeps is a dead one now.
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert await vault.key("c1", "a") == before
    engine = server.get_wrapped_container()
    await asyncio.to_thread(engine.pause)
    try:
        with pytest.raises(VaultAway, match="does not answer"):
            await vault.key("c1", "a")
        with pytest.raises(VaultAway, match="OperationalError") as raised:
            await place.vault().key("c1", "a")
    finally:
        await asyncio.to_thread(engine.unpause)
    assert alone(raised.value)
    assert PASSWORD not in str(raised.value) + repr(vault)
    assert await vault.key("c1", "a") == before
