"""The pure core and the workflow have no clock, no randomness, no time-zone data and no I/O of their own.

Passed-through modules lose every check of the workflow sandbox (a `datetime.now()` in one of them was seen to
run in silence), so this walks their source instead. What they may import is named, module by module: whatever else
there is, or will be, they may not.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CORE = frozenset(
    {
        *("__future__", "collections", "dataclasses", "datetime", "enum", "functools", "itertools", "typing"),
        *("base64", "binascii", "hashlib", "json", "re", "string"),
        # The texts are read from the package, once.
        *("importlib.resources", "tomllib"),
        *("pydantic", "pydantic_core"),
        "duologue.practice",
    }
)
SHELL = CORE | {
    *("asyncio", "contextlib"),
    *("temporalio.workflow", "temporalio.common", "temporalio.exceptions"),
    "duologue.workflows",
}
MAY_IMPORT = {"duologue/practice": CORE, "workflows": SHELL}
# Of a class of the module `datetime`, by whatever name it was imported.
CLOCKS = frozenset({"now", "utcnow", "today"})
CALLS = frozenset({"open", "input", "print", "eval", "exec", "__import__", "id", "hash"})


def imported(node: ast.AST) -> list[str]:
    """The modules that a statement imports, by their whole names, as far as it tells."""
    match node:
        case ast.Import(names=names):
            return [name.name for name in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            return [f"{'.' * level}{module or ''}.{name.name}" for name in names]
    return []


def impurities(source: str, allowed: frozenset[str] = CORE) -> Iterator[str]:
    """What in `source` may not be there, each as `line: what`; `allowed` are the modules it may import."""
    tree = ast.parse(source)
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "datetime"]
    dated = {"datetime", "date"} | {a.asname for n in imports for a in n.names if a.asname}
    for node in ast.walk(tree):
        found = [
            f"import of {name}"
            for name in imported(node)
            if not any(f"{name}.".startswith(f"{a}.") for a in allowed)
        ]
        match node:
            case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=attr) if (
                attr in CLOCKS and name in dated
            ):
                found = [f"{name}.{attr}"]
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                found = [f"{name}()"]
            # Without a zone these read the machine's own.
            case ast.Call(func=ast.Attribute(attr="fromtimestamp"), args=[_], keywords=[]):
                found = ["fromtimestamp() without a zone"]
            case ast.Call(func=ast.Attribute(attr="astimezone"), args=[], keywords=[]):
                found = ["astimezone() without a zone"]
        yield from (f"{getattr(node, 'lineno', 0)}: {what}" for what in found)


@pytest.mark.parametrize(("room", "allowed"), MAY_IMPORT.items())
def test_the_room_is_pure(room: str, allowed: frozenset[str]) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(ROOT)}:{what}" for file in files for what in impurities(file.read_text(), allowed)
    ]
    assert found == []


NOBODY = [
    "import time",
    "import os.path",
    "import importlib",
    "from importlib import import_module",
    "from random import choice",
    "from zoneinfo import ZoneInfo",
    "import aiohttp",
    "from sqlalchemy import select",
    "from cryptography.hazmat.primitives.ciphers.aead import AESGCM",
    "import pydantic_settings",
    "import datetimes",
    "from duologue import vault",
    "from duologue.codec import KeyRing",
    "from duologue.couple import Couple",
    "from duologue import calendar",
    "from . import vault",
    "from .vault import Vault",
    "from datetime import datetime as d\nd.now()",
    "import datetime\ndatetime.datetime.now(datetime.UTC)",
    "from datetime import date\ntoday = date.today",
    "clock = datetime.utcnow",
    "datetime.fromtimestamp(0)",
    "when.astimezone()",
    "open('x')",
    "__import__('os')",
    "def f():\n    import uuid",
    "if TYPE_CHECKING:\n    from duologue.vault import Vault",
]


@pytest.mark.parametrize("bad", NOBODY)
@pytest.mark.parametrize("allowed", MAY_IMPORT.values(), ids=MAY_IMPORT)
def test_an_impurity_is_found(bad: str, allowed: frozenset[str]) -> None:
    assert list(impurities(bad, allowed))


@pytest.mark.parametrize(
    "bad",
    [
        "import asyncio",
        "from temporalio import workflow",
        "from duologue.workflows import intake",
        "from duologue import workflows",
    ],
)
def test_what_the_shell_may_the_core_may_not(bad: str) -> None:
    assert list(impurities(bad, CORE))
    assert list(impurities(bad, SHELL)) == []


def test_the_shell_knows_no_client_of_temporal() -> None:
    assert list(impurities("from temporalio.client import Client", SHELL))


@pytest.mark.parametrize(
    "good",
    [
        "from temporalio import workflow\nworkflow.now()",
        "when.astimezone(UTC)",
        "datetime.fromtimestamp(0, UTC)",
        "from collections.abc import Iterable",
        "from duologue import practice",
    ],
)
def test_what_is_allowed_is_not_found(good: str) -> None:
    assert list(impurities(good, SHELL)) == []
