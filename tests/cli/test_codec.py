"""The service keys from the terminal, and what a command says that has none."""

import asyncio
import signal
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from temporalio.client import Client as TemporalClient

from duologue.codec import KeyRing
from duologue.vault import BadKeys, held
from duologue.worker import keys
from tests.cli.conftest import Terminal, python
from tests.cli.test_up import environment, lines_until, run, started
from tests.support.programmes import Desk, a_plan, client_of, with_codec, working
from tests.support.servers import settings_in


async def test_keys_are_made_added_and_used_and_never_shown(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    made = (await terminal("codec-keys", "new", str(file), "--json")).data
    assert file.stat().st_mode & 0o777 == 0o600
    added = (await terminal("codec-keys", "add", str(file), "--scope", "ops", "--json")).data
    assert added["ops"][0] == made["ops"][0]
    assert added["safeguarding"] == made["safeguarding"]
    used = (await terminal("codec-keys", "use", str(file), "--json")).data
    assert used["ops"] == added["ops"][::-1]
    assert file.stat().st_mode & 0o777 == 0o600
    shown = await terminal("codec-keys", "show", str(file))
    assert "encrypts" in shown.out
    assert used["ops"][1] in shown.out
    ring = KeyRing.parse(file.read_text())
    assert used == {
        "file": str(file),
        "ops": list(ring.ids("ops")),
        "safeguarding": list(made["safeguarding"]),
    }
    assert not any(
        line.strip().strip('",') in shown.out for line in file.read_text().splitlines() if "=" in line
    )


async def test_to_use_keys_twice_does_not_go_back_to_those_of_before(
    terminal: Terminal, tmp_path: Path
) -> None:
    """Who rotates because a key is in wrong hands must not come to encrypt with it again."""
    file = str(tmp_path / "keys.json")
    made = (await terminal("codec-keys", "new", file, "--json")).data
    await terminal("codec-keys", "add", file)
    await terminal("codec-keys", "use", file, "--scope", "ops")
    both = (await terminal("codec-keys", "use", file, "--json")).data
    again = await terminal("codec-keys", "use", file)
    assert "Nothing to do" in again.out
    assert (await terminal("codec-keys", "show", file, "--json")).data == both
    for scope in ("ops", "safeguarding"):
        assert both[scope][1:] == made[scope], "the key of before only decrypts"
    await terminal("codec-keys", "add", file)
    third = (await terminal("codec-keys", "use", file, "--json")).data
    assert {third["ops"][0], third["safeguarding"][0]}.isdisjoint([*both["ops"], *both["safeguarding"]])


async def test_of_many_keys_that_are_added_at_once_none_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    assert keys.make(file)
    add = partial(keys.change, file, lambda ring: ring.with_new("ops"))
    await asyncio.gather(*(asyncio.to_thread(add) for _ in range(20)))
    assert len(keys.read(file).ring.ids("ops")) == 21


async def test_keys_that_nobody_could_read_any_more_are_left_alone(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise BadKeys("It is of another user.", "Do it as its owner.")

    file = tmp_path / "keys.json"
    await terminal("codec-keys", "new", str(file))
    before = file.read_text()
    monkeypatch.setattr(held, "_give", refuse)
    assert "as its owner" in (await terminal("codec-keys", "add", str(file), code=1)).err
    assert file.read_text() == before
    assert "no folder" in (await terminal("codec-keys", "new", str(tmp_path / "none" / "k"), code=1)).err


async def test_keys_that_are_there_are_not_written_over(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    await terminal("codec-keys", "new", str(file))
    before = file.read_text()
    again = await terminal("codec-keys", "new", str(file), code=1)
    assert "exists" in again.err
    assert file.read_text() == before


async def test_a_file_that_holds_no_keys_is_named(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    assert "cannot be read" in (await terminal("codec-keys", "show", str(file), code=1)).err
    file.write_text("{}")
    assert "holds no codec keys" in (await terminal("codec-keys", "use", str(file), code=1)).err


async def test_a_command_without_the_keys_says_which_is_missing(
    online: Terminal, embedded_client: TemporalClient
) -> None:
    ring = KeyRing.new()
    client = client_of(with_codec(embedded_client, ring))
    plan = a_plan()
    async with working(client, Desk()):
        await client.start(plan)
        said = await online("show", plan.programme, "--json", code=1)
        assert '"encrypted"' in said.err
        assert ring.ids("ops")[0] in said.err
        assert "DUOLOGUE_CODEC_KEYS" in said.err
        said = await online("pause", plan.programme, "--by", "a", "--concern", code=1)
        assert "Nothing was sent" in said.err
        assert "DUOLOGUE_CODEC_KEYS" in said.err


async def test_the_codec_server_serves_until_it_is_stopped_and_admits_nobody_by_default(
    tmp_path: Path,
) -> None:
    settings, file = settings_in(tmp_path / "data"), tmp_path / "keys.json"
    env = environment(settings)
    code, _, err = await run("codec-server", env=env)
    assert (code, "codec-keys new" in err) == (1, True)
    assert (await run("codec-keys", "new", str(file), env=env))[0] == 0
    env["DUOLOGUE_CODEC_KEYS_FILE"] = str(file)
    code, _, err = await run("codec-server", env=env)
    assert (code, "DUOLOGUE_CODEC_JWT_SECRET" in err) == (1, True)
    async with started(
        *python(), "codec-server", env=env | {"DUOLOGUE_CODEC_JWT_SECRET": "s" * 32}
    ) as process:
        await lines_until(process, "Ready")
        url = f"http://127.0.0.1:{settings.codec_port}/decode"
        async with aiohttp.ClientSession() as session, session.post(url, json={}) as answer:
            assert answer.status == 401
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
