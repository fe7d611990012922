"""`seal` and `forget`: words for clients that cannot seal, and a couple that asks to be forgotten."""

import io
import json
from uuid import uuid4

import pytest
from temporalio.client import Client as TemporalClient

from duologue.client import Client, Programme
from duologue.practice.messages import Reason
from duologue.practice.values import Words
from duologue.vault.seal import Kind, Unopenable, open_words
from duologue.worker.settings import Settings
from duologue.worker.vaulting import vault_of
from tests.cli.conftest import Terminal
from tests.cli.test_dialogue import enrolled
from tests.support.programmes import quiet_hours_now
from tests.support.raw import payload, update

WORDS = "the sea was calm that day"


class AtTerminal(io.StringIO):
    """Somebody at the keyboard."""

    def isatty(self) -> bool:
        return True


def raw(temporal: TemporalClient, programme: str) -> Programme:
    """The programme to a client that has no vault."""
    return Client(temporal, plain=True).programme(programme)


async def read(online: Terminal, programme: str, by: str) -> str:
    """What one of the two is shown, as JSON."""
    return (await online("show", programme, "--as", by, "--json")).out


async def test_sealed_words_are_taken_from_another_client_and_open_for_whom_they_are(
    online: Terminal, embedded_client: TemporalClient
) -> None:
    programme = await enrolled(online)
    other = raw(embedded_client, programme)
    for command, more in (
        ("note", {"shared": True}),
        ("ask-dialogue", {"kind": "mirroring"}),
    ):
        command_id = f"c-{uuid4().hex[:8]}"
        said = await online("seal", programme, command, command_id, WORDS, "--by", "a")
        assert said.err == ""
        assert WORDS not in said.out
        name = command.replace("-", "_")
        sent = json.dumps({"command_id": command_id, "by": "a", **said.data, **more}).encode()
        assert await update(other, (name, [payload(sent)])) == "", command
        for by in ("a", "b"):
            assert WORDS in await read(online, programme, by)
        # Anywhere else it is refused.
        moved = json.dumps({"command_id": "another", "by": "a", **said.data, **more}).encode()
        assert await update(other, (name, [payload(moved)])) == Reason.MALFORMED
    replies = [
        line for line in (await online("show", programme, "--as", "b")).out.splitlines() if "reply" in line
    ]
    [plain, with_moment] = [line.partition(".b2 ")[2] for line in replies if "dialogue_request" in line]
    assert (plain, with_moment) == ("now|no", "at --at 2h"), "what needs a moment is shown with one"


async def test_what_is_one_partners_alone_opens_for_that_partner_only(
    online: Terminal, embedded_client: TemporalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    programme = await enrolled(online)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{WORDS}\n"))
    said = await online("seal", programme, "pause", "p-1", "-", "--by", "a", "--json")
    sent = json.dumps({"command_id": "p-1", "by": "a", **said.data}).encode()
    assert await update(raw(embedded_client, programme), ("pause", [payload(sent)])) == ""
    assert WORDS not in await read(online, programme, "b")
    vault = vault_of(Settings.load())
    reason = Words.model_validate(said.data["reason"])
    assert open_words(reason, await vault.key(programme, "a"), programme=programme) == WORDS
    others: tuple[Kind, ...] = ("shared", "b")
    for kind in others:
        with pytest.raises(Unopenable):
            open_words(reason, await vault.key(programme, kind), programme=programme)
    await vault.close()


async def test_a_pause_without_a_reason_is_sealed_as_one_with_it_and_taken(
    online: Terminal, embedded_client: TemporalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    programme = await enrolled(online)
    sizes = set()
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    for command_id, text in (("p-1", ""), ("p-2", "-"), ("p-3", WORDS)):
        said = await online("seal", programme, "pause", command_id, text, "--by", "a")
        sizes.add(len(said.out))
        sent = json.dumps({"command_id": command_id, "by": "a", **said.data}).encode()
        assert await update(raw(embedded_client, programme), ("pause", [payload(sent)])) == ""
    assert len(sizes) == 1
    assert "paused" in await read(online, programme, "b")


async def test_what_cannot_be_sealed_says_why(online: Terminal) -> None:
    programme, file = online.file()
    await online("start", str(file))
    long = "x" * 100_000
    for call, says in (
        ((programme, "consent", "c", "x"), "carries no words"),
        (("nobody", "note", "c", "x"), "knows no couple"),
        ((programme, "note", "c", long), "at most"),
        ((programme, "pause", "c", long[:1500]), "at most"),
        ((programme, "note", "c", " "), "say something"),
        ((programme, "note", "c", ""), "say something"),
    ):
        said = await online("seal", *call, "--by", "a", code=None)
        assert said.code in (1, 2)
        assert said.out == ""
        assert says in said.err
        assert long[:100] not in said.err


async def test_a_couple_is_forgotten_once_it_was_said_so(
    online: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    programme = await enrolled(online)
    await online("note", programme, "--by", "a", WORDS, "--shared")
    assert WORDS in await read(online, programme, "b")

    monkeypatch.setattr("sys.stdin", io.StringIO())
    piped = await online("forget", programme, code=1)
    assert "--yes" in piped.err
    scripted = await online("forget", programme, "--json", code=1)
    assert json.loads(scripted.err)["error"] == "not_confirmed"
    assert scripted.out == piped.out == ""
    monkeypatch.setattr("sys.stdin", AtTerminal("n\n"))
    declined = await online("forget", programme, code=1)
    assert "gone for good" in declined.err
    assert WORDS in await read(online, programme, "b"), "nothing has happened"

    monkeypatch.setattr("sys.stdin", AtTerminal("y\n"))
    done = await online("forget", programme)
    assert "Forgotten" in done.out
    assert "Keys deleted" in done.out
    shown = await online("show", programme, "--as", "b")
    assert WORDS not in shown.out
    assert "[forgotten]" in await read(online, programme, "b")


async def test_whoever_was_not_told_is_said_to_be(online: Terminal) -> None:
    programme, now = await enrolled(online), quiet_hours_now()
    quiet = ("--zone", "UTC", "--quiet", f"{now.start}-{now.end}")
    await online("adjust", programme, "--by", "a", *quiet)
    done = await online("forget", programme, "--yes", "--wait", "2s")
    assert "Not everybody was told" in done.out
    assert (await online("forget", programme, "--yes", "--json")).data["terminated"] is True
    asked = await online("forget", programme, "--yes", "--wait", "long", code=None)
    assert asked.code != 0


async def test_a_script_forgets_by_yes_and_reads_the_receipt_again_at_a_repeat(online: Terminal) -> None:
    programme = await enrolled(online)
    plain = await online("forget", programme, "--yes")
    assert plain.out.startswith(f"Forgotten: '{programme}'")
    assert "Not everybody" not in plain.out
    first = (await online("forget", programme, "--yes", "--json")).data
    again = (await online("forget", programme, "--yes", "--json")).data
    assert first == again
    assert (first["programme"], first["keys"], first["contacts"]) == (programme, 4, 0)
    nobody = json.loads((await online("forget", "nobody", "--yes", "--json", code=1)).err)
    assert "'nobody'" in nobody["message"]
