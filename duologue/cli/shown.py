"""How an overview and a participant's view look on a terminal: what matters first, and what to type next."""

from __future__ import annotations

from rich.text import Text

from duologue.cli import output
from duologue.cli.output import WHOM
from duologue.practice.journal import QUIET, phrase
from duologue.practice.shapes import Act
from duologue.practice.state import JournalEntry
from duologue.practice.values import Words
from duologue.practice.views import DialogueView, Overview, QuestionView, SessionView, View

_WORDLESS = frozenset(
    {
        Act.READY,
        Act.CONFIRM,
        Act.NO_MORE,
        Act.SWITCH,
        Act.SHARE,
        Act.KEEP,
        Act.MARK,
        Act.CHOOSE,
        Act.DECLINE,
    }
)
"""Acts that are mostly taken without a word."""

_RECENT = 12
"""How many entries of the journal an overview ends with."""


def journal(entry: JournalEntry) -> Text:
    """A journal entry as one line."""
    said = phrase(entry)
    return output.line(
        output.soft(output.clock(entry.at)),
        f"  {entry.seq:>5}  ",
        output.soft(said) if entry.what in QUIET else said,
    )


def overview(of: Overview) -> None:
    """Where a programme stands, for ops."""
    _headline(of.programme, "as ops see it")
    counts = ", ".join(f"{n} {what}" for what, n in sorted(of.counts.items()))
    where = f"{of.kind}: {of.movement}; turn: {WHOM[of.holds_the_turn]}" if of.kind else None
    output.facts(
        (
            "Stage",
            output.strong(of.stage) if of.ending is None else output.strong(f"{of.stage}: {of.ending}"),
        ),
        ("Awaiting", None if of.ending else f"{WHOM[of.awaiting]}, since {output.when(of.awaiting_since)}"),
        (
            "Session",
            f"{of.session}, {output.when(of.next_session)}" if of.session and of.next_session else None,
        ),
        ("Dialogue", where),
        (
            "By itself",
            f"{of.next_deadline}, {output.when(of.next_deadline_at)}" if of.next_deadline else None,
        ),
        ("Sessions", counts or "none yet"),
        ("Missed", f"{of.missed_in_a_row} in a row" if of.missed_in_a_row else None),
        ("Escalation", output.bad(of.escalation) if of.escalation != "none" else None),
        ("Under way", ", ".join(of.under_way) or None),
        ("Refused", f"{of.refused} signal{'s' if of.refused > 1 else ''}" if of.refused else None),
        ("Tenant", of.tenant),
        ("Journal", f"{of.seq} entries, fingerprint {of.digest}"),
    )
    for alert, since in of.alerts.items():
        output.say(output.bad("Needs a person"), f": alert {alert}, since {output.when(since)}")
        output.say(f"  duologue acknowledge {of.programme} {alert}")
    recent = [e for e in of.journal if e.what not in QUIET][-_RECENT:]
    if recent:
        _heading("Lately")
        for entry in recent:
            output.say(journal(entry))
    if of.ending is None:
        output.say()
        output.say(f"In one person's eyes: duologue show {of.programme} --as a")


def view(of: View, receipt: str | None = None) -> None:
    """What one participant may see and do."""
    _headline(of.programme, f"as {'the facilitator sees' if of.by == 'facilitator' else f'{of.by} sees'} it")
    output.facts(
        (
            "Stage",
            output.strong(of.stage) if of.ending is None else output.strong(f"{of.stage}: {of.ending}"),
        ),
        ("Sessions", f"{of.done} held of {of.of}"),
        ("Paused", f"until {output.when(of.paused_until)}" if of.paused_until else None),
    )
    if receipt:
        applied = of.receipt is not None
        told = output.good(f"applied (number {of.receipt.seq})") if of.receipt else output.bad("not applied")
        output.say(f"Command {receipt}: ", told, "" if applied else " (or not yet; or refused)")
    if of.stage == "enrolling" and of.by != "facilitator" and not of.consented:
        output.say(
            output.strong("Your consent is awaited"), f": duologue consent {of.programme} --by {of.by}"
        )
    if of.dialogue:
        _dialogue(of, of.dialogue)
    _said_last(of)
    for question in of.questions:
        _question(of, question)
    for alert in of.alerts:
        output.say(output.bad("Alert"), f" {alert}: duologue acknowledge {of.programme} {alert}")
    for miss in of.missed:
        who = " and ".join(p.upper() for p in miss.absent)
        absent = f"absent: {who}" if who else "who was absent is not shared"
        output.say(f"Session {miss.session} was missed on {output.clock(miss.at)} ({absent})")
    if of.sessions:
        _heading("Sessions")
        output.table(("NO.", "STATUS", "WHEN", "WHAT", "FIRST"), [_session(s) for s in of.sessions], indent=2)
    for session in (s for s in of.sessions if s.proposals and of.by != "facilitator"):
        what = "booked again" if session.status == "to_book" else "moved"
        output.say(f"  Session {session.number} can be {what}:")
        for number, at in session.proposals.items():
            output.say(
                f"    {output.clock(at)}: duologue reschedule {of.programme} --by {of.by} {session.number} "
                f"--proposal {number}"
            )
    if of.requests:
        _heading("Gifts")
        output.table(
            ("", "", ""),
            (
                (
                    f"asked by {r.asked_by}",
                    f"{'due' if r.open else 'was due'} {output.clock(r.due)}",
                    _said(r.words),
                )
                for r in of.requests
            ),
            indent=2,
        )
    if of.notes:
        _heading("Trigger log")
        output.table(
            ("", "", ""),
            (
                (n.id, ("mine" if n.mine else "theirs") + (", shared" if n.shared else ""), _said(n.words))
                for n in of.notes
            ),
            indent=2,
        )


def _dialogue(of: View, dialogue: DialogueView) -> None:
    _heading(f"Session {dialogue.session}: {dialogue.title}")
    if dialogue.theme:
        output.say(f"  {dialogue.theme}")
    turn = output.good("your turn") if dialogue.your_turn else f"waiting for {WHOM[dialogue.awaiting]}"
    output.say(f"  You are the {dialogue.role}; {dialogue.movement}: ", turn)
    output.facts(
        ("  Topic", _said(dialogue.topic) if dialogue.topic else None),
        ("  Said", _said(dialogue.said) if dialogue.said else None),
        ("  Mirrored", _said(dialogue.mirrored) if dialogue.mirrored else None),
        ("  Time-out", f"until {output.when(dialogue.time_out_until)}" if dialogue.time_out_until else None),
        ("  Window", f"ends {output.when(dialogue.ends)}" if dialogue.ends else None),
    )
    for each in dialogue.lines:
        shared = "" if each.shared else " (only you see it)"
        common = ", common" if each.number in dialogue.common else ""
        days = f", within {each.within_days} days" if each.within_days else ""
        output.say(f"  {each.number:>3}. {each.by}{common}{days}: ", _said(each.words), shared)
    if dialogue.acts:
        output.say("  You may:")
    width = max((len(a.act) for a in dialogue.acts), default=0)
    for act in dialogue.acts:
        output.say("    ", output.name(f"{act.act:<{width}}"), f"  {act.stem}")
        if act.guidance:
            output.say("    ", " " * width, "  ", output.soft(act.guidance))
    if dialogue.your_turn and dialogue.acts:
        first = dialogue.acts[0].act
        words = "" if first in _WORDLESS else ' "…"'
        output.say(f"  duologue turn {of.programme} --by {of.by} {first}{words}")


def _said_last(of: View) -> None:
    if of.spoken:
        _heading(f"Said last, in session {of.spoken.session}")
        for each in of.spoken.utterances:
            output.say(f"  {each.by} {each.act}: ", _said(each.words))


def _question(of: View, question: QuestionView) -> None:
    _heading(f"Question {question.id}")
    about = f" ({question.about})" if question.about else ""
    output.say(f"  {question.text}{about}")
    if question.topic:
        output.say("  Topic: ", _said(question.topic))
    for wish in (r for r in of.requests if r.id == question.request):
        output.say("  Wish: ", _said(wish.words))
    if question.answer_by:
        output.say("  ", output.soft(f"To be answered by {output.when(question.answer_by)}"))
    output.table(
        ("", ""),
        [(output.name(i), text) for i, text in {**question.choices, **question.items}.items()],
        indent=4,
    )
    reply = f"  duologue reply {of.programme} --by {of.by} {question.id}"
    if question.items:
        output.say(f"{reply} --all-yes")
        output.say(f"{reply} {' '.join(f'--answer {i}=yes' for i in question.items)}")
    else:
        output.say(f"{reply} {'|'.join(c for c in question.choices if c != 'at')}")
        if "at" in question.choices:
            output.say(f"{reply} at --at 2h")


def _session(of: SessionView) -> tuple[str, str, str, str, str]:
    title = f"{of.title} ({', '.join(of.kinds)})" if of.title else ", ".join(of.kinds)
    return str(of.number), of.status.replace("_", " "), output.when(of.start), title, of.first_sender


def _said(words: Words | None) -> str:
    if words is None:
        return "-"
    return f"\u201c{words.text}\u201d" if words.text is not None else "[sealed]"


def _headline(programme: str, eyes: str) -> None:
    output.say(output.strong(f"Programme {programme}"), f", {eyes}")


def _heading(text: str) -> None:
    output.say()
    output.say(output.strong(text))
