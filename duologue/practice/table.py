"""A table of functions by the type of what they handle: how events and commands find theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

S = TypeVar("S")
R = TypeVar("R")
T = TypeVar("T")


class Table(Generic[S, R]):
    """Functions `(S, thing) -> R`, one for each type of thing."""

    def __init__(self) -> None:
        self._handlers: dict[type[Any], Callable[[S, Any], R]] = {}

    def on(self, kind: type[T]) -> Callable[[Callable[[S, T], R]], Callable[[S, T], R]]:
        """Enter the decorated function for things of type `kind`."""

        def keep(handler: Callable[[S, T], R]) -> Callable[[S, T], R]:
            self._handlers[kind] = handler
            return handler

        return keep

    def find(self, thing: object) -> Callable[[S, Any], R] | None:
        """The function for `thing`, where there is one."""
        return self._handlers.get(type(thing))
