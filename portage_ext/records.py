"""Classes of values as ``dataclasses`` makes them, for commands that start again and again: defining one is nearly free.

``dataclasses`` imports ``inspect``, and compiles up to nine methods of each class when its module is imported: a third of the
time of a small fetch. Here ``__init__`` is compiled when the first object is made, and nothing else is compiled. The functions
of ``dataclasses`` work with these classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar, dataclass_transform, overload

if TYPE_CHECKING:
    from dataclasses import Field

_T = TypeVar("_T")
_ABSENT: Final = object()
_set: Final = object.__setattr__
_waiting: list[Callable[[], None]] = []
"""What compiles ``__init__`` of each class of which no object was made yet."""


class _Default:
    """What :func:`field` says of one value."""

    __slots__ = ("factory", "given", "shown", "value")

    def __init__(
        self, value: object, factory: Callable[[], object] | None = None, *, shown: bool = True, given: bool = True
    ) -> None:
        self.value = value
        self.factory = factory
        self.shown = shown
        self.given = given


def field(
    *, default: Any = _ABSENT, default_factory: Callable[[], Any] | None = None, repr: bool = True, init: bool = True
) -> Any:
    """As ``dataclasses.field``. Without ``init``, no argument gives the value: each object has its own, and a copy too."""
    return _Default(default, default_factory, shown=repr, given=init)


@overload
def record(cls: type[_T], /) -> type[_T]: ...
@overload
def record(*, frozen: bool = ..., eq: bool = ..., order: bool = ...) -> Callable[[type[_T]], type[_T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[_T] | None = None, /, *, frozen: bool = True, eq: bool = True, order: bool = False) -> Any:
    """As ``dataclasses.dataclass(slots=True, …)``, but frozen unless told otherwise. No base of ``cls`` has fields."""
    if cls is None:
        return lambda one: _made(one, frozen=frozen, eq=eq, order=order)
    return _made(cls, frozen=frozen, eq=eq, order=order)


def replace(one: _T, /, **changes: Any) -> _T:
    """As ``dataclasses.replace``."""
    kind: Any = type(one)
    made: _T = kind(**{name: getattr(one, name) for name in kind.__match_args__} | changes)
    return made


def ready() -> None:
    """Compile now what the first object of each class that is defined would compile: for a process that forks."""
    while _waiting:
        _waiting.pop()()


def _made(cls: type, *, frozen: bool, eq: bool, order: bool) -> type:
    names = tuple(name for name, kind in cls.__annotations__.items() if not kind.startswith("ClassVar"))
    body = {key: value for key, value in cls.__dict__.items() if key not in ("__dict__", "__weakref__", *names)}
    defaults = {name: _default(cls.__dict__.get(name, _ABSENT)) for name in names}
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda one: ()
    own_hash = "__hash__" in body and not (body["__hash__"] is None and "__eq__" in body)

    def compared(by: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
        return lambda one, other: by(values(one), values(other)) if other.__class__ is one.__class__ else NotImplemented

    def shown(one: Any) -> str:
        said = (f"{name}={getattr(one, name)!r}" for name in names if defaults[name].shown)
        return f"{type(one).__qualname__}({', '.join(said)})"

    def restored(one: Any, state: list[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            _set(one, name, value)

    more: dict[str, Any] = {"__repr__": shown}
    if eq:
        more["__eq__"] = compared(lambda one, other: one == other)
        if not own_hash:
            body["__hash__"] = (lambda one: hash(values(one))) if frozen else None
    if order:
        more["__lt__"] = compared(lambda one, other: one < other)
        more["__le__"] = compared(lambda one, other: one <= other)
        more["__gt__"] = compared(lambda one, other: one > other)
        more["__ge__"] = compared(lambda one, other: one >= other)
    if frozen:
        more |= {"__setattr__": _refuse, "__delattr__": _refuse}
    body = {
        **more,
        **body,
        "__slots__": names,
        "__match_args__": tuple(name for name in names if defaults[name].given),
        "__getstate__": lambda one: [getattr(one, name) for name in names],
        "__setstate__": restored,
        "__dataclass_fields__": _Fields(cls.__name__, cls.__annotations__, defaults),
    }
    made: Any = type(cls)(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__

    def compile_first() -> None:
        if made.__init__ is first:
            made.__init__ = _init(defaults, frozen=frozen, more="__post_init__" in body)

    def first(self: object, *arguments: object, **named: object) -> None:
        compile_first()
        made.__init__(self, *arguments, **named)

    if "__init__" not in body:
        made.__init__ = first
        _waiting.append(compile_first)
    return made  # type: ignore[no-any-return]


def _default(value: object) -> _Default:
    return value if isinstance(value, _Default) else _Default(value)


def _refuse(one: object, name: str, value: object = None) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot change field {name!r}")


def _init(defaults: Mapping[str, _Default], *, frozen: bool, more: bool) -> Any:
    """The compiled ``__init__``."""
    known: dict[str, Any] = {"_set": _set, "_absent": _ABSENT}
    parameters, lines = ["self"], []
    for name, default in defaults.items():
        value = name
        if default.factory is not None and not default.given:
            known[f"_make_{name}"] = default.factory
            value = f"_make_{name}()"
        elif default.factory is not None:
            known[f"_make_{name}"] = default.factory
            parameters.append(f"{name}=_absent")
            value = f"_make_{name}() if {name} is _absent else {name}"
        elif default.value is not _ABSENT:
            known[f"_default_{name}"] = default.value
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if more:
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"]), known)
    return known["__init__"]


class _Fields:
    """``__dataclass_fields__``, made when somebody asks for it."""

    def __init__(self, name: str, kinds: Mapping[str, Any], defaults: Mapping[str, _Default]) -> None:
        self._name = name
        self._kinds = kinds
        self._defaults = defaults

    def __get__(self, one: object, owner: type) -> dict[str, Field[Any]]:
        import dataclasses

        def said(default: _Default) -> Any:
            if default.factory is not None:
                return dataclasses.field(default_factory=default.factory, repr=default.shown, init=default.given)
            value = dataclasses.MISSING if default.value is _ABSENT else default.value
            return dataclasses.field(default=value, repr=default.shown)

        kinds = [(name, self._kinds[name], said(default)) for name, default in self._defaults.items()]
        made: dict[str, Field[Any]] = vars(dataclasses.make_dataclass(self._name, kinds))["__dataclass_fields__"]
        type.__setattr__(owner, "__dataclass_fields__", made)
        return made
