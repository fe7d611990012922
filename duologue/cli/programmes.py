"""The commands about programmes: start, list, show, watch, cancel. What each prints is in `shown`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli import context, output
from duologue.cli.errors import Problem
from duologue.practice.state import Awaiting, Stage
from duologue.practice.values import By, format_span

if TYPE_CHECKING:
    from duologue.client import Listed, Programme
    from duologue.practice.plan import Plan
    from duologue.practice.views import Overview, Result, View


def install(app: typer.Typer, panel: str) -> None:
    """Add these commands."""
    for command in (start, list_, show, watch, cancel):
        app.command(command.__name__.rstrip("_"), rich_help_panel=panel)(command)


def start(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The programme file.", show_default=False)],
    programme: Annotated[
        str | None, typer.Option("--id", help="Start it under this id instead of the file's.")
    ] = None,
    as_json: context.AsJson = False,
) -> None:
    """Start a couple's programme from its file."""
    from duologue.files import load_programme

    plan = load_programme(file)
    if programme is not None:
        plan = _renamed(plan, programme)
    context.run(_start(plan))
    if as_json:
        output.emit(
            {"programme": plan.programme, "workflow_id": f"programme/{plan.programme}", "tenant": plan.tenant}
        )
        return
    within = format_span(plan.policy.enrol_within)
    output.say(output.good("Started"), ": programme ", output.name(plan.programme))
    output.say(f"Within {within} both partners consent and answer the private suitability questions:")
    for by in ("a", "b"):
        output.say(f"  duologue consent {plan.programme} --by {by}")
        output.say(f"  duologue show {plan.programme} --as {by}   (the questions, and how to answer them)")
    output.say(f"Follow it: duologue watch {plan.programme}")


def _renamed(plan: Plan, programme: str) -> Plan:
    from pydantic import ValidationError

    try:
        return type(plan).model_validate({**dict(plan), "programme": programme})
    except ValidationError:
        raise context.usage(f"'{programme}' is no id: letters, digits and . _ : - only, at most 64") from None


async def _start(plan: Plan) -> None:
    client = await context.connect(context.load_settings())
    with output.working("Starting …"):
        await client.start(plan)


def list_(
    stage: Annotated[Stage | None, typer.Option(help="Only those at this stage.")] = None,
    awaiting: Annotated[Awaiting | None, typer.Option(help="Only those that wait for this one.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only those of this tenant.")] = None,
    needs_a_person: Annotated[
        bool, typer.Option("--needs-a-person", help="Only those that wait for a facilitator.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    as_json: context.AsJson = False,
) -> None:
    """List programmes by where they stand. Reads search attributes only: no query, nothing billed per programme."""
    if needs_a_person and awaiting not in (None, "facilitator"):
        raise context.usage("--needs-a-person is the same as --awaiting facilitator")

    async def work() -> tuple[list[Listed], bool]:
        client = await context.connect(context.load_settings())
        found: list[Listed] = []
        async for listed in client.list(
            stage=stage, awaiting=awaiting, tenant=tenant, needs_a_person=needs_a_person
        ):
            if len(found) == limit:
                return found, True
            found.append(listed)
        return found, False

    found, more = context.run(work())
    if as_json:
        output.emit(found)
        return
    if not found:
        output.say("No programme here fits. One is started by: duologue start FILE")
        return
    output.table(
        ("PROGRAMME", "STAGE", "AWAITING", "SINCE", "NEXT SESSION", "NO.", "MISSED", "ESCALATION", "TENANT"),
        (
            (
                output.name(p.programme),
                p.stage if p.running or p.stage in ("completed", "ended") else f"{p.stage} (closed)",
                output.bad(p.awaiting) if p.awaiting == "facilitator" else p.awaiting,
                output.clock(p.awaiting_since) if p.awaiting_since else "-",
                output.clock(p.next_session) if p.next_session else "-",
                str(p.session),
                str(p.missed_in_a_row),
                p.escalation,
                p.tenant,
            )
            for p in found
        ),
    )
    if more:
        output.say(f"There are more than {limit}: narrow it down, or raise --limit.")


def show(
    programme: context.ProgrammeId,
    by: Annotated[
        By | None, typer.Option("--as", help="In this person's eyes; without it, in those of ops: no words.")
    ] = None,
    receipt: Annotated[
        str | None, typer.Option(metavar="COMMAND_ID", help="With --as: also the receipt of this command.")
    ] = None,
    as_json: context.AsJson = False,
) -> None:
    """Show where a programme stands, or what one person may do now. One query."""
    if receipt and by is None:
        raise context.usage("--receipt goes with --as")

    async def work() -> Overview | View:
        client = await context.connect(context.load_settings())
        with output.working("Asking …"):
            of = client.programme(programme)
            if by is None:
                return await context.answer(of.overview(), programme)
            return await context.answer(of.view(by, command_id=receipt), programme)

    found = context.run(work())
    if as_json:
        output.emit(found)
        return
    from duologue.cli import shown

    if by is None:
        shown.overview(found)  # type: ignore[arg-type]  # it was asked for
    else:
        shown.view(found, receipt)  # type: ignore[arg-type]  # the same


def watch(
    programme: context.ProgrammeId,
    interval: Annotated[
        float,
        typer.Option(
            min=0.1, help="Seconds between two looks. A query, which is billed, only if there is news."
        ),
    ] = 2.0,
    everything: Annotated[
        bool, typer.Option("--all", help="Show bookkeeping too: messages planned, times asked for.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every entry as a line of JSON.")] = False,
) -> None:
    """Follow a programme's journal live, until it ends or Ctrl-C."""
    from duologue.cli import watching

    async def work() -> None:
        client = await context.connect(context.load_settings())
        await watching.watch(
            client.programme(programme), interval=interval, everything=everything, as_json=as_json
        )

    context.until_stopped(work())


def cancel(
    programme: context.ProgrammeId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: context.AsJson = False,
) -> None:
    """End a programme gently, as ops: both partners are told, and it cannot be taken back."""
    question = f"End programme '{programme}' for good? Both partners are told."
    context.confirm(question, yes=yes, as_json=as_json)

    async def work() -> Result | None:
        client = await context.connect(context.load_settings())
        return await _cancel(client.programme(programme))

    result = context.run(work())
    if result is not None and result.ending != "cancelled":
        raise Problem("ended", f"Programme '{programme}' had ended before ({result.ending}).")
    if as_json:
        output.emit({"programme": programme, "cancelled": True, "result": result})
    elif result is None:
        output.say(f"Asked {programme} to end. It ends as soon as a worker runs: duologue show {programme}")
    else:
        output.say(output.good("Ended"), f": {programme} ({result.ending}). Both are told.")


async def _cancel(programme: Programme, within: float = 15.0) -> Result | None:
    await programme.cancel()
    try:
        with output.working("Both are being told …"):
            return await asyncio.wait_for(programme.result(), within)
    except TimeoutError:
        return None
