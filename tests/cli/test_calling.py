"""How commands are called and what they say where nothing answers: no server here."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from duologue.cli import context, errors, output, verbs
from duologue.cli.app import _application
from duologue.practice.messages import COMMANDS, Command, Reason
from tests.cli.conftest import Terminal, python

NOW = datetime(2027, 1, 4, 18, 0, tzinfo=UTC)


async def names(terminal: Terminal) -> list[str]:
    listed = (await terminal("--help")).out.partition("Commands:\n")[2]
    return [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]


async def test_help_of_everything(terminal: Terminal) -> None:
    found = await names(terminal)
    assert {n.replace("-", "_") for n in found} >= set(COMMANDS)
    assert {
        "up",
        "worker",
        "setup",
        "start",
        "list",
        "show",
        "watch",
        "cancel",
        "schema",
        "demo",
        "simulate",
    } <= set(found)
    for name in found:
        assert f"Usage: duologue {name}" in (await terminal(name, "--help")).out
    assert (await terminal("--version")).out.startswith("duologue ")


async def test_help_says_of_every_argument_and_option_what_it_is(terminal: Terminal) -> None:
    application: Any = typer.main.get_command(_application())
    for name, command in application.commands.items():
        silent = [p.name for p in command.params if not getattr(p, "help", None)]
        assert not silent, (name, silent)
    for name in ("acknowledge", "decide"):
        assert "[default: facilitator]" in (await terminal(name, "--help")).out


def test_help_loads_no_sdk() -> None:
    script = (
        "import sys\nfrom duologue.cli import execute\n"
        "assert execute(['--help']) == 0 and execute(['turn', '--help']) == 0\n"
        "slow = {'temporalio', 'google.protobuf', 'ruamel.yaml'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL, timeout=30)


def test_the_process_ends_with_its_code(terminal: Terminal) -> None:
    """A terminal where nothing answers; the processes inherit that."""
    calls = ((("--help",), 0), (("start",), 2), (("start", "no-such-file.yaml"), 1), (("worker",), 1))
    for arguments, code in calls:
        done = subprocess.run(
            [*python(), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
    with subprocess.Popen(
        [*python(), "schema", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as cut:
        assert cut.stdout is not None
        assert cut.stderr is not None
        assert cut.stdout.readline() == "{\n"
        cut.stdout.close()  # as `| head -1` does
        assert (cut.stderr.read(), cut.wait(30)) == ("", 0)


POLICY = Path(__file__).with_name("policy.yaml")
POLICY_DATA = {"missed_after": "20min"}

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("consent P --by a", {"agree": True}),
    ("consent P --by b --decline", {"agree": False}),
    ("turn P --by a send hello", {"act": "send", "words": {"text": "hello"}}),
    ("turn P --by a send --words hello", {"act": "send", "words": {"text": "hello"}}),
    ("turn P --by b share --line 2 --line 3", {"act": "share", "lines": [2, 3]}),
    ("turn P --by a request please --within-days 7", {"act": "request", "within_days": 7}),
    ("turn P --by a time_out --until 2027-01-04T20:00+01:00", {"until": "2027-01-04T19:00:00Z"}),
    ("turn P --by a frame --note a1", {"act": "frame", "note": "a1"}),
    ("ask-dialogue P --by b", {"kind": "full", "topic": None}),
    ("ask_dialogue P --by b --kind mirroring --topic us", {"kind": "mirroring", "topic": {"text": "us"}}),
    ("reply P --by a q1 soon", {"question": "q1", "answer": "soon", "answers": {}}),
    (
        "reply P --by a q1 --answer safe_to_speak=yes --answer no_fear=unsure",
        {"answer": "", "answers": {"safe_to_speak": "yes", "no_fear": "unsure"}},
    ),
    ("reply P --by a q1 at --at 2027-01-05T19:00Z", {"answer": "at", "at": "2027-01-05T19:00:00Z"}),
    ("note P --by a words --shared", {"words": {"text": "words"}, "shared": True}),
    ("note P --by a --note a1 --remove", {"words": None, "note": "a1", "remove": True}),
    (
        "adjust P --by a --zone Europe/Berlin --language de --quiet 22:30-06:00 --opt-in story=no",
        {
            "zone": "Europe/Berlin",
            "language": "de",
            "quiet": {"start": "22:30", "end": "06:00"},
            "opt_in": {"story": False},
        },
    ),
    ("consent P --by a --share-attendance", {"agree": True, "share_attendance": True}),
    ("adjust P --by a --no-reminders", {"reminders": False, "share_attendance": None}),
    (
        "adjust P --by a --reminders --no-share-attendance",
        {"reminders": True, "share_attendance": False},
    ),
    ("adjust P --by a --no-quiet-hours", {"no_quiet_hours": True, "quiet": None}),
    ("reschedule P --by a 3 --proposal 2", {"session": 3, "proposal": 2, "at": None}),
    ("pause P --by a --concern --reason because", {"concern": True, "reason": {"text": "because"}}),
    ("pause P --by b --until 2027-01-06T19:00Z", {"concern": False, "until": "2027-01-06T19:00:00Z"}),
    ("resume P --by b", {}),
    ("withdraw P --by b", {}),
    ("acknowledge P alert-1", {"by": "facilitator", "alert": "alert-1"}),
    ("acknowledge P alert-1 --snooze 30h", {"alert": "alert-1", "snooze": "1d6h"}),
    ("decide P go_on", {"by": "facilitator", "decision": "go_on"}),
    ("decide P jump --step 2", {"decision": "jump", "step": 2}),
    (f"adjust P --by facilitator --policy {POLICY}", {"policy": POLICY_DATA}),
    (
        "resume P --by b --id mine --sent-at 2027-01-04T19:00Z",
        {"command_id": "mine", "sent_at": "2027-01-04T19:00:00Z"},
    ),
]


def verb(call: str) -> str:
    return call.split(maxsplit=1)[0].replace("-", "_")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """The commands that were made, which nobody receives."""
    commands: list[Command] = []

    async def keep(programme: str, command: Command, **how: object) -> None:
        commands.append(command)

    monkeypatch.setattr(verbs, "_deliver", keep)
    return commands


@pytest.mark.parametrize(("call", "fields"), CALLS, ids=[c for c, _ in CALLS])
async def test_a_verb_makes_its_command(
    terminal: Terminal, sent: list[Command], call: str, fields: dict[str, Any]
) -> None:
    await terminal(*call.split())
    [command] = sent
    assert command.name == verb(call)
    made = command.model_dump(mode="json")
    compared = {k: v for k, v in made.items() if k in fields}
    for key, value in compared.items():
        if isinstance(value, dict) and "text" in value:
            compared[key] = {"text": value["text"]}
    assert compared == fields


def test_every_field_of_every_command_is_called_here() -> None:
    """A new field that no call names is a field that nobody has tried."""
    for name, model in COMMANDS.items():
        called = {f for c, fields in CALLS if verb(c) == name for f in fields}
        assert set(model.model_fields) - {"command_id", "by", "sent_at"} - called <= {"words"}, name


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("turn P send", "Missing option '--by'"),
        ("turn P --by c send", "'c' is not one of 'a', 'b', 'facilitator'"),
        ("turn P --by a wave", "'wave' is not one of 'ready'"),
        ("turn P --by a send x --words y", "twice"),
        ("turn P --by a time_out --until soon", "'soon' is no time; write 30min"),
        ("turn P --by a time_out --until 2027-01-04T20:00", "lacks its offset"),
        ("adjust P --by a --quiet 22", "22:00-07:00"),
        ("adjust P --by a --opt-in story", "NAME=yes or NAME=no"),
        ("adjust P --by a --opt-in story=unsure", "NAME=yes or NAME=no"),
        ("reply P --by a q1 --answer no_fear=maybe", "NAME=no or NAME=unsure"),
        ("turn P --by a send \udcff", "'words' is not UTF-8"),
        ("reply P --by a q1 --answer \udcff=yes", "'answers' is not UTF-8"),
        ("resume P --by a --patience long", "write a length of time"),
        ("decide P shrug", "'shrug' is not one of 'go_on'"),
        ("show P --receipt x", "--receipt goes with --as"),
        ("list --needs-a-person --awaiting a", "--needs-a-person is the same"),
        ("simulate F --out x", "--out goes with --on-server"),
        ("schema nothing", "there are: consent, turn"),
        ("dance", "No such command 'dance'"),
    ],
)
async def test_calling_it_wrongly_is_a_usage_error(
    terminal: Terminal, sent: list[Command], call: str, says: str
) -> None:
    said = await terminal(*call.split(), code=errors.USAGE)
    assert says in said.err
    assert "--help" in said.err
    assert said.out == ""
    as_json = await terminal(*call.split(), "--json", code=errors.USAGE)
    assert json.loads(as_json.err)["error"] == "usage"
    assert sent == []


async def test_what_an_id_may_hold_is_said_in_words(terminal: Terminal, sent: list[Command]) -> None:
    said = await terminal("resume", "P", "--by", "a", "--id", "a b", code=1)
    assert "command_id: write up to 64 letters, digits and . _ : - only" in said.err
    assert "pattern" not in said.err
    assert sent == []


async def test_standard_input_that_is_no_text_is_a_usage_error(
    terminal: Terminal, sent: list[Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), "utf-8"))
    said = await terminal("turn", "P", "--by", "a", "send", "-", code=errors.USAGE)
    assert "standard input is not UTF-8" in said.err
    assert sent == []


async def test_a_zone_that_does_not_exist_is_refused_before_anything_is_sent(
    terminal: Terminal, sent: list[Command]
) -> None:
    said = await terminal("adjust", "P", "--by", "b", "--zone", "Europe/Berlni", code=1)
    assert "there is no time zone 'Europe/Berlni'; did you mean Europe/Berlin?\n" in said.err
    as_json = await terminal("adjust", "P", "--by", "b", "--zone", "Mars/Phobos", "--json", code=1)
    assert json.loads(as_json.err)["reason"] == "malformed"
    assert sent == []


async def test_where_nothing_answers(terminal: Terminal) -> None:
    _, file = terminal.file()
    for call in (
        ["list"],
        ["show", "x"],
        ["start", str(file)],
        ["consent", "x", "--by", "a"],
        ["watch", "x"],
        ["setup"],
    ):
        said = await terminal(*call, code=1)
        assert "127.0.0.1:1" in said.err
        assert "duologue up" in said.err
        assert said.out == ""
    told = json.loads((await terminal("list", "--json", code=1)).err)
    assert told["error"] == "unreachable"


async def test_every_error_of_a_file_names_its_line(terminal: Terminal) -> None:
    _, path = terminal.file("couple")
    text = (
        path.read_text().replace("ref: person-2", "ref: person-1").replace("[appreciation]", "[apreciation]")
    )
    path.write_text(text.replace("opens_before", "open_before"))
    said = await terminal("start", str(path), code=1)
    lines = said.err.splitlines()
    assert any(line.startswith(f"{path}:10: ") and "appreciation" in line for line in lines)
    assert any(line.startswith(f"{path}:11: ") and "opens_before" in line for line in lines)
    told = json.loads((await terminal("start", str(path), "--json", code=1)).err)
    assert told["error"] == "file"
    assert len(told["details"]) == len(lines) - 1
    missing = await terminal("simulate", str(path.with_name("none.yaml")), code=1)
    assert "none.yaml:1: there is no such file" in missing.err


async def test_wrong_settings_name_the_variable(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_SERVER_PORT", "many")
    said = await terminal("list", code=1)
    assert "DUOLOGUE_SERVER_PORT" in said.err


async def test_the_whole_story_is_shown_on_demand(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(context, "load_settings", broken)
    said = await terminal("list", code=1)
    assert len(said.err.splitlines()) == 2
    assert "LookupError: a bug" in said.err
    assert "DUOLOGUE_DEBUG=1" in said.err
    monkeypatch.setenv("DUOLOGUE_DEBUG", "1")
    assert "Traceback" in (await terminal("list", code=1)).err


def test_every_reason_of_a_refusal_has_a_remedy() -> None:
    assert set(errors.REMEDIES) == set(Reason)


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ("30min", NOW + timedelta(minutes=30)),
        ("+2h", NOW + timedelta(hours=2)),
        ("-5min", NOW - timedelta(minutes=5)),
        ("1d12h", NOW + timedelta(hours=36)),
        ("2027-01-04T19:00+01:00", NOW),
        ("2027-01-04T18:00Z", NOW),
        ("2027-01-04 18:00+00:00", NOW),
    ],
)
def test_moments(given: str, at: datetime) -> None:
    assert context.instant(given, NOW) == at


@pytest.mark.parametrize("given", ["", "tomorrow", "19:00", "2027-01-04", "5", "--5min", "999999999w"])
def test_what_is_no_moment(given: str) -> None:
    with pytest.raises(typer.BadParameter, match="write 30min"):
        context.instant(given, NOW)


def test_lengths_in_words() -> None:
    spans = [
        timedelta(seconds=5),
        timedelta(minutes=3),
        timedelta(hours=2, minutes=5),
        timedelta(days=8, hours=1),
    ]
    assert [output.length(s) for s in spans] == ["5 s", "3 min", "2 h 5 min", "8 d 1 h"]


def test_styles_are_for_terminals_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output.say(output.good("well"), " [bold]not markup[/bold]", output.soft("\x1b[2J"))
    assert capsys.readouterr().out == "well [bold]not markup[/bold]\ufffd[2J\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    output.say(output.good("well"), " [bold]not markup[/bold]")
    styled = capsys.readouterr().out
    assert "\x1b[32mwell\x1b[0m" in styled
    assert "[bold]not markup[/bold]" in styled


def test_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("ID", "WHAT"), [("a", "x"), ("long", "日本"), ("b", "")], indent=1)
    assert capsys.readouterr().out == " ID    WHAT\n a     x\n long  日本\n b\n"
    output.table(("ID",), [])
    assert capsys.readouterr().out == ""


def test_the_reference_tells_of_every_command_and_option() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text()
    listed = subprocess.run(
        [*python(), "--help"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    for line in listed.partition("Commands:\n")[2].splitlines():
        if line.startswith("  ") and line[2] != " ":
            assert f"`{line.split()[0]}" in text, line
