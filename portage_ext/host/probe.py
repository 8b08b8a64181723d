"""Is this Portage built the way the patches rely on? Everything they touch is looked at before anything is touched.

A version number alone says too little: distributions patch Portage, and new releases mostly leave these places alone. So the
probe asks each function for its parameters, for the module it comes from (somebody may have patched it first), and asks the
callers that matter whether they still call it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import portage
from _emerge import depgraph
from portage import getbinpkg
from portage.dbapi import bintree
from portage.package.ebuild import config

from portage_ext.errors import UnknownPortageError


@dataclass(frozen=True, slots=True)
class Expected:
    """A function that must be there: its owner (class or module) and name, the parameters relied on, and who must call it."""

    owner: Any
    name: str
    parameters: tuple[str, ...]
    called_by: tuple[Callable[..., Any], ...] = ()


def check(run_action: Callable[..., Any]) -> None:
    """Raise UnknownPortageError when this Portage is not built as expected. ``run_action`` is emerge's own."""
    try:
        for expected in _expectations(run_action):
            check_function(expected)
        _check_attributes()
    except AttributeError as error:
        raise UnknownPortageError(portage.VERSION, str(error)) from error


def _expectations(run_action: Callable[..., Any]) -> tuple[Expected, ...]:
    tree, resolver, index = bintree.binarytree, depgraph.depgraph, getbinpkg.PackageIndex
    return (
        Expected(tree, "populate", ("self", "getbinpkgs"), (run_action,)),
        Expected(tree, "_populate_remote_repo", ("self", "repo"), (tree._populate_remote,)),
        Expected(tree, "_new_pkgindex", ("self",), (tree._populate_remote_repo,)),
        Expected(
            resolver,
            "_iter_match_pkgs",
            ("self", "root_config", "pkg_type", "atom"),
            (resolver._iter_match_pkgs_any, resolver._wrapped_select_pkg_highest_available_imp, resolver._select_files),
        ),
        Expected(resolver, "_show_unsatisfied_dep", ("self", "root", "atom")),
        Expected(index, "read", ("self", "pkgfile"), (tree._populate_remote_repo,)),
        Expected(index, "readHeader", ("self", "pkgfile"), (tree._populate_remote_repo,)),
        Expected(index, "readBody", ("self", "pkgfile"), (tree._populate_remote_repo,)),
        Expected(index, "write", ("self", "pkgfile"), (tree._populate_remote_repo,)),
        Expected(config.config, "_grab_pkg_env", ("self", "penv", "container"), (config.config.setcpv,)),
    )


def check_function(expected: Expected) -> None:
    """Raise UnknownPortageError when the function is not as expected."""
    home = expected.owner.__name__ if inspect.ismodule(expected.owner) else expected.owner.__module__
    function = inspect.getattr_static(expected.owner, expected.name, None)
    if function is None:
        raise UnknownPortageError(portage.VERSION, f"{home}.{expected.name} is not there")
    if getattr(function, "__module__", None) != home or hasattr(function, "__wrapped__"):
        raise UnknownPortageError(portage.VERSION, f"{home}.{expected.name} has been replaced by somebody else")
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if names[: len(expected.parameters)] != expected.parameters:
        raise UnknownPortageError(portage.VERSION, f"{home}.{expected.name} takes {', '.join(names)}")
    for caller in expected.called_by:
        if expected.name not in _names(caller):
            raise UnknownPortageError(portage.VERSION, f"{caller.__qualname__} no longer calls {expected.name}")


def _names(function: Callable[..., Any]) -> set[str]:
    """The names that a function uses, those of nested and of decorated functions included."""
    names: set[str] = set()
    codes = [cell.cell_contents.__code__ for cell in function.__closure__ or () if inspect.isfunction(cell.cell_contents)]
    codes.append(function.__code__)
    while codes:
        code = codes.pop()
        names.update(code.co_names, code.co_varnames)
        codes.extend(constant for constant in code.co_consts if inspect.iscode(constant))
    return names


def check_names(function: Callable[..., Any], *attributes: str) -> None:
    """Raise UnknownPortageError when ``function`` no longer uses one of ``attributes``."""
    missing = set(attributes) - _names(function)
    if missing:
        raise UnknownPortageError(portage.VERSION, f"{function.__qualname__} does without {', '.join(sorted(missing))}")


def _check_attributes() -> None:
    used = (
        (config.config.__init__, ("_penvdict", "backupenv", "_expand_map")),
        (bintree.binarytree._populate_remote_repo, ("packages", "header", "read", "name_fallback")),
    )
    for function, attributes in used:
        check_names(function, *attributes)
