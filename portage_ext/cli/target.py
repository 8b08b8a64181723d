"""portage-ext target: other hosts, as far as their configuration and state decide what fits there."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Final

from portage_ext import shown
from portage_ext.builds.layers import stack
from portage_ext.builds.places import Places
from portage_ext.cli import objects
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.host.here import here, repository_locations
from portage_ext.model import builder
from portage_ext.targets import reach, stage
from portage_ext.targets.archive import Signed
from portage_ext.targets.capture import Target
from portage_ext.targets.differences import Difference, differences
from portage_ext.targets.store import Store, checked_name, laid_out

_FULL: Final = 12
"""Differences of one area that are shown; --json has all."""


def arguments(parser: argparse.ArgumentParser) -> None:
    below = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    capture = below.add_parser("capture", help="take a host's configuration and state; nothing is written there")
    capture.add_argument("name", metavar="NAME")
    source = capture.add_mutually_exclusive_group(required=True)
    source.add_argument("--ssh", metavar="[USER@]HOST", help="the host, reached by ssh; it needs Portage and nothing else")
    source.add_argument("--root", type=Path, metavar="DIR", help="a system below a directory of this host: a chroot or a ROOT")
    source.add_argument("--prefix", type=Path, metavar="DIR", help="a Gentoo Prefix on this host")
    source.add_argument("--builder", type=Path, metavar="FILE", help="a builder.json that a binhost has published")
    capture.add_argument("--ssh-options", default="", metavar="WORDS", help="further words for ssh, such as '-p 2222'")
    capture.add_argument("--dry-run", action="store_true", help="show what would be taken, and save nothing")
    _arguments_of_add(below.add_parser("add", help="make a target from a stage archive, or from a binhost's builder.json"))
    _arguments_of_copy(below.add_parser("copy", help="copy what builds for a host need from it, as layers on this host"))
    objects.option(below.add_parser("list", help="list the targets that this host knows"))
    show = below.add_parser("show", help="show what is known of a target")
    show.add_argument("name", metavar="NAME")
    objects.option(show)
    diff = below.add_parser("diff", help="show in what two targets differ, or what the last capture of one changed")
    diff.add_argument("first", metavar="A")
    diff.add_argument("second", metavar="B", nargs="?")
    objects.option(diff)
    for name, line in (("pin", "keep the layers of a target in `builds gc`"), ("unpin", "let `builds gc` remove them again")):
        below.add_parser(name, help=line).add_argument("name", metavar="NAME")
    below.add_parser("forget", help="remove what is known of a target").add_argument("name", metavar="NAME")


def _arguments_of_add(add: argparse.ArgumentParser) -> None:
    add.add_argument("name", metavar="NAME")
    add.add_argument("--stage", type=Path, metavar="FILE", help="make a system from this archive, such as stage3-….tar.xz")
    proof = add.add_mutually_exclusive_group()
    proof.add_argument("--digest", metavar="HEX", help="the SHA256, SHA512 or BLAKE2B of the archive")
    proof.add_argument("--signature", type=Path, metavar="FILE", help="its detached signature, such as stage3-….tar.xz.asc")
    add.add_argument("--key", metavar="FINGERPRINT", help="the primary key that must have made the signature")
    add.add_argument("--key-file", type=Path, metavar="FILE", help="a file with this public key alone")
    add.add_argument("--profile", metavar="PROFILE", help="the profile of the system, such as default/linux/amd64/23.0")
    add.add_argument("--into", type=Path, metavar="DIR", help="where to make the system (default: below /var/lib/portage-ext)")
    add.add_argument(
        "--repository",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="copy this ebuild repository; the first one has the profile (default: those of this host)",
    )
    like = add.add_mutually_exclusive_group()
    like.add_argument("--like", metavar="TARGET", help="give the system the configuration of this target")
    like.add_argument("--from-binhost", metavar="BINREPO", help="use the builder.json of a section of binrepos.conf")


def _arguments_of_copy(copy: argparse.ArgumentParser) -> None:
    copy.add_argument("name", metavar="NAME")
    source = copy.add_mutually_exclusive_group(required=True)
    source.add_argument("--ssh", metavar="[USER@]HOST", help="the host, reached by ssh; it needs Portage and nothing else")
    source.add_argument("--root", type=Path, metavar="DIR", help="a chroot on this host")
    copy.add_argument("--ssh-options", default="", metavar="WORDS", help="further words for ssh, such as '-C'")
    copy.add_argument(
        "--repository",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="an ebuild repository on this host, instead of the configured one of its name",
    )
    copy.add_argument("--dry-run", action="store_true", help="show what would leave the host, and save nothing")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 where `diff` found a difference."""
    store, screen = Store(here().eroot), Screen()
    if options.action == "capture":
        name, target = checked_name(options.name), _taken(options)
        if options.dry_run:
            _print_files(target, screen)
            return 0
        return _save(name, target, store, screen)
    if options.action == "add":
        return _add(options, store, screen)
    if options.action == "copy":
        return _copy(options, store, screen)
    if options.action == "list":
        return _list(store, screen, as_json=options.json)
    if options.action == "show":
        return _show(options.name, store, screen, as_json=options.json)
    if options.action == "diff":
        return _diff(options, store, screen)
    if options.action in ("pin", "unpin"):
        store.pin(options.name, pinned=options.action == "pin")
        screen.line(f"target {options.name} is {options.action}ned")
        return 0
    store.forget(options.name)
    stack.place(Places.below(here().eroot).state, options.name).unlink(missing_ok=True)
    print(f"target {options.name} is forgotten")
    return 0


def _save(name: str, target: Target, store: Store, screen: Screen) -> int:
    old = store.load(name) if name in store.names() else None
    store.save(name, target)
    _print_saved(name, target, old, "capture", screen)
    return 0


def _print_saved(name: str, target: Target, old: Target | None, how: str, screen: Screen) -> None:
    packages = len(target.installed)
    screen.line(f"target {name}: {_profile(target)}, {packages} package{'' if packages == 1 else 's'} installed")
    if old is not None:
        changed = differences(old, target)
        screen.line(f"nothing has changed since the last {how}" if not changed else f"changed since the last {how}:")
        _print_differences(changed, screen, "before", "now")


def _add(options: argparse.Namespace, store: Store, screen: Screen) -> int:
    name = checked_name(options.name)
    if options.stage is None and options.from_binhost is None:
        raise UsageError("name a stage archive with --stage, or a binhost with --from-binhost")
    like = store.load(options.like) if options.like else None
    if options.from_binhost:
        from portage_ext.tasks import comparison  # it has much to import

        found = comparison.described(options.from_binhost, unverified=False, warn=_warn)
        like = Target(found.builder, int(time.time()), source=f"builder:{options.from_binhost}")
    if options.stage is None:
        assert like is not None
        return _save(name, like, store, screen)
    if options.profile is None:
        raise UsageError("--stage also needs --profile, such as --profile default/linux/amd64/23.0")
    into = (options.into or here().eroot / stage.SYSTEMS / name).absolute()
    repositories = options.repository or list(repository_locations().values())
    stage.make(options.stage, _proof(options), into, profile=options.profile, repositories=repositories, like=like)
    screen.line(f"made {into} from {options.stage.name}")
    with reach.directory(into) as capture:
        return _save(name, capture.target(), store, screen)


def _copy(options: argparse.Namespace, store: Store, screen: Screen) -> int:
    from portage_ext.builds.cages import isolation  # only this action needs it and the following
    from portage_ext.cli import copied
    from portage_ext.targets.copying import session

    name = checked_name(options.name)
    isolation.check()
    options.prefix = None
    with _begun(options) as capture:
        captured = capture.target()
    with session.chroot(options.root) if options.root else session.over_ssh(options.ssh, _ssh_words(options)) as host:
        target = copied.copy(name, captured, host, options.repository, screen, dry_run=options.dry_run)
    if target is None:
        return 0
    old = store.load(name) if name in store.names() else None
    store.save(name, captured)  # so that `target diff` shows in what the environment differs from the host
    store.save(name, target)
    # Only a copy can be compared with a copy: -march=native is replaced in it.
    _print_saved(name, target, old if old is not None and old.source == target.source else None, "copy", screen)
    return 0


def _proof(options: argparse.Namespace) -> str | Signed:
    if options.digest is not None:
        digest: str = options.digest
        return digest
    if not (options.signature and options.key and options.key_file):
        raise UsageError(
            "--stage also needs --digest, or --signature with --key and --key-file: they prove whose archive it is"
        )
    return Signed(options.signature, options.key.replace(" ", "").upper(), options.key_file)


def _warn(text: str) -> None:
    print(f"portage-ext target: {shown.text(text)}", file=sys.stderr)


def _taken(options: argparse.Namespace) -> Target:
    if options.builder is not None:
        return Target(builder.read(options.builder), int(time.time()), source=f"builder:{options.builder.resolve()}")
    with _begun(options) as capture:
        return capture.target()


def _begun(options: argparse.Namespace) -> reach.Capture:
    if options.root is not None:
        return reach.directory(options.root)
    if options.prefix is not None:
        return reach.prefix(options.prefix)
    return reach.over_ssh(options.ssh, _ssh_words(options))


def _ssh_words(options: argparse.Namespace) -> list[str]:
    try:
        return shlex.split(options.ssh_options)
    except ValueError as error:
        raise UsageError(f"--ssh-options cannot be taken apart: {error}") from error


def _print_files(target: Target, screen: Screen) -> None:
    """What has left the host, in full: an administrator decides by it whether that is too much."""
    for path, data in sorted(laid_out(target).items()):
        screen.line(f"{path} ({len(data)} bytes)", "bold")
        for line in data.decode("utf-8", "replace").splitlines():
            screen.line(f"  {line}")
    screen.line(f"{len(target.installed)} installed packages, by name, version, USE and a digest of their list of files")
    screen.line("Nothing was saved.")


def _list(store: Store, screen: Screen, *, as_json: bool) -> int:
    targets = {name: store.load(name) for name in store.names()}
    if as_json:
        objects.show({"targets": [_summary(name, target, store) for name, target in targets.items()]})
        return 0
    if not targets:
        screen.line("There are no targets yet; make one with `portage-ext target capture NAME --ssh HOST`.")
    rows = [
        (name, _day(target), _profile(target), "pinned" if store.is_pinned(name) else "") for name, target in targets.items()
    ]
    screen.table(rows, ("bold",))
    return 0


def _show(name: str, store: Store, screen: Screen, *, as_json: bool) -> int:
    target = store.load(name)
    if as_json:
        told = _summary(name, target, store) | {
            "builder": json.loads(target.builder.emit()),
            "make_conf": dict(target.make_conf),
            "repositories": [asdict(one) for one in target.repositories],
            "files": {path: len(data) for path, data in target.files.items()},
            "installed": [asdict(one) for one in target.installed],
        }
        objects.show(told)
        return 0
    its = target.builder
    screen.line(f"{name}, captured {_day(target)}", "bold")
    rows = [
        ("captured from", target.source.replace(":", " ", 1)),
        ("profile", its.profile or "unknown"),
        ("CHOST", its.chost),
        ("CFLAGS", " ".join(its.cflags)),
        ("-march", " ".join(its.march)),
        ("CPU", f"x86-64-v{its.cpu_level}" if its.cpu_level else ""),
        ("CPU_FLAGS_X86", " ".join(its.cpu_flags)),
        ("toolchain", ", ".join(f"{package}-{' '.join(versions)}" for package, versions in its.toolchain.items())),
        ("Portage", its.portage),
        ("installed", str(len(target.installed))),
        ("world", str(len(its.world))),
        ("repositories", ", ".join(f"{one.name}{one.commit and f' at {one.commit[:12]}'}" for one in target.repositories)),
    ]
    screen.table([row for row in rows if row[1]], indent="  ")
    return 0


def _diff(options: argparse.Namespace, store: Store, screen: Screen) -> int:
    first = store.load(options.first)
    if options.second is not None:
        found, names = differences(first, store.load(options.second)), (options.first, options.second)
    else:
        before = store.before(options.first)
        if before is None:
            raise UsageError(f"{options.first} was captured once; name a second target to compare it with")
        found, names = differences(before, first), ("before", "now")
    if options.json:
        objects.show({"first": names[0], "second": names[1], "differences": [asdict(one) for one in found]})
    elif found:
        _print_differences(found, screen, *names)
    else:
        screen.line("nothing differs")
    return int(bool(found))


def _print_differences(found: list[Difference], screen: Screen, first: str, second: str) -> None:
    for area, count in Counter(one.area for one in found).items():
        screen.line(area, "bold")
        for one in [one for one in found if one.area == area][:_FULL]:
            screen.line(f"  {one.name}")
            for side, value in ((first, one.first), (second, one.second)):
                screen.text(shown.line(value) or "(nothing)", first=f"    {side}: ", indent="      ")
        if count > _FULL:
            screen.line(f"  and {count - _FULL} more; --json has all")


def _summary(name: str, target: Target, store: Store) -> dict[str, object]:
    return {
        "name": name,
        "taken": target.taken,
        "profile": target.builder.profile,
        "installed_packages": len(target.installed),
        "complete": bool(target.installed),
        "pinned": store.is_pinned(name),
    }


def _day(target: Target) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(target.taken))


def _profile(target: Target) -> str:
    return target.builder.profile or os.path.basename(target.profiles[-1] if target.profiles else "no profile")
