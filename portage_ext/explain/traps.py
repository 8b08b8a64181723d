"""The health of this host as far as Portage's own evaluation of its configuration is needed to judge it. Nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from portage_ext import shown
from portage_ext.config import binrepos as binrepos_conf
from portage_ext.host import cpu as asking
from portage_ext.host.here import Here
from portage_ext.policy import cpu
from portage_ext.policy.health import Area, Finding, error, warning
from portage_ext.trust.defeats import BinrepoValues
from portage_ext.trust.keyrings import TrustDirectory


def portage_version() -> Area:
    """Whether emerge runs with portage-ext, and what of it this Portage cannot carry."""
    from portage_ext.explain import supported

    misplaced = supported.misplaced()
    remedy = "emerge -1u app-portage/portage-ext sys-apps/portage; until then emerge is Portage's own"
    found = [error(misplaced, remedy)] if misplaced is not None else []
    found += [error(str(one), supported.todo()) for one in supported.losses()]
    note = supported.untested()
    return Area("Portage", supported.version() + (f"; {note}" if note is not None else ""), tuple(found))


def configuration(host: Here, repos: list[BinrepoValues], *, publishes: bool = False) -> Area:
    """The traps that the manuals warn of. ``publishes``: this host publishes packages for others."""
    import portage

    settings = portage.settings
    found = [
        *(
            error(f"{where}: {why}; Portage uses none of binrepos.conf", f"correct {where}")
            for where, why in binrepos_conf.mistakes(host.config_root)
        ),
        *_profile(settings, host),
        *_defeats(settings, repos),
        *_binhost_variable(settings, repos),
        *_unsigned(host, repos),
        *_package_env(settings, repos),
        *_native(settings, publishes=publishes or "buildpkg" in host.features),
    ]
    names = ", ".join(one.name or shown.line(one.sync_uri) for one in repos) or "none"
    return Area("configuration", f"binrepos: {names}", tuple(found))


def keyring(host: Here, repos: list[BinrepoValues], *, signs: bool) -> Area:
    """The gpg home by which Portage verifies: without it a reindex by Portage writes an empty index, and exits 0.

    ``signs``: packages are signed here, and Portage looks at a signature that is there.
    """
    import portage

    home = Path(portage.settings.get("BINPKG_GPG_VERIFY_GPG_HOME") or host.config_root / "etc/portage/gnupg")
    verifies = "binpkg-request-signature" in host.features or any(one.verify_signature for one in repos)
    looks = signs and "binpkg-ignore-signature" not in host.features
    if not verifies and not looks:
        return Area("keyring", "Portage verifies no package")
    if any((home / one).is_file() for one in ("pubring.kbx", "pubring.gpg")):
        return Area("keyring", str(home))
    what = f"the keyring {home} is not there, by which Portage verifies: it takes no signed package, and "
    own = (
        f"mkdir -p -m 755 {home} && gpg --export FPR | gpg --homedir {home} --import && echo FPR:6: | gpg --homedir {home} "
        f"--import-ownertrust && gpg --homedir {home} --check-trustdb && chmod -R a+rX {home}"
    )
    remedy = own if looks else "getuto; or, for a binhost of your own: portage-ext trust add NAME --fingerprint FPR --from FILE"
    return Area("keyring", str(home), (error(f"{what}`emaint binhost --fix` writes an index without them", remedy),))


def _profile(settings: Any, host: Here) -> Iterator[Finding]:
    if not settings.profiles:
        yield error(
            f"{host.config_root / 'etc/portage/make.profile'} is no profile: Portage knows neither ARCH nor CHOST",
            "eselect profile list, and then eselect profile set with one of its numbers",
        )


def _defeats(settings: Any, repos: list[BinrepoValues]) -> Iterator[Finding]:
    from portage_ext.host.use_origin import setting
    from portage_ext.trust import defeats

    root = Path(settings["PORTAGE_CONFIGROOT"])
    guarded = TrustDirectory(root).binrepos()
    for one in defeats.find(frozenset(settings.features), settings["PKGDIR"], repos, guarded):
        if one.binrepo:
            where = binrepos_conf.place(root, one.binrepo, one.line.partition(" ")[0])
        else:
            named = "FEATURES" if one.line.startswith("FEATURES") else "PORTAGE_BINHOST"
            where = setting(settings, named, "binpkg-ignore-signature")
        yield error(f"{where and where + ': '}{f'[{one.binrepo}] ' if one.binrepo else ''}{one.what}", one.line)


def _binhost_variable(settings: Any, repos: list[BinrepoValues]) -> Iterator[Finding]:
    from portage_ext.host.use_origin import setting
    from portage_ext.trust import binhost_variable

    for one in binhost_variable.named(settings.get("PORTAGE_BINHOST", ""), repos):
        where = setting(settings, "PORTAGE_BINHOST", one.url)
        yield warning(f"{where and where + ': '}{one.what}", one.remedy)


def _unsigned(host: Here, repos: list[BinrepoValues]) -> Iterator[Finding]:
    for one in repos:
        if not one.verify_signature and not {"binpkg-request-signature", "binpkg-ignore-signature"} & host.features:
            where = binrepos_conf.place(host.config_root, one.name, "verify-signature")
            yield warning(
                f"{where and where + ': '}[{one.name or one.sync_uri}] packages without a signature are merged",
                "verify-signature = true in its section of binrepos.conf, or for all of them: "
                'FEATURES="${FEATURES} binpkg-request-signature" in make.conf',
            )


def _package_env(settings: Any, repos: list[BinrepoValues]) -> Iterator[Finding]:
    from portage_ext.emerge import mistakes
    from portage_ext.emerge.whitelist import Whitelist
    from portage_ext.policy.getbinpkg import Run

    whitelist = Whitelist(settings, Run("getbinpkg" in settings.features))
    known = [one.name for one in repos]
    for text in (*mistakes.in_package_env(whitelist), *mistakes.in_binrepos(whitelist, known)):
        yield warning(text, f"correct {text.split(': ')[0]}")


def _native(settings: Any, *, publishes: bool) -> Iterator[Finding]:
    from portage_ext.host.use_origin import setting

    flags = settings.get("CFLAGS", "").split()
    if publishes and cpu.is_native(flags):
        chosen = cpu.machine_flags(flags)
        where = setting(settings, "CFLAGS", cpu.NATIVE)
        other = " ".join((*asking.native(settings.get("CHOST", "")).flags, *(flag for flag in flags if flag not in chosen)))
        yield warning(
            f"{where and where + ': '}packages for others are built with -march=native: they run on CPUs like this one only",
            f'CFLAGS="{other}" in make.conf says the same by name; better is what `portage-ext cpu` says on the oldest client',
        )


def places(host: Here, repos: list[BinrepoValues]) -> list[tuple[str, str]]:
    """What fills up: what it is, and where."""
    import portage

    own = [
        ("PKGDIR", str(host.pkgdir)),
        ("builds", os.path.join(portage.settings.get("PORTAGE_TMPDIR", "/var/tmp"), "portage")),
    ]
    return own + [(f"downloads of {one.name}", one.location) for one in repos if one.location]
