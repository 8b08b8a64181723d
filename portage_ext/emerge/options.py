"""The options of an emerge run that decide what comes as a binary, as words for a command that repeats the run.

The hint in emerge and the remedies of `why` include them. Options for display, questions, logging and scheduling are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from portage_ext.host.probe import Expectation, Function

EXPECTED: Final[tuple[Expectation, ...]] = (Function("_emerge.main:parse_opts", ("tmpcmdline",), ("silent",)),)
_DECIDING: Final = (
    "--ignore-default-opts", "--getbinpkg", "--getbinpkgonly", "--usepkg", "--usepkgonly", "--getbinpkg-exclude",
    "--getbinpkg-include", "--usepkg-exclude", "--usepkg-include", "--usepkg-exclude-live", "--useoldpkg-atoms",
    "--binpkg-changed-deps", "--binpkg-respect-use", "--binpkg-respect-user-patches", "--changed-deps", "--changed-slot",
    "--rebuilt-binaries", "--rebuilt-binaries-timestamp", "--use-ebuild-visibility", "--dynamic-deps", "--exclude", "--nodeps",
    "--with-bdeps", "--with-bdeps-auto", "--root-deps", "--config-root", "--prefix", "--root", "--sysroot",
    "--accept-properties", "--accept-restrict",
)  # fmt: skip
_SHORT: Final = {"--getbinpkg": "-g", "--getbinpkgonly": "-G", "--usepkg": "-k", "--usepkgonly": "-K"}


def deciding(options: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Those of ``options``, as ``parse_opts`` returns them, that decide about binaries: each with its word."""
    return tuple((name, _word(name, options[name])) for name in _DECIDING if name in options)


def on_the_command_line(arguments: Sequence[str]) -> dict[str, Any]:
    """The options among emerge's ``arguments``; none if emerge does not accept them."""
    from _emerge.main import parse_opts

    try:
        _, options, _ = parse_opts(list(arguments), silent=True)
    except SystemExit:
        return {}
    return dict(options)


def _word(name: str, value: Any) -> str:
    if value is True:
        return _SHORT.get(name, name)
    if value is False:
        return f"{name}=n"
    return f"{name}={' '.join(map(str, _values(value)))}"


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        yield from value
    else:
        yield value
