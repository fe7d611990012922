"""The commands that keep words unread: seal them for another client, and forget a couple for good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError

from duologue.cli import context, output
from duologue.cli.errors import Problem
from duologue.practice.messages import COMMANDS
from duologue.practice.values import Partner, Words

if TYPE_CHECKING:
    from duologue.programme import Programme
    from duologue.vault.values import ForgetReceipt


def install(app: typer.Typer, panel: str) -> None:
    """Add these commands."""
    for command in (seal, forget):
        app.command(rich_help_panel=panel)(command)


def seal(
    programme: context.ProgrammeId,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="The command that will carry the words.")],
    command_id: Annotated[str, typer.Argument(metavar="COMMAND_ID", help="The id it will be sent with.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The words; '-' reads standard input.")],
    by: Annotated[Literal["a", "b"], typer.Option("--by", help="Who says them.", show_default=False)],
    _as_json: Annotated[bool, typer.Option("--json", help="It prints JSON in any case.")] = False,
) -> None:
    """Seal words for a client that cannot: prints what goes where the command has its words. Nothing is sent."""
    from duologue.vault.seal import TooLong, kind_of
    from duologue.vault.seal import seal as closed

    name, field = _carrying(command)
    words = sys.stdin.read().strip() if text == "-" else text
    # A pause is sent with a reason always, so that its size tells nothing: without words, that of the empty text.
    if words or name != "pause":
        _refuse_unsayable(words)
    partner: Partner = by

    async def work() -> Words:
        key = await context.vault(context.load_settings()).key(programme, kind_of(name, field, partner))
        try:
            return closed(
                words, key, programme=programme, command=name, field=field, command_id=command_id, by=partner
            )
        except TooLong as error:
            raise _unsealed(str(error)) from None

    sealed = context.run(work())
    output.emit({field: {"sealed": sealed.sealed, "key": sealed.key}})


def _carrying(command: str) -> tuple[str, str]:
    """A command's own name, and its field that holds words."""
    name = command.replace("-", "_")
    model = COMMANDS.get(name)
    fields = [f for f, info in model.model_fields.items() if "Words" in str(info.annotation)] if model else []
    if not fields:
        with_words = "turn, ask_dialogue, note, pause"
        raise context.usage(f"'{command}' carries no words; those that do: {with_words}")
    return name, fields[0]


def _refuse_unsayable(text: str) -> None:
    """Raises `Problem`, which repeats nothing of it, for what cannot be said."""
    try:
        Words(text=text)
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise _unsealed(told["msg"].removeprefix("Value error, ")) from None


def _unsealed(why: str) -> Problem:
    return Problem("unsealed", f"These words cannot be sealed: {why}.", "Nothing was sent.")


def forget(
    programme: context.ProgrammeId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[
        str,
        typer.Option(
            metavar="SPAN",
            help="How long farewells may take; what has not gone out by then never does. Quiet hours hold them until "
            "morning, a notice of a pause for up to a day.",
        ),
    ] = "30s",
    as_json: context.AsJson = False,
) -> None:
    """End a programme if it lives, and forget the couple: nobody reads their words or reaches them any more."""
    patience = context.span(wait)
    gone = f"The words and contacts of '{programme}' will be gone for good, in every copy of its history."
    context.confirm(f"{gone} Forget this couple?", yes=yes, as_json=as_json)

    async def work() -> tuple[ForgetReceipt, bool]:
        found = (await context.connect(context.load_settings())).programme(programme)
        with output.working("Ending and forgetting …"):
            receipt = await found.forget(patience=patience)
        return receipt, await _terminated(found)

    receipt, terminated = context.run(work())
    if as_json:
        output.emit(
            {
                "programme": receipt.programme,
                "forgotten_at": receipt.at.isoformat(),
                "keys": receipt.keys,
                "contacts": receipt.contacts,
                "terminated": terminated,
            }
        )
        return
    output.say(output.good("Forgotten"), f": '{receipt.programme}', at {receipt.at:%Y-%m-%d %H:%M:%S} UTC.")
    output.facts(
        ("Keys deleted", str(receipt.keys)),
        ("Contacts deleted", f"of {receipt.contacts} people"),
        ("Verified", "nothing of theirs is left in the vault; the receipt stays there"),
        (
            "Backups",
            "of the vault from before open until the key that wraps them is destroyed: duologue keys",
        ),
    )
    if terminated:
        output.say(
            output.bad("Not everybody was told"),
            ": the programme was terminated before all messages had gone out, and none goes out any more. Tell them "
            "yourself; their calendars may still show what was booked.",
        )


async def _terminated(programme: Programme) -> bool:
    """Whether it did not end by itself, with a farewell to both. No: also where the service knows it no more."""
    from temporalio.client import WorkflowExecutionStatus
    from temporalio.service import RPCError

    try:
        return (await programme.handle.describe()).status == WorkflowExecutionStatus.TERMINATED
    except RPCError:
        return False
