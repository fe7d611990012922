"""`keys` and `contact`."""

import io
import json
from pathlib import Path

import pytest

from duologue.vault import LocalKeys
from tests.cli.conftest import Terminal

ADDRESS = "canary@example.org"


@pytest.fixture
def file(terminal: Terminal) -> Path:
    return terminal.folder / "data" / "vault.keys"


async def test_a_new_key_is_printed_as_the_setting_takes_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = (await terminal("keys", "new")).out.strip()
    other = (await terminal("keys", "new", "--json")).data["key"]
    assert LocalKeys.parse(f"{line},{other}").current == line.partition(":")[0]
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    missing = await terminal("keys", "status", code=1)
    assert "DUOLOGUE_VAULT_KEYS" in missing.err
    monkeypatch.setenv("DUOLOGUE_VAULT_KEYS", f"{line},{other}")
    assert (await terminal("keys", "status", "--json")).data["current"] == line.partition(":")[0]


async def test_a_key_file_is_made_left_alone_and_rotated(terminal: Terminal) -> None:
    path = terminal.folder / "my.keys"
    assert "Made" in (await terminal("keys", "new", "--file", str(path), "--once")).out
    first = path.read_text()
    assert "Nothing to do" in (await terminal("keys", "new", "--file", str(path), "--once")).out
    assert path.read_text() == first
    data = (await terminal("keys", "new", "--file", str(path), "--json")).data
    assert data == {"file": str(path), "current": LocalKeys.parse(path.read_text()).current, "made": True}
    assert path.read_text().endswith(first)
    assert len(path.read_text().splitlines()) == 2
    assert "--file" in (await terminal("keys", "new", "--once", code=2)).err


async def test_contacts_are_kept_and_shown_without_their_addresses(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await terminal("contact", "c1", "p1", f"email={ADDRESS}", "webhook")
    assert "p1 is reached by email, then webhook" in first.out
    assert "new in the vault" in first.out
    assert "vault.keys" in first.err
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ADDRESS}\n"))
    second = await terminal("contact", "c1", "p2", "email=-", "--json")
    assert second.data == {"programme": "c1", "ref": "p2", "channels": ["email"], "new_couple": False}
    await terminal("contact", "c1", "p3", "--none")
    listed = await terminal("contact", "c1", "--list")
    assert [line.split() for line in listed.out.splitlines()][1:] == [
        ["p1", "email,", "then", "webhook"],
        ["p2", "email"],
        ["p3", "no", "way"],
    ]
    data = await terminal("contact", "c1", "p1", "--list", "--json")
    assert data.data == {"p1": [{"channel": "email"}, {"channel": "webhook"}]}
    for said in (first, second, listed, data):
        assert ADDRESS not in said.out + said.err
    shown = await terminal("contact", "c1", "--list", "--show")
    assert shown.out.count(ADDRESS) == 2
    with_addresses = (await terminal("contact", "c1", "--list", "--show", "--json")).data
    assert with_addresses["p2"] == [{"channel": "email", "address": ADDRESS}]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (("c1",), "--list"),
        (("c1", "p1"), "--list"),
        (("c1", "p1", "webhook", "--none"), "--list"),
        (("c1", "p1", "webhook", "--list"), "--list only shows"),
        (("c1", "p1", "webhook", "--show"), "--show goes with --list"),
        (("c1", "p1", "email=canary"), "this is no e-mail address"),
        (("c1", "p1", "email"), "'email' needs an address"),
        (("c1", "canary@example.org", "webhook"), "A reference is an opaque id"),
        (("canary@example.org", "p1", "webhook"), "A reference is an opaque id"),
        (("c1", "--list"), "The vault knows no couple of a programme 'c1'"),
    ],
)
async def test_what_cannot_be_says_what_to_do_and_repeats_no_address(
    terminal: Terminal, call: tuple[str, ...], says: str
) -> None:
    said = await terminal("contact", *call, code=None)
    assert said.code in (1, 2)
    assert says in said.err
    assert "canary" not in said.err


async def test_a_key_is_rotated_step_by_step(terminal: Terminal, file: Path) -> None:
    await terminal("contact", "c1", "p1", f"email={ADDRESS}")
    old = LocalKeys.parse(file.read_text()).current
    backup = file.read_text()
    assert "all is wrapped by the current key" in (await terminal("keys", "rewrap")).out
    new = (await terminal("keys", "new", "--file", str(file), "--json")).data["current"]
    status = await terminal("keys", "status")
    assert [line.split() for line in status.out.splitlines() if "kek-" in line] == [
        [new, "0", "-", "current"],
        [old, "4", "yes"],
    ]
    assert "duologue keys rewrap" in status.out

    async def refuses(key: str, says: str) -> None:
        refused = json.loads((await terminal("keys", "retire", key, "--json", code=1)).err)
        assert says in refused["message"]
        assert "duologue keys" in refused["remedy"]
        assert len(file.read_text().splitlines()) == 2

    await refuses(old, "still wraps 4 keys")
    await refuses(new, "is the current one")
    assert (await terminal("keys", "rewrap", "--json")).data == {"rewrapped": 4}
    await refuses("kek-x", "no key 'kek-x'")
    assert f"key {old} is no longer in" in (await terminal("keys", "retire", old)).out
    assert len(file.read_text().splitlines()) == 1
    assert (await terminal("keys", "status", "--json")).data == {
        "couples": 1,
        "contacts": 1,
        "forgotten": 0,
        "current": new,
        "wrapped": {new: 4},
        "opens": {new: "yes"},
    }
    file.write_text(backup)
    gone = await terminal("contact", "c1", "--list", "--json", code=1)
    told = json.loads(gone.err)
    assert told["error"] == "key_not_at_hand"
    assert new in told["message"]
    assert "Bring it back" in told["remedy"]
    assert "not at hand" in (await terminal("keys", "status")).out


async def test_no_key_is_retired_by_the_word_of_a_vault_that_it_is_not_for(
    terminal: Terminal, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever names the key file and forgets to name the vault looks into another one, which wraps nothing by it."""
    await terminal("contact", "c1", "p1", "webhook")
    old = LocalKeys.parse(file.read_text()).current
    await terminal("keys", "new", "--file", str(file))
    for other in ("empty", "another"):
        monkeypatch.setenv("DUOLOGUE_VAULT_URL", f"sqlite:///{tmp_path / other}.db")
        if other == "another":
            with monkeypatch.context() as elsewhere:
                elsewhere.setenv("DUOLOGUE_VAULT_KEYS", (await terminal("keys", "new")).out.strip())
                await terminal("contact", "c9", "p9", "webhook")
        if other == "empty":
            assert "DUOLOGUE_VAULT_URL" in (await terminal("keys", "rewrap")).out
        assert "DUOLOGUE_VAULT_URL" in (await terminal("keys", "retire", old, code=1)).err
    monkeypatch.delenv("DUOLOGUE_VAULT_URL")
    assert (await terminal("keys", "status", "--json")).data["opens"] == {old: "yes"}


async def test_keys_that_are_given_by_a_variable_are_retired_there(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = [(await terminal("keys", "new")).out.strip() for _ in "12"]
    key = old.partition(":")[0]
    monkeypatch.setenv("DUOLOGUE_VAULT_KEYS", old)
    await terminal("contact", "c1", "p1", "webhook")
    monkeypatch.setenv("DUOLOGUE_VAULT_KEYS", f"{new},{old}")
    assert "rewrap" in (await terminal("keys", "retire", key, code=1)).err
    await terminal("keys", "rewrap")
    said = await terminal("keys", "retire", key, code=1)
    assert f"take '{key}' out there" in said.err
    monkeypatch.setenv("DUOLOGUE_VAULT_KEYS", new)
    assert (await terminal("keys", "status", "--json")).data["opens"] == {new.partition(":")[0]: "yes"}


async def test_a_backup_opens_nothing_once_its_key_is_retired(terminal: Terminal, file: Path) -> None:
    await terminal("contact", "c1", "p1", f"email={ADDRESS}")
    old = LocalKeys.parse(file.read_text()).current
    kept = file.with_name("vault.db")
    backup = kept.read_bytes()
    await terminal("keys", "new", "--file", str(file))
    await terminal("keys", "rewrap")
    await terminal("keys", "retire", old)
    assert ADDRESS in (await terminal("contact", "c1", "--list", "--show")).out
    kept.write_bytes(backup)
    for beside in file.parent.glob("vault.db-*"):
        beside.unlink()
    assert ADDRESS not in (await terminal("contact", "c1", "--list", "--show", code=1)).out
