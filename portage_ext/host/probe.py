"""Everything of Portage that portage-ext replaces, calls or reads is checked before it is used.

A version number alone says too little: distributions patch Portage, and new releases mostly do not change these parts. So every
module that relies on Portage declares what it relies on with the classes of this module, and names it as
``module:Class.name``. Declaring imports nothing; probing imports the module. For a function that portage-ext has replaced, the
original is checked.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import _lru_cache_wrapper
from typing import Any, Final, NamedTuple, Protocol

from portage_ext.errors import UnknownPortageError

ORIGINAL: Final = "_portage_ext_original"
"""The attribute of a replacement that has the original function."""


class Expectation(Protocol):
    """Something that must exist. ``misfits`` yields one clause for each difference from what is expected."""

    def misfits(self) -> Iterator[str]: ...


class Function(NamedTuple):
    """A function that is replaced or called: its first parameters, its keyword parameters, its callers."""

    path: str
    parameters: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    callers: tuple[str, ...] = ()

    def misfits(self) -> Iterator[str]:
        function = original(self.path)
        called = short(self.path)
        if function is None:
            yield f"{called} is not there"
        elif _replaced(function, self.path):
            yield f"{called} has been replaced by another program"
        else:
            yield from self._signature(function, called)
            for caller in self.callers:
                if original(caller) is None:
                    yield f"{short(caller)} is not there"
                elif called.rpartition(".")[2] not in names(caller):
                    yield f"{short(caller)} no longer calls {called.rpartition('.')[2]}"

    def _signature(self, function: Any, called: str) -> Iterator[str]:
        code = function.__code__
        taken = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        named = code.co_flags & inspect.CO_VARKEYWORDS or set(self.keywords) <= set(taken)
        if taken[: len(self.parameters)] != self.parameters or not named:
            yield f"{called} takes {', '.join(taken) or 'nothing'}"


class Names(NamedTuple):
    """Names that a function uses: attributes of its object, and what it calls or returns."""

    path: str
    used: tuple[str, ...]

    def misfits(self) -> Iterator[str]:
        if original(self.path) is None:
            yield f"{short(self.path)} is not there"
        elif missing := set(self.used) - names(self.path):
            yield f"{short(self.path)} no longer uses {', '.join(sorted(missing))}"


class Attribute(NamedTuple):
    """A class, or an attribute of a class or a module."""

    path: str

    def misfits(self) -> Iterator[str]:
        if found(self.path) is None:
            yield f"{short(self.path)} is not there"


def misfits(expected: Iterable[Expectation]) -> tuple[str, ...]:
    """The differences of this Portage from what is ``expected``, each once."""
    return tuple(dict.fromkeys(text for one in expected for text in _told(one)))


def check(loss: str, expected: Iterable[Expectation]) -> None:
    """Raise UnknownPortageError if something is not as ``expected``; ``loss`` says what does not work then."""
    if wrong := misfits(expected):
        import portage

        raise UnknownPortageError(str(portage.VERSION), loss, wrong)


def _told(expected: Expectation) -> Iterator[str]:
    try:
        yield from expected.misfits()
    except ImportError as error:
        yield str(error)


def found(path: str) -> Any:
    """The attribute at ``module:Class.name`` as defined there, or None. Raises ImportError."""
    module, _, below = path.partition(":")
    value: Any = importlib.import_module(module)
    for name in below.split("."):
        value = inspect.getattr_static(value, name, None)
    return value


def original(path: str) -> Any:
    """The original function of Portage at ``path``, without our replacement; None if it is not a function."""
    function = plain(found(path))
    function = getattr(function, ORIGINAL, function)
    return function if hasattr(function, "__code__") else None


def plain(value: Any) -> Any:
    """The function in a static or class method, a property or a cache."""
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    if isinstance(value, property):
        return value.fget
    return value.__wrapped__ if isinstance(value, _lru_cache_wrapper) else value


def short(path: str) -> str:
    """A short name: ``Class.name``, or the name with its module if it has no class."""
    module, _, name = path.partition(":")
    return name if "." in name else f"{module}.{name}"


def _replaced(function: Any, path: str) -> bool:
    return function.__module__ != path.partition(":")[0] or hasattr(function, "__wrapped__")


def names(path: str) -> set[str]:
    """The names that a function uses, including nested and decorated functions; none if it does not exist."""
    function: Callable[..., Any] | None = original(path)
    used: set[str] = set()
    for code in codes(function) if function is not None else ():
        used.update(code.co_names, code.co_varnames, code.co_cellvars)
    return used


def codes(function: Any) -> Iterator[Any]:
    """The code of a function, of those in it, and of those that it decorates."""
    waiting = [cell.cell_contents.__code__ for cell in function.__closure__ or () if inspect.isfunction(cell.cell_contents)]
    waiting.append(function.__code__)
    while waiting:
        code = waiting.pop()
        yield code
        waiting.extend(constant for constant in code.co_consts if inspect.iscode(constant))
