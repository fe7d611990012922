"""The commands that need no programme: schema, simulate, demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from duologue.cli import context, output, planning
from duologue.cli.errors import Problem

if TYPE_CHECKING:
    from duologue.habits import Manner
    from duologue.practice.journal import Entry
    from duologue.practice.plan import Plan

_SUFFIX = ".json"


def install(app: typer.Typer, panel: str) -> None:
    """Add these commands."""
    for command in (demo, simulate, schema):
        app.command(rich_help_panel=panel)(command)


def demo(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Another programme file.", show_default=False)
    ] = None,
) -> None:
    """A couple for real in about a minute: embedded server, both partners, a killed worker, the replay."""
    from rich.console import Console

    from duologue.cli import demo as demonstration

    try:
        context.run(demonstration.run(context.load_settings(), Console(), file))
    except demonstration.DemoError as error:
        raise Problem("demo", str(error)) from error


def simulate(  # noqa: PLR0913, PLR0917 - each is an option of the command
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The programme file.", show_default=False)],
    weeks: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Stop after so many weeks of practice; without it, at the end."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another course; the same, the same.")] = 0,
    manner: Annotated[
        Literal["steady", "ordinary", "reference"],
        typer.Option(help="How the couple behaves: always there; with misses and pauses; as in the budgets."),
    ] = "steady",
    attendance: Annotated[
        Literal["steady", "fading", "one-sided", "travelling"] | None,
        typer.Option(
            help="Who comes, in place of --manner: both; less and less; one often not; one from afar.",
            show_default=False,
        ),
    ] = None,
    couples: Annotated[
        int, typer.Option(min=1, max=10_000, help="So many couples, each with the next seed: their weeks.")
    ] = 1,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the couples' weeks there, as SVG.", show_default=False),
    ] = None,
    on_server: Annotated[
        bool,
        typer.Option(
            "--on-server", help="Record it for real on a time-skipping server (a development extra)."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --on-server: write the history there, as JSON.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show bookkeeping too: messages planned, times asked for.")
    ] = False,
    as_json: context.AsJson = False,
) -> None:
    """A synthetic couple through a programme in seconds: its timeline and a summary. Or a cohort: its weeks."""
    from duologue import habits
    from duologue.cohort import cohort as cohort_of
    from duologue.files import load_programme
    from duologue.practice.journal import QUIET

    if out is not None and not on_server:
        raise context.usage("--out goes with --on-server: only a server records a history")
    if on_server and (couples > 1 or picture):
        raise context.usage("--on-server records one couple; leave out --couples and --picture")
    planning.check_picture(picture)
    manners = {"steady": habits.STEADY, "ordinary": habits.ORDINARY, "reference": habits.REFERENCE}
    plan, behaves = load_programme(file), habits.ATTENDANCE[attendance] if attendance else manners[manner]
    if couples > 1 or picture:
        with output.working(f"{couples} couples go through the programme …"):
            found = cohort_of(plan, manner=behaves, couples=couples, seed=seed, weeks=weeks)
        planning.show_cohort(found, attendance or manner, picture, as_json=as_json)
        return
    told: list[Entry] = []

    def tell(entry: Entry) -> None:
        told.append(entry)
        if not as_json and (everything or entry.what not in QUIET):
            who = f"{entry.who or '-':<11}"
            session = f"{entry.session or '':>3}"
            output.say(
                output.soft(f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"),
                f"  {session}  ",
                output.strong(who),
                f" {entry.text}",
            )

    run = _recorded if on_server else _simulated
    summary = run(plan, behaves, weeks, seed, tell, out)
    told_as = {"attendance": attendance} if attendance else {"manner": manner}
    summary = {"programme": plan.programme, "seed": seed, **told_as, "entries": len(told), **summary}
    if as_json:
        output.emit({"timeline": told, "summary": summary})
        return
    output.say()
    output.facts(*((key.replace("_", " ").capitalize(), _text(value)) for key, value in summary.items()))


def schema(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A command, programme, view, …", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write each as a file in this folder.", show_default=False),
    ] = None,
    as_json: context.AsJson = False,
) -> None:
    """The contract: JSON Schemas of every message, the programme file, views and results; and the acts of each kind."""
    from duologue.contract import documents

    found = documents()
    wanted = (name or "").removesuffix(_SUFFIX).replace("-", "_")
    if wanted:
        if wanted not in found:
            raise context.usage(f"there is no schema '{name}'; there are: {', '.join(found)}")
        found = {wanted: found[wanted]}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for each, document in found.items():
            (out / f"{each}{_SUFFIX}").write_text(text_of(document), "utf-8")
        if as_json:
            output.emit({"written": [str(out / f"{each}{_SUFFIX}") for each in found]})
        else:
            output.say(output.good("Written"), f": {len(found)} files in {out}")
    elif wanted:
        output.emit(found[wanted])
    elif as_json:
        output.emit(found)
    else:
        output.table(
            ("NAME", "WHAT"), ((output.name(each), _first(document)) for each, document in found.items())
        )
        output.say("One of them: duologue schema NAME. All as files: duologue schema --out DIR")


def text_of(document: dict[str, object]) -> str:
    """A document as it stands in its file."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _first(document: dict[str, object]) -> str:
    description = str(document.get("description", ""))
    return description.split("\n\n", maxsplit=1)[0].replace("\n", " ")


_Tell = Callable[["Entry"], None]
_Summary = dict[str, object]


def _simulated(
    plan: Plan, manner: Manner, weeks: int | None, seed: int, tell: _Tell, out: Path | None
) -> _Summary:
    """By the pure core alone."""
    from duologue.simulate import simulate as simulation_of

    simulation = simulation_of(plan, weeks=weeks, seed=seed, manner=manner)
    for entry in simulation:
        tell(entry)
    state = simulation.state
    span = (state.ended or simulation.now) - simulation.begins
    return {
        "ran": "on the pure core",
        "begins": simulation.begins,
        "took": output.length(span),
        "stage": state.stage,
        "ending": state.ending,
        "sessions": dict(state.counts),
        "refused": len(simulation.refusals),
        "journal": state.seq,
        "fingerprint": state.digest,
    }


def _recorded(
    plan: Plan, manner: Manner, weeks: int | None, seed: int, tell: _Tell, out: Path | None
) -> _Summary:
    """For real, on a time-skipping server."""
    from duologue import on_server
    from duologue.accounting import account

    try:
        with output.working("Recording on a time-skipping server …"):
            recording = context.run(
                on_server.simulate_on_server(plan, weeks=weeks, seed=seed, manner=manner, on_entry=tell)
            )
    except on_server.MissingExtra as error:
        raise Problem("missing_extra", str(error)) from error
    if out is not None:
        out.write_text(recording.to_json(), "utf-8")
    costs, overview = account(recording.events), recording.overview
    return {
        "ran": "on a time-skipping server",
        "begins": recording.begins,
        "stage": overview.stage,
        "ending": overview.ending,
        "sessions": dict(overview.counts),
        "journal": overview.seq,
        "fingerprint": overview.digest,
        "events": costs.events,
        "billed_actions": costs.actions,
        "history_bytes": costs.bytes,
        "history": str(out) if out else None,
    }


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case dict():
            return ", ".join(f"{n} {what}" for what, n in sorted(value.items())) or "none"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M %Z}"
        case _:
            return str(value)
