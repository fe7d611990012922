"""A terminal plays both partners, against a real server."""

import asyncio
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal, python
from tests.support.programmes import quiet_hours_away, until

ASIDE = {"hold_on", "time_out", "stop", "extend", "defer_switch"}
WORDLESS = {"ready", "confirm", "no_more", "switch"}


async def enrolled(online: Terminal) -> str:
    """A programme whose first session can be checked in to."""
    programme, file = online.file()
    assert programme in (await online("start", str(file))).out
    for by in ("a", "b"):
        await online("consent", programme, "--by", by)
        asked = (await online("show", programme, "--as", by)).out
        assert f"duologue reply {programme} --by {by} intake.{by}1 --all-yes" in asked
        await online("reply", programme, "--by", by, f"intake.{by}1", "--all-yes")

    async def open_() -> bool:
        return (await online("show", programme, "--as", "a", "--json")).data["dialogue"] is not None

    await until(open_, "the first session")
    return programme


async def act(online: Terminal, programme: str) -> str | None:
    """Whoever's turn it is takes it, with the first act that moves the dialogue on. None: it is over."""
    for by in ("a", "b"):
        view = (await online("show", programme, "--as", by, "--json")).data
        if view["ending"]:
            return None
        if view["dialogue"] and view["dialogue"]["your_turn"]:
            acts = [a["act"] for a in view["dialogue"]["acts"] if a["act"] not in ASIDE]
            chosen = "no_more" if "no_more" in acts else acts[0]
            words = () if chosen in WORDLESS else (f"words of {by}",)
            said = await online("turn", programme, "--by", by, chosen, *words)
            assert said.out.startswith(f"Done: turn {chosen} (number ")
            return str(chosen)
    pytest.fail("it is nobody's turn")


async def test_a_terminal_plays_both_partners_to_the_end(online: Terminal, tmp_path: Path) -> None:
    programme = await enrolled(online)
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        watching = await asyncio.create_subprocess_exec(
            *python(), "watch", programme, "--interval", "0.1", "--all", stdout=out, stderr=err
        )
    taken: list[str] = []
    while (one := await act(online, programme)) is not None:
        taken.append(one)
    half = [*("send", "mirror", "confirm") * 2, "no_more"]
    assert taken == ["ready", "ready", *half, "switch", "switch", *half, "appreciate", "appreciate"]

    ops = (await online("show", programme)).out
    assert "completed: completed" in ops
    assert "words of" not in ops
    assert "1 done" in ops
    last = (await online("show", programme, "--as", "a")).out.partition("Said last, in session 1")[2]
    assert "b appreciate: \u201cwords of b\u201d" in last
    ended = await online("turn", programme, "--by", "a", "ready", code=1)
    assert "has ended (completed)" in ended.err
    assert "had ended before (completed)" in (await online("cancel", programme, "--yes", code=1)).err
    assert f"duologue show {programme}" in ended.err
    found = (await online("list", "--stage", "completed", "--json")).data
    assert [p["stage"] for p in found if p["programme"] == programme] == ["completed"]

    assert await asyncio.wait_for(watching.wait(), 20) == 0
    assert (tmp_path / "err").read_text() == ""
    said = (tmp_path / "out").read_text()
    assert "\x1b" not in said
    lines = said.splitlines()
    assert lines[-1] == "Over: completed. Sessions: 1 done."
    seqs = [int(line.split()[3]) for line in lines[1:-1] if not line.startswith("…")]
    assert seqs == sorted(set(seqs))
    journal = (await online("show", programme, "--json")).data["seq"]
    assert seqs[-1] == journal


async def test_refusals_say_why_and_what_to_do(online: Terminal) -> None:
    programme = await enrolled(online)
    early = await online("turn", programme, "--by", "a", "send", "too early", code=1)
    assert early.out == ""
    assert early.err.splitlines()[0].startswith("Refused (out_of_turn): ")
    assert f"duologue show {programme} --as a" in early.err
    as_json = await online("turn", programme, "--by", "a", "send", "too early", "--json", code=1)
    told = json.loads(as_json.err)
    assert (told["error"], told["reason"]) == ("refused", "out_of_turn")
    assert set(told) == {"error", "reason", "message", "remedy"}
    unknown = await online("reply", programme, "--by", "a", "nothing.1", "yes", code=1)
    assert unknown.err.startswith("Refused (unknown_question): ")
    large = await online("note", programme, "--by", "a", "x" * 5000, code=1)
    assert large.err.startswith("Refused (malformed): words: ")
    assert "duologue note --help" in large.err
    assert "xxxx" not in large.err
    nobody = await online("show", "nobody-of-this-id", code=1)
    assert "no programme 'nobody-of-this-id'" in nobody.err


async def test_ids_signals_and_receipts(online: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    programme = await enrolled(online)
    once = await online("turn", programme, "--by", "a", "ready", "--id", "once", "--json")
    again = await online("turn", programme, "--by", "a", "ready", "--id", "once", "--json")
    assert once.data == again.data
    assert once.data["command_id"] == "once"
    signal = await online("turn", programme, "--by", "b", "ready", "--signal", "--id", "signalled")
    assert f"duologue show {programme} --as b --receipt signalled" in signal.out

    async def applied() -> bool:
        shown = await online("show", programme, "--as", "b", "--receipt", "signalled")
        return "Command signalled: applied (number " in shown.out

    await until(applied, "the signal")
    hostile = "\x1b[31mred\x07 \u202eabc\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(hostile))
    await online("turn", programme, "--by", "a", "send", "--words", "-")
    shown = await online("show", programme, "--as", "b")
    assert "\ufffd[31mred\ufffd \ufffdabc" in shown.out
    assert "your turn" in shown.out
    as_json = await online("show", programme, "--as", "b", "--json")
    assert as_json.data["dialogue"]["said"]["text"] == hostile.strip()
    view = await online("show", programme, "--as", "facilitator")
    assert "red" not in view.out


async def test_a_booked_session_is_moved_to_one_of_the_times_that_are_shown(online: Terminal) -> None:
    programme = await enrolled(online)
    before = (await online("show", programme, "--as", "a", "--json")).data["sessions"][0]
    assert list(before["proposals"]) == ["1", "2", "3"]
    shown = (await online("show", programme, "--as", "a")).out
    assert "Session 1 can be moved:" in shown
    assert f"duologue reschedule {programme} --by a 1 --proposal 2" in shown
    await online("reschedule", programme, "--by", "a", "1", "--proposal", "2")

    async def moved() -> bool:
        now = (await online("show", programme, "--as", "b", "--json")).data["sessions"][0]
        return bool(now["start"] == before["proposals"]["2"])

    await until(moved, "the session to have its new time")


async def test_every_other_verb_reaches_the_programme(online: Terminal) -> None:
    programme, away = await enrolled(online), quiet_hours_away()
    quiet = f"{away.start}-{away.end}"
    sent = [
        ("note", "--by", "a", "a note", "--shared"),
        ("adjust", "--by", "b", "--quiet", quiet, "--opt-in", "story=yes", "--zone", "Europe/Lisbon"),
        ("reschedule", "--by", "a", "1", "--at", "5h"),
        ("pause", "--by", "b", "--until", "3d", "--reason", "away"),
        ("resume", "--by", "b"),
    ]
    for name, *rest in sent:
        receipt = (await online(name, programme, *rest, "--json")).data
        assert receipt["seq"] > 0
    log = (await online("show", programme, "--as", "b")).out
    assert "a note" in log
    assert "theirs, shared" in log
    paused = (await online("list", "--stage", "paused", "--tenant", "default")).out
    assert programme in paused
    none = (await online("list", "--needs-a-person", "--json")).data
    assert programme not in [p["programme"] for p in none]
    refused = [
        ("ask-dialogue", "--by", "a", "--kind", "mirroring", "--topic", "us"),
        ("acknowledge", "alert-1"),
        ("decide", "go_on"),
    ]
    for name, *rest in refused:
        told = await online(name, programme, *rest, "--json", code=None)
        assert told.code == 0 or json.loads(told.err)["error"] == "refused"
    assert (await online("withdraw", programme, "--by", "a", "--json")).data["seq"]
    assert (await online("show", programme, "--as", "b", "--json")).data["ending"] == "ended"
    late = await online("turn", programme, "--by", "b", "ready", code=1)
    assert "has ended; start a new one" in late.err
    assert f"duologue show {programme} --as b." in late.err
    told = await online("decide", programme, "go_on", "--json", code=1)
    assert "has ended (withdrawn)" in json.loads(told.err)["message"]


async def test_start_says_what_is_wrong_and_takes_another_id(online: Terminal) -> None:
    programme, file = online.file()
    started = (await online("start", str(file), "--id", f"{programme}-2", "--json")).data
    assert started == {
        "programme": f"{programme}-2",
        "workflow_id": f"programme/{programme}-2",
        "tenant": "default",
    }
    again = await online("start", str(file), "--id", f"{programme}-2", "--json", code=1)
    assert json.loads(again.err)["error"] == "already_started"
    odd = await online("show", "caf\udce9", code=2)
    assert "An argument is not UTF-8." in odd.err
    bad = await online("start", str(file), "--id", "someone@example.org", code=2)
    assert "no id" in bad.err


async def test_cancel_asks_first_and_ends_gently(online: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    programme, file = online.file()
    await online("start", str(file))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    kept = await online("cancel", programme, code=1)
    assert "Nothing was done. " not in kept.out
    assert "--yes" in kept.err
    assert (await online("cancel", programme, "--json", code=1)).out == ""
    ended = (await online("cancel", programme, "--yes", "--json")).data
    assert ended["result"]["ending"] == "cancelled"
    assert (await online("cancel", programme, "--yes")).out.startswith(f"Ended: {programme} (cancelled)")


async def test_setup_may_be_repeated(online: Terminal) -> None:
    prepared = (await online("setup", "--json")).data
    assert prepared == {"namespace": "default", "created": False, "added": [], "retention_days": 90}
    assert "all search attributes were there" in (await online("setup")).out
