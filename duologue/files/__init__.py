"""Programme files and curricula: from YAML or JSON to a `Plan`, with errors that name the line and the remedy.

What a file may say is defined by the models of `practice.plan`; this room only reads, explains and fills in
the curriculum that a file names. Nothing here knows Temporal.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from duologue.files.checks import check_curriculum, check_programme
from duologue.files.problems import FileError, Problem, did_you_mean, dotted, explain
from duologue.files.problems import Path as Place
from duologue.files.schema import known_fields, programme_schema
from duologue.files.source import Source, has, inside, read
from duologue.practice.plan import Curriculum, Plan

__all__ = [
    "FileError",
    "Problem",
    "builtin_curricula",
    "load_curriculum",
    "load_programme",
    "parse_programme",
    "programme_schema",
]

_Model = TypeVar("_Model", bound=BaseModel)

_BY_DISCRIMINATOR = frozenset({"week", "days", "month", "list"})
"""What pydantic puts into the place of an error to say which kind of cadence it took."""


def load_programme(path: str | Path) -> Plan:
    """The programme of a file. Raises `FileError` with everything that is wrong."""
    path = Path(path)
    return parse_programme(_text_of(path), name=str(path), folder=path.parent)


def parse_programme(text: str, *, name: str = "<programme>", folder: Path | None = None) -> Plan:
    """The programme of a text. `folder` is where a curriculum's relative path begins; None: no files are read."""
    source = read(text, name)
    check_programme(source)
    given = source.data.get("curriculum")
    problems: tuple[Problem, ...] = ()
    if isinstance(given, str):
        try:
            curriculum = _named_curriculum(source, given, folder)
        except FileError as error:
            # The rest of the programme is judged all the same, as though with a curriculum that is well.
            problems, curriculum = error.problems, load_curriculum(builtin_curricula()[0])
        source.data["curriculum"] = curriculum
    else:
        check_curriculum(source, ("curriculum",))
    plan = _validated(Plan, source)
    if plan is None or problems or source.problems:
        raise FileError(*problems, *source.problems)
    return plan


def load_curriculum(which: str | Path) -> Curriculum:
    """A curriculum: a built-in one by its name, or a file. Raises `FileError` with everything that is wrong."""
    if which in builtin_curricula():
        file = files("duologue").joinpath("curricula", f"{which}.yaml")
        return _curriculum(file.read_text("utf-8"), f"{which} (built in)")
    path = Path(which)
    return _curriculum(_text_of(path), str(path))


def builtin_curricula() -> tuple[str, ...]:
    """The names of the curricula that come with Duologue."""
    found = files("duologue").joinpath("curricula").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in found if file.name.endswith(".yaml")))


def _named_curriculum(source: Source, name: str, folder: Path | None) -> Curriculum:
    """What `curriculum: name` stands for."""
    if name in builtin_curricula():
        return load_curriculum(name)
    if folder is None or not ("/" in name or Path(name).suffix):
        near = did_you_mean(name, list(builtin_curricula()))
        remedy = f"{near} (a file is named by its path, as in ./mine.yaml)"
        raise FileError(source.problem(("curriculum",), f"there is no curriculum '{name}'", remedy))
    if not (folder / name).is_file():
        remedy = "the path begins at the programme file's folder"
        raise FileError(source.problem(("curriculum",), f"there is no file {folder / name}", remedy))
    return load_curriculum(folder / name)


def _curriculum(text: str, name: str) -> Curriculum:
    source = read(text, name)
    check_curriculum(source)
    curriculum = _validated(Curriculum, source)
    source.done()
    assert curriculum is not None  # noqa: S101 - what is not valid has been reported
    return curriculum


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(Problem(str(path), 1, "", "the file is not text", "save it as UTF-8")) from error
    except OSError as error:
        what = "there is no such file" if isinstance(error, FileNotFoundError) else "the file cannot be read"
        raise FileError(Problem(str(path), 1, "", what, "check the path")) from error


def _validated(model: type[_Model], source: Source) -> _Model | None:
    """The data as a model; None when it is not one, with every error reported."""
    try:
        return model.model_validate(source.data)
    except ValidationError as invalid:
        by_place: dict[Place, list[Mapping[str, Any]]] = {}
        for error in invalid.errors(include_url=False):
            # A list whose entries are all at fault counts as empty besides: its entries have been told of.
            if error["type"] != "too_short" or len(error["input"]) < error["ctx"]["min_length"]:
                by_place.setdefault(_place(source.data, error), []).append(error)
        told = {(problem.line, problem.field) for problem in source.problems}
        for place, errors in by_place.items():
            # The forms of a union each say why they do not fit: together that is one problem.
            known = known_fields(model, source.data, place[:-1])
            what, remedy = explain(errors[0], known=known, several=len(errors) > 1)
            if (source.line(place), dotted(place)) not in told:
                source.report(place, what, remedy)
        return None


def _place(data: object, error: Mapping[str, Any]) -> Place:
    """Where in the file an error is: what pydantic adds of its own, such as the tag of a union, is left out."""
    place: list[str | int] = []
    location: Place = error["loc"]
    for n, step in enumerate(location):
        if n and location[n - 1] == "cadence" and step in _BY_DISCRIMINATOR:
            continue
        if has(data, step):
            data = inside(data, step)
        elif error["type"] != "missing" or n < len(location) - 1:
            continue
        place.append(step)
    return (*place, "every") if error["type"] == "union_tag_invalid" else tuple(place)
