"""The command itself: its parts put together, one way in, one way out."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

from duologue import __version__
from duologue.cli import (
    codec,
    errors,
    keeping,
    output,
    planning,
    privacy,
    programmes,
    service,
    tools,
    verbs,
)

DEBUG = "DUOLOGUE_DEBUG"
"""Set to 1, it shows the whole story of an error."""


class _Group(TyperGroup):
    """Commands under the contract's own names too: `ask_dialogue` is `ask-dialogue`."""

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - typer's own types are private
        return super().resolve_command(ctx, [args[0].replace("_", "-"), *args[1:]])


def _application() -> typer.Typer:
    people = sys.stdout.isatty()
    app = typer.Typer(
        name="duologue",
        cls=_Group,
        no_args_is_help=True,
        rich_markup_mode="rich" if people else None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Durable Imago practice programmes for couples, on Temporal.",
    )
    app.callback()(_whole)
    tools.install(app, "To begin with")
    planning.install(app, "To begin with")
    service.install(app, "Running it")
    codec.install(app, "Running it")
    keeping.install(app, "Keys and contacts")
    programmes.install(app, "Programmes")
    privacy.install(app, "Keys and contacts")
    verbs.install(app, "What a person does (the commands of the contract)")
    return app


def _version(wanted: bool) -> None:  # noqa: FBT001 - how typer calls it
    if wanted:
        output.say(f"duologue {__version__}")
        raise typer.Exit


def _whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options of the whole."""


def execute(arguments: Sequence[str]) -> int:
    """Run one command and answer with its exit code. Never raises; what went wrong is told on standard error."""
    as_json = "--json" in arguments
    try:
        code = _application()(list(arguments), prog_name="duologue", standalone_mode=False)
    except SystemExit as end:
        # A shell's completion ends so; and, in typer, a pipe that nobody reads any more.
        enough = isinstance(end.__context__, BrokenPipeError)
        return 0 if enough else end.code if isinstance(end.code, int) else errors.FAILED
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where all of them end
        if os.environ.get(DEBUG) == "1":
            traceback.print_exc()
        problem = _problem(error)
        errors.tell(problem, as_json=as_json)
        return problem.code
    return code if isinstance(code, int) else 0


def _problem(error: BaseException) -> errors.Problem:
    if isinstance(error, typer.Abort):
        return errors.Problem("stopped", "Stopped.", code=errors.INTERRUPTED)
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "duologue"
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        return errors.Problem(
            "usage", f"{message}.", f"How it is called: {command} --help", code=errors.USAGE
        )
    return errors.explain(error)


def main() -> NoReturn:
    """Run the command line, and end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = execute(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # All is done and flushed; an interpreter with the SDK loaded now and then aborts in its own shutdown (3.11.7).
    os._exit(code)
