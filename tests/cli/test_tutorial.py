"""The tutorial is true: its commands, read by the command line and taken by the core, come out as its text says."""

import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from duologue.cli import verbs
from duologue.client import Refused
from duologue.files import load_programme
from duologue.practice import events as e
from duologue.practice.messages import Command, Receipt, Refusal
from tests.cli.conftest import Terminal
from tests.support.core import Play

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs/tutorial.md").read_text()
PACE = timedelta(seconds=10)
"""How long somebody takes over one command, reading included."""


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL, re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words[0] == "duologue"]


async def test_the_tutorial_takes_what_it_says_and_comes_out_as_it_says(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play(load_programme(ROOT / "examples/tutorial.yaml"))
    begins, refusals = play.now, dict[str, str]()

    async def take(programme: str, command: Command, **how: Any) -> Receipt:
        assert programme == play.state.plan.programme
        outcome = play.try_(
            command.name, command.by, **command.model_dump(exclude={"command_id", "by", "sent_at"})
        )
        if isinstance(outcome, Refusal):
            raise Refused(outcome)
        receipt = play.state.receipt(list(play.state.applied)[-1])
        assert receipt is not None
        return receipt

    monkeypatch.setattr(verbs, "_deliver", take)
    for name, *words in commands():
        play.at(play.now + PACE)
        if name == "reschedule":
            assert play.state.counts == {"done": 1}
            play.miss()
            assert [offer > play.now for offer in play.sees("a").sessions[0].proposals.values()] == [
                True,
                True,
            ]
        if name in ("start", "show"):
            continue
        said = await terminal(name, *words, code=None)
        if said.code:
            refusals[words[-1]] = said.err
    assert play.now - begins <= timedelta(minutes=10)
    assert (play.state.ending, play.state.counts) == ("withdrawn", {"done": 1, "missed": 1})
    assert {s.session for s in play.of(e.SessionMissed)} == {2}
    assert "out_of_turn" in refusals.pop("And also…")
    assert "has ended" in refusals.pop("ready")
    assert refusals == {}
