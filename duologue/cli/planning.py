"""What lies ahead: a programme's dry run as tables, JSON and a calendar; and the course of a cohort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli import context, output
from duologue.cli.errors import Problem

if TYPE_CHECKING:
    from duologue.cohort import Cohort
    from duologue.foreseen import Forecast, PlannedSession, Rung

_PEOPLE = {
    "a": "partner a",
    "b": "partner b",
    "next_contact": "the next contact",
    "facilitator": "facilitator",
}
_RUNGS = {
    "ask_absent": "asked whether it is still on",
    "missed": "counts as missed",
    "book_again": "booked for the next regular time",
    "pause": "the programme pauses",
    "end": "the programme ends",
}


def install(app: typer.Typer, panel: str) -> None:
    """Add these commands."""
    app.command(rich_help_panel=panel)(plan)


def plan(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The programme file.", show_default=False)],
    starts: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help=f"When it is started: {context.SPANS}; without it, now."),
    ] = None,
    ics: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all sessions there as a calendar.", show_default=False),
    ] = None,
    tail: Annotated[
        bool, typer.Option("--tail", help="With what a couple may go on with after the curriculum.")
    ] = False,
    as_json: context.AsJson = False,
) -> None:
    """Everything a programme will do, before it starts: sessions, reminders, escalations, messages, cost."""
    from duologue.calendar import CalendarError
    from duologue.files import load_programme
    from duologue.forecast import forecast, to_ics

    begins = context.instant(starts) if starts else datetime.now(UTC).replace(second=0, microsecond=0)
    try:
        found = forecast(load_programme(file), starts=begins.astimezone(UTC), tail=tail)
    except CalendarError as error:
        raise Problem("calendar", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    if ics is not None:
        ics.write_bytes(to_ics(found).encode())
    if as_json:
        output.emit(found)
        return
    _heading(found)
    _sessions(found)
    _reminders(found)
    _escalations(found)
    _messages(found)
    _costs(found)
    if ics is not None:
        output.say()
        output.say(output.good("Written"), f": {len(found.sessions)} sessions in {ics}")


def _heading(found: Forecast) -> None:
    output.say(output.strong(found.programme), f", started {_moment(found.starts.isoformat())} UTC, dry run")
    output.facts(
        (
            "Practising begins",
            f"{found.practising:%Y-%m-%d %H:%M} UTC, once both agree" if found.practising else None,
        ),
        ("Ends", f"{found.ends:%Y-%m-%d %H:%M} UTC ({found.ending or 'open'})"),
        ("Sessions", f"{len(found.sessions)}, for {found.items} of the curriculum"),
        ("Time zone data", found.tzdata),
    )
    for warning in found.warnings:
        output.say(output.bad("Note"), f": {warning}")


def _sessions(found: Forecast) -> None:
    _section("Sessions")
    zones = [found.sessions[0].each[p].zone if found.sessions else "" for p in ("a", "b")]
    heads = ("NO", "WEEK", "WHEN", "ZONE", "UTC", f"a ({zones[0]})", f"b ({zones[1]})", "KINDS", "TITLE", "")
    output.table(
        heads,
        (
            (
                str(s.number),
                str(s.week),
                f"{_day(s.local)} {s.local[19:]}",
                s.zone,
                _moment(s.start.isoformat()),
                *(_beside(s, s.each[p].local) for p in ("a", "b")),
                ", ".join(s.kinds),
                s.title,
                output.bad("; ".join(_marks(s))),
            )
            for s in found.sessions
        ),
    )


def _beside(session: PlannedSession, local: str) -> str:
    """A partner's clock at a session; with the day, where it is another."""
    return _time(local) if local[:10] == session.local[:10] else _day(local)


def _marks(session: PlannedSession) -> Iterator[str]:
    if session.night_for:
        yield f"night for {' and '.join(session.night_for)}"
    if session.shifted:
        yield "moved: the clock leaves its time out"
    if session.twice:
        yield f"the {'second' if session.fold else 'first'} of two such times"
    if session.replaced:
        yield f"in place of {', '.join(session.replaced)}"


def _reminders(found: Forecast) -> None:
    rows = [
        (str(s.number), person, " · ".join(_reminder(r.local, r.status, r.why) for r in own))
        for s in found.sessions
        for person in ("a", "b")
        if (own := [r for r in s.reminders if r.to == person])
    ]
    if rows:
        _section("Reminders, each on the recipient's own clock")
        output.table(("NO", "TO", "WHEN"), rows)


def _reminder(local: str, status: str, why: str) -> str:
    when = f"{_day(local)} {local[19:]}" if local else "-"
    return when if status == "on_time" else f"{when} {status} ({why})"


def _escalations(found: Forecast) -> None:
    if not found.sessions:
        return
    zone = found.sessions[0].zone
    _section(f"If nobody came any more, from a session on ({zone})")
    output.table(
        ("FROM", "MISSED", "FACILITATOR CALLED", "PAUSES", "ENDS"),
        (
            (
                str(s.number),
                *(
                    _first(s.if_nobody_came, lambda r, wanted=wanted: wanted in (r.what, r.to))
                    for wanted in ("missed", "facilitator", "pause", "end")
                ),
            )
            for s in found.sessions
        ),
    )
    first = found.sessions[0]
    _section(f"Step by step, from session {first.number} on ({zone})")
    output.table(("WHEN", "MISSES", "WHAT"), _steps(first.if_nobody_came))


def _steps(rungs: Sequence[Rung]) -> Iterator[tuple[str, str, str]]:
    """The ladder, what goes to both at one moment as one line."""
    index = 0
    while index < len(rungs):
        rung = rungs[index]
        same = [r for r in rungs[index:] if (r.at, r.what, r.text) == (rung.at, rung.what, rung.text)]
        both = rung.to == "a" and any(r.to == "b" for r in same[:2])
        index += 2 if both else 1
        whom = "each" if both else _PEOPLE.get(rung.to, rung.to)
        what = _RUNGS.get(rung.what) or f"message {rung.text}"
        ending = f": {rung.text}" if rung.what == "end" else ""
        yield _day(rung.local), str(rung.misses or ""), f"{whom}: {what}" if rung.to else f"{what}{ending}"


def _first(rungs: Sequence[Rung], wanted) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return next((_day(r.local) for r in rungs if wanted(r)), "-")


def _messages(found: Forecast) -> None:
    _section("Messages, if every session is held")
    people = list(found.messages)
    templates = sorted({template for sent in found.messages.values() for template in sent})
    rows = [(t, *(str(found.messages[p].get(t, 0)) for p in people)) for t in templates]
    total = ("in all", *(str(sum(found.messages[p].values())) for p in people))
    output.table(("MESSAGE", *people), [*rows, total])


def _costs(found: Forecast) -> None:
    cost = found.cost
    _section("Cost on Temporal, if every session is held")
    kinds = ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in cost.by_action.items())
    price = f"${cost.dollars_per_million_actions:g} a million, list price of {cost.priced}"
    output.facts(
        ("Events", f"{cost.events:,} in {cost.runs} run{'' if cost.runs == 1 else 's'}"),
        ("Billed actions", f"{cost.actions:,} ({kinds})"),
        ("History", f"about {cost.history_bytes / 1000:,.0f} kB"),
        ("Price of the actions", f"${cost.dollars:.4f} ({price})"),
        ("Storage", f"about ${cost.storage_dollars:.4f} while it runs"),
        ("Not in it", "queries: one action each time somebody looks; what is refused or retried"),
    )


def _section(title: str) -> None:
    output.say()
    output.say(output.strong(title))


def _day(local: str) -> str:
    at = datetime.fromisoformat(local)
    return f"{at:%a %Y-%m-%d} {_time(local)}"


def _time(local: str) -> str:
    """The time of day, with seconds where there are some."""
    return local[11:16] if local[17:19] == "00" else local[11:19]


def _moment(local: str) -> str:
    return f"{local[:10]} {_time(local)}"


# --- cohorts ----------------------------------------------------------------------------------------------------------


def check_picture(path: Path | None) -> None:
    """Refuse what no picture can be written as, before anything is simulated."""
    if path is None or path.suffix == ".svg":
        return
    raise Problem(
        "picture",
        f"A picture is written as .svg, and '{path.name}' is none.",
        "Give it a name that ends in .svg. Any browser prints it or saves it as PNG; so do Inkscape and rsvg-convert.",
        code=2,
    )


def show_cohort(found: Cohort, attendance: str, picture: Path | None, *, as_json: bool) -> None:
    """A cohort's weeks, what they add up to, and the picture of them."""
    from duologue.picture import summary, svg

    if picture is not None:
        picture.write_text(svg(found, attendance=attendance), "utf-8")
    if as_json:
        output.emit({**found.model_dump(mode="json"), "attendance": attendance})
        return
    columns = ("held", "unfinished", "missed", "rebooked", "called", "paused")
    rows = [
        (str(w.number), *(str(getattr(w, c) or "") for c in columns), str(w.couples)) for w in found.weeks
    ]
    totals = ("in all", *(str(found.total(c)) for c in columns), "")
    output.table(
        ("WEEK", "HELD", "UNFINISHED", "MISSED", "RE-BOOKED", "CALLED", "PAUSED", "COUPLES"), [*rows, totals]
    )
    output.say()
    output.say(
        f"Attendance {attendance}, seeds {found.seed} to {found.seed + found.couples - 1}. {summary(found)}"
    )
    if picture is not None:
        output.say(output.good("Written"), f": {picture}")
