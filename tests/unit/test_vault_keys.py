"""Key-encryption keys: how they are written, kept in a file, and used. Properties of the wrapping stand here too."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.vault import BadKeys, Damaged, KeyEncryption, KeyFile, KeyNotAtHand, LocalKeys
from tests.support.vaults import NEW, NEW_ID, OLD, OLD_ID, alone, keys

BYTES = st.binary(max_size=200)


@given(plain=BYTES, about=BYTES)
def test_what_was_wrapped_comes_back(plain: bytes, about: bytes) -> None:
    key_id, blob = keys(OLD).wrap(plain, about)
    assert key_id == OLD_ID
    assert keys(NEW, OLD).unwrap(key_id, blob, about) == plain
    assert keys(OLD).wrap(plain, about)[1] != blob, "never twice the same"


@given(plain=BYTES, about=BYTES, other=BYTES, bit=st.integers(min_value=0))
def test_whatever_is_changed_does_not_open(plain: bytes, about: bytes, other: bytes, bit: int) -> None:
    ring = keys(OLD, f"other:{NEW.partition(':')[2]}")
    key_id, blob = ring.wrap(plain, about)
    changed = bytearray(blob)
    changed[bit // 8 % len(blob)] ^= 1 << bit % 8
    for wrong in ((key_id, bytes(changed), about), (key_id, blob[:-1], about), ("other", blob, about)):
        with pytest.raises(Damaged) as raised:
            ring.unwrap(*wrong)
        assert alone(raised.value)
    if other != about:
        with pytest.raises(Damaged):
            ring.unwrap(key_id, blob, other)


@given(
    text=st.text(max_size=80), place=st.sampled_from(["{0}{1}", "{1}{0}", "{1}:{0}", "{0},{1}", "{1},{0}"])
)
def test_a_key_is_never_repeated_wherever_it_was_written(text: str, place: str) -> None:
    secret = OLD.partition(":")[2]
    try:
        LocalKeys.parse(place.format(text, secret))
    except BadKeys as error:
        said = str(error)
    else:
        said = ""
    assert secret not in said


def test_keys_are_written_on_a_line_or_on_several_with_remarks() -> None:
    ring = LocalKeys.parse(f"# the new one\n{NEW}  # since Monday\n\n{OLD},")
    assert (ring.current, repr(ring)) == (NEW_ID, f"LocalKeys({NEW_ID}, {OLD_ID})")
    assert LocalKeys.parse(f"{NEW},{OLD}").current == NEW_ID
    as_others_write = OLD.replace("-", "+").replace("_", "/").replace("kek+old", "kek-old") + "="
    assert LocalKeys.parse(as_others_write).unwrap(*keys(OLD).wrap(b"secret", b""), b"") == b"secret"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "There is no key-encryption key"),
        ("# nothing", "There is no key-encryption key"),
        (OLD.partition(":")[2], "key 1 has no id"),
        (":".join(reversed(OLD.split(":"))), "key 1 has no id"),
        (f"{NEW},{OLD},{OLD}", "key 3 has the id of another"),
        ("short:Y2FuYXJ5", "key 1 is not 32 bytes in base64url"),
        (f"{NEW},{OLD[:-1]}?", "key 2 is not 32 bytes in base64url"),
    ],
)
def test_what_cannot_be_used_says_which_and_repeats_no_key(text: str, says: str) -> None:
    with pytest.raises(BadKeys, match=says) as raised:
        LocalKeys.parse(text)
    assert alone(raised.value)
    assert OLD.partition(":")[2][:20] not in str(raised.value)
    assert "Y2Fu" not in str(raised.value)


# --- a file -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "vault.keys"


async def test_of_many_who_begin_a_file_at_once_one_does_and_all_find_the_same(path: Path) -> None:
    begun = await asyncio.gather(*(asyncio.to_thread(KeyFile(path).begin) for _ in range(8)))
    assert sorted(begun) == [False] * 7 + [True]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["vault.keys"]
    assert KeyFile(path).current == LocalKeys.parse(path.read_text()).current


def test_a_file_is_read_again_when_it_has_changed(path: Path) -> None:
    file = KeyFile(path)
    file.begin()
    port: KeyEncryption = file
    first = port.current
    wrapped = port.wrap(b"secret", b"about")
    second = KeyFile(path).rotate()
    assert (port.current, second != first) == (second, True)
    assert port.unwrap(*wrapped, b"about") == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text().splitlines()
    path.write_text(lines[0] + "\n")
    with pytest.raises(KeyNotAtHand, match=first):
        port.unwrap(*wrapped, b"about")
    path.write_text("\n".join(lines))
    assert port.unwrap(*wrapped, b"about") == b"secret"


def test_a_file_that_others_may_read_is_refused(path: Path) -> None:
    file = KeyFile(path)
    file.begin()
    os.chmod(path, 0o640)  # noqa: PTH101 - as somebody else would
    with pytest.raises(BadKeys, match=f"chmod 600 {path}"):
        file.wrap(b"", b"")
    path.chmod(0o600)
    assert file.wrap(b"", b"")[0] == file.current


def test_a_file_that_is_gone_or_broken_is_refused_until_it_is_back(path: Path) -> None:
    file = KeyFile(path)
    file.begin()
    key_id, blob = file.wrap(b"secret", b"")
    text = path.read_text()
    for broken in (b"\xff\xfe", b"canary", b""):
        path.write_bytes(broken)
        with pytest.raises(BadKeys) as raised:
            file.unwrap(key_id, blob, b"")
        assert "canary" not in str(raised.value)
    path.unlink()
    with pytest.raises(BadKeys, match="DUOLOGUE_VAULT_KEYS_FILE"):
        file.rotate()
    path.touch(0o600)
    path.write_text(text)
    assert file.unwrap(key_id, blob, b"") == b"secret"


def test_a_key_is_taken_out_of_a_file_and_all_else_in_it_stays(path: Path) -> None:
    third = f"third:{NEW.partition(':')[2]}"
    text = f"# ours\n{NEW}  # of March\n{OLD}, {third}  # two\n"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    file = KeyFile(path)
    for key in (NEW_ID, "kek-none"):
        with pytest.raises(BadKeys):
            file.retire(key)
        assert path.read_text() == text
    file.retire(OLD_ID)
    assert path.read_text() == f"# ours\n{NEW}  # of March\n{third}  # two\n"
    file.retire("third")
    assert path.read_text() == f"# ours\n{NEW}  # of March\n"
    assert file.keys().ids == (NEW_ID,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_of_many_keys_that_are_put_first_at_once_none_is_lost(path: Path) -> None:
    KeyFile(path).begin()
    first = KeyFile(path).current
    made = await asyncio.gather(*(asyncio.to_thread(KeyFile(path).rotate) for _ in range(20)))
    assert len(set(made)) == 20
    assert set(KeyFile(path).keys().ids) == {first, *made}
    assert [each.name for each in path.parent.iterdir()] == ["vault.keys"]


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """All files belong to whoever runs the test, but seem to be somebody else's; to whom new ones were given."""
    given: list[tuple[int, int]] = []
    real = os.stat

    def stat_of(path: Path, **more: bool) -> os.stat_result:
        found = list(real(path, **more))
        found[stat.ST_UID], found[stat.ST_GID] = 4711, 4712
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", stat_of)
    monkeypatch.setattr(os, "fchown", lambda _, uid, gid: given.append((uid, gid)))
    return given


def test_a_changed_file_stays_its_owners(path: Path, foreign: list[tuple[int, int]]) -> None:
    file = KeyFile(path)
    file.begin()
    assert foreign == []
    old = file.current
    path.chmod(0o400)
    file.rotate()
    file.retire(old)
    assert foreign == [(4711, 4712)] * 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_a_file_that_is_reached_by_a_link_is_changed_where_it_is(path: Path, tmp_path: Path) -> None:
    """Else those who read it by its own name would not have the key that all is wrapped by from now on."""
    file, link = KeyFile(path), tmp_path / "link"
    file.begin()
    link.symlink_to(path)
    current = KeyFile(link).rotate()
    assert link.is_symlink()
    assert file.current == current


def test_a_key_outlasts_a_power_failure_before_anything_is_wrapped_by_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[str] = []

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            settled.append(path.read_text())

    monkeypatch.setattr(os, "fsync", fsync)
    file = KeyFile(path)
    file.begin()
    assert settled == [path.read_text()]
    file.rotate()
    assert settled[1:] == [path.read_text()]


@pytest.mark.usefixtures("foreign")
def test_a_file_that_its_owner_could_not_read_any_more_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_permitted(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", not_permitted)
    file = KeyFile(path)
    file.begin()
    before = path.read_text()
    with pytest.raises(BadKeys, match=r"sudo -u #?4711"):
        file.rotate()
    assert path.read_text() == before
    assert not file.begin()
    assert [each.name for each in path.parent.iterdir()] == ["vault.keys"]
