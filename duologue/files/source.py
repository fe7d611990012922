"""A YAML or JSON file as plain data that remembers on which line everything stands.

YAML 1.2, so that `19:00` is text and `on` is a word. Only what a programme file needs is read: no tags, no anchors, no
several documents. What the data means is not for this module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from duologue.files.problems import FileError, Path, Problem, dotted

MOST_BYTES = 1_000_000
"""A larger file is none of ours."""

_DEEPEST = 40
_CORE = "tag:yaml.org,2002:"


@dataclass
class Source:
    """A file that was read."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    """The line of each field and list entry."""
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of what stands at `path`, or of the nearest thing that holds it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Path, what: str, remedy: str = "") -> Problem:
        """A problem at `path`."""
        return Problem(self.name, self.line(path), dotted(path), what, remedy)

    def report(self, path: Path, what: str, remedy: str = "") -> None:
        """Note that something is wrong at `path`."""
        self.problems.append(self.problem(path, what, remedy))

    def done(self) -> None:
        """Raises `FileError` when anything is wrong."""
        if self.problems:
            raise FileError(*self.problems)


def has(data: object, step: str | int) -> bool:
    """Whether there is anything at `step` of `data`."""
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and step < len(data)


def inside(data: object, *path: str | int) -> Any:  # noqa: ANN401 - whatever was written
    """What stands at `path` of `data`; None where there is nothing."""
    for step in path:
        if not has(data, step):
            return None
        data = data[step]  # type: ignore[index]
    return data


def read(text: str, name: str) -> Source:
    """The file's data. Raises `FileError` when it cannot be read at all; lesser problems are in the source."""
    source = Source(name)
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise FileError(Problem(name, 1, "", f"the file is larger than {MOST_BYTES} bytes"))
    if text.lstrip().startswith("{"):
        # JSON may be indented by tabs, YAML may not. In JSON no text runs over the end of a line.
        text = "\n".join(n.lstrip("\t ").rjust(len(n)) for n in text.splitlines())
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        if isinstance(node, MappingNode):
            source.data = _mapping(source, node, (), set())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"this is not readable YAML: {error.problem or error.context}"
        remedy = "check indentation, colons, brackets and quotes"
        raise FileError(Problem(name, mark.line + 1 if mark else 1, "", what, remedy)) from None
    except (YAMLError, RecursionError, ValueError):
        raise FileError(Problem(name, 1, "", "this is not readable YAML")) from None
    if not isinstance(node, MappingNode):
        raise FileError(Problem(name, 1, "", "the file holds no fields", "write one 'field: value' a line"))
    return source


def _plain(source: Source, node: Node, path: Path, seen: set[int]) -> object:
    """The value of a node; notes its line, and what must not be there."""
    source.lines.setdefault(path, node.start_mark.line + 1)
    if not str(node.tag).startswith(_CORE):
        source.report(path, f"the tag {node.tag} has no meaning here", "remove it")
    if id(node) in seen:
        source.report(path, "a reference to another place (& and *) is not read", "write it out")
        return None
    seen.add(id(node))
    if len(path) > _DEEPEST:
        source.report(path, "this is nested too deeply", "a programme needs no more than a few levels")
        return None
    if isinstance(node, MappingNode):
        return _mapping(source, node, path, seen)
    if isinstance(node, SequenceNode):
        return [_plain(source, inner, (*path, n), seen) for n, inner in enumerate(node.value)]
    return _scalar(node)


def _mapping(source: Source, node: MappingNode, path: Path, seen: set[int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            what, remedy = "a field's name is a word", "write one 'field: value' a line"
            source.problems.append(Problem(source.name, line, dotted(path), what, remedy))
            continue
        inner = (*path, str(key.value))
        if key.value in values:
            what = f"this field is there twice; the first is on line {source.line(inner)}"
            source.problems.append(Problem(source.name, line, dotted(inner), what, "keep one of them"))
            continue
        source.lines[inner] = line
        values[str(key.value)] = _plain(source, value, inner, seen)
    return values


def _scalar(node: Node) -> str | int | float | bool | None:
    """A bare value: nothing, a truth value, a number, or else text. A date stays text: its field decides."""
    text = str(node.value)
    match str(node.tag).removeprefix(_CORE):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if text.lstrip("+-").isdecimal():
            return int(text)
        case "float":
            return float(text.replace(".inf", "inf").replace(".nan", "nan"))
        case _:
            return text
