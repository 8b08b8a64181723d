"""How this host builds, from Portage's own evaluation of its configuration. Only the variables named here are published."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from portage_ext import __version__
from portage_ext.host import cpu as asking
from portage_ext.host.probe import Attribute, Expectation, Function, Names
from portage_ext.model.builder import Builder, Texts
from portage_ext.policy import cpu

EXPECTED: Final[tuple[Expectation, ...]] = (
    Names("portage.package.ebuild.config:config.__init__", ("features", "profile_path", "profiles", "repositories")),
    Function("portage.repository.config:RepoConfigLoader.__iter__", ("self",)),
    Attribute("portage.repository.config:RepoConfig.location"),
    Function("portage.dbapi.vartree:vardbapi.match", ("self", "origdep")),
    Function(
        "portage.util:grabdict_package",
        ("myfilename",),
        ("recursive", "newlines", "allow_wildcard", "allow_repo", "verify_eapi"),
    ),
    Function("portage.util:grabfile", ("myfilename",)),
    Function("portage.versions:vercmp", ("ver1", "ver2")),
    Function("portage.versions:cpv_getversion", ("mycpv",)),
    *(Attribute(f"portage.const:{name}") for name in ("USER_CONFIG_PATH", "WORLD_FILE", "WORLD_SETS_FILE")),
)
_FEATURES: Final = (
    "binpkg-docompress", "binpkg-dostrip", "binpkg-logs", "binpkg-multi-instance", "binpkg-request-signature",
    "binpkg-signing", "buildpkg", "buildpkg-live", "getbinpkg", "nostrip", "pkgdir-index-trusted", "splitdebug", "test",
    "unmerge-orphans", "xattr",
)  # fmt: skip
"""FEATURES that concern binary packages."""
_TOOLCHAIN: Final = ("llvm-core/clang", "sys-devel/gcc", "sys-libs/glibc", "sys-libs/musl")


def builder(*, remember: bool = False) -> Builder:
    """The builder.json that this host would publish; ``remember`` what the compiler says, for the next time."""
    import portage

    if remember:
        asking.remember(Path(portage.settings["EROOT"]))
    return builder_of(portage.settings, portage.db[portage.settings["EROOT"]]["vartree"].dbapi)


def builder_of(settings: Any, installed: Any) -> Builder:
    """The same for a ``config`` and a ``vardbapi``."""
    import portage
    from portage.const import WORLD_FILE, WORLD_SETS_FILE

    groups = _expanded(settings)
    prefixes = ("elibc_", "kernel_", *(f"{name.lower()}_" for name in groups))
    arch, chost = settings.get("ARCH", ""), settings.get("CHOST", "")
    cflags = tuple(settings.get("CFLAGS", "").split())
    march = cpu.machine_flags(cflags)
    needs = asking.needs(cflags, chost, ours=True)
    own = tuple(flag for flag in march if flag != cpu.NATIVE)
    march = asking.native(chost).flags + own if cpu.is_native(march) else own
    return Builder(
        portage_ext=__version__,
        portage=str(portage.VERSION),
        profile=profile_name(settings),
        arch=arch,
        chost=chost,
        accept_chosts=tuple(settings.get("ACCEPT_CHOSTS", "").split()),
        cflags=cflags,
        cxxflags=tuple(settings.get("CXXFLAGS", "").split()),
        ldflags=tuple(settings.get("LDFLAGS", "").split()),
        march=march,
        cpu_needs=tuple(sorted(needs.features)) if needs is not None and asking.here().is_x86_64 else (),
        cpu_level=cpu.level_for(needs) if needs is not None and asking.here().is_x86_64 else 0,
        cpu_flags=asking.here().use_flags,
        accept_keywords=tuple(settings.get("ACCEPT_KEYWORDS", "").split()),
        accept_license=tuple(settings.get("ACCEPT_LICENSE", "").split()),
        use=tuple(sorted(flag for flag in settings.get("USE", "").split() if not flag.startswith(prefixes) and flag != arch)),
        use_expand=groups,
        package_use=_package_use(settings),
        world=_lines(settings, WORLD_FILE),
        sets=_lines(settings, WORLD_SETS_FILE),
        features=tuple(name for name in _FEATURES if name in settings.features),
        binpkg_format=settings.get("BINPKG_FORMAT", ""),
        binpkg_compress=settings.get("BINPKG_COMPRESS", ""),
        toolchain={name: versions for name in _TOOLCHAIN if (versions := _versions(installed, name))},
    )


def behind(ours: Builder, theirs: Builder) -> dict[str, bool]:
    """The toolchain packages that both have and whose newest versions differ. True: theirs is newer."""
    from portage.versions import vercmp

    both = {name: (versions, theirs.toolchain[name]) for name, versions in ours.toolchain.items() if theirs.toolchain.get(name)}
    newest = {name: (here[-1], there[-1]) for name, (here, there) in both.items()}
    return {name: (vercmp(here, there) or 0) < 0 for name, (here, there) in newest.items() if here != there}


def assigned(names: Iterable[str]) -> dict[str, str]:
    """Where this host's configuration sets each variable, ``file:line``. Variables that are not set are left out."""
    import portage

    from portage_ext.host.use_origin import setting

    return {name: where for name in names if (where := setting(portage.settings, name, ""))}


def _expanded(settings: Any) -> dict[str, Texts]:
    """Each USE_EXPAND group that has a value, with its values in their order."""
    flags = sorted(settings.get("USE", "").split())
    found: dict[str, Texts] = {}
    for name in sorted(settings.get("USE_EXPAND", "").split()):
        prefix = f"{name.lower()}_"
        values = tuple(flag[len(prefix) :] for flag in flags if flag.startswith(prefix))
        if values:
            found[name] = values
    return found


def profile_name(settings: Any) -> str:
    """The profile of this host, as builder.json has it."""
    return _profile_at(settings, os.path.realpath(settings.profile_path) if settings.profile_path else "")


def inherited() -> tuple[tuple[str, ...], dict[str, Texts]]:
    """The profiles that this host's profile inherits, parents first, and what their package.use says."""
    import portage
    from portage.util import grabdict_package

    use: dict[str, Texts] = {}
    for path in portage.settings.profiles:
        lines = grabdict_package(os.path.join(path, "package.use"), recursive=1, allow_wildcard=True, allow_repo=True)
        use |= {str(atom): tuple(flags) for atom, flags in lines.items()}
    return tuple(_profile_at(portage.settings, os.path.realpath(path)) for path in portage.settings.profiles), use


def _profile_at(settings: Any, path: str) -> str:
    for repository in settings.repositories:
        profiles = os.path.join(os.path.realpath(repository.location), "profiles", "")
        if path.startswith(profiles):
            return f"{repository.name}:{path[len(profiles) :]}"
    return os.path.basename(path)


def _package_use(settings: Any) -> dict[str, Texts]:
    """package.use as Portage reads it: a file or a directory of files, lines of one atom joined."""
    from portage.const import USER_CONFIG_PATH
    from portage.util import grabdict_package

    path = os.path.join(settings["PORTAGE_CONFIGROOT"], USER_CONFIG_PATH, "package.use")
    lines = grabdict_package(path, recursive=1, newlines=0, allow_wildcard=True, allow_repo=True, verify_eapi=False)
    return {str(atom): tuple(flags) for atom, flags in sorted(lines.items(), key=lambda item: str(item[0]))}


def _lines(settings: Any, name: str) -> Texts:
    """The atoms or sets in one of the world files."""
    from portage.util import grabfile

    return tuple(sorted(grabfile(str(Path(settings["EROOT"]) / name))))


def _versions(installed: Any, name: str) -> Texts:
    from portage.versions import cpv_getversion

    return tuple(cpv_getversion(cpv) for cpv in installed.match(name))
