"""The journal's running fingerprint: two journals that agree in it are the same, as far as ops may tell.

Whoever sees a fingerprint can try what would have led to it, and a yes or a no is soon tried. Ops see it. So it is made
of everything that happens, but for what ops may not know: words, answers, a concern, who was absent, who asked for it.
In these two journals with one fingerprint may differ: whether two states are the same is to be seen by them alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from duologue.practice import events as e
from duologue.practice.grammar import Act

_UNTOLD: Mapping[str, set[str] | dict[str, set[str]]] = {
    "Consented": {"by", "share_attendance"},
    "Asked": {"question"},
    "Answered": {"by", "question", "answer"},
    "Lapsed": {"question"},
    "PauseBegan": {"concern"},
    "SessionMade": {"session": {"dialogue"}},
    "AbsentAsked": {"absent"},
    "SessionMissed": {"absent"},
    "MessagePlanned": {"message"},
    "MessageSent": {"message"},
    "MessageSkipped": {"message", "reason"},
    "MessageRecalled": {"message"},
    "MessageSettled": {"delivered"},
    "NoteKept": {"note"},
    "RequestGranted": {"granted": {"words"}},
    "EscalationBegan": {"escalation"},
    "CommandApplied": {"by", "command_id"},
    "CommandRefused": {"by"},
}
"""What is left out of each event."""


def follow(digest: str, event: e.Event) -> str:
    """The fingerprint after `event`, from the one before it."""
    chained = f"{digest}{type(event).__name__}{_told(event)}"
    return hashlib.sha256(chained.encode()).hexdigest()[:32]


def _told(event: e.Event) -> str:
    if isinstance(event, e.TurnMade):
        # Who has come already is the beginning of who has not.
        untold = {"words", "lines", "within_days"} | ({"by"} if event.turn.act == Act.READY else set())
        return event.model_dump_json(exclude={"turn": untold})
    return event.model_dump_json(exclude=_UNTOLD.get(type(event).__name__))
