"""portage-ext config: the binhost's configuration as a profile in its releases, and a client that follows it."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from pathlib import Path
from typing import Final

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.cli import tree as common
from portage_ext.errors import UsageError
from portage_ext.errors.fleet import ConfigError
from portage_ext.errors.releases import GateError
from portage_ext.fleet import following, hosts, publishing
from portage_ext.fleet.document import Profile
from portage_ext.fleet.following import Followed
from portage_ext.tasks.releasing import publishing as releasing
from portage_ext.words import counted

_REPOSITORY: Final = "fleet"


def arguments(parser: argparse.ArgumentParser) -> None:
    below = parser.add_subparsers(dest="what", metavar="publish|withdraw|follow|unfollow|show|drift", required=True)
    publish = below.add_parser(
        "publish", description="write this host's configuration as a profile, and make a release with it"
    )
    publish.add_argument(
        "--from", dest="directory", type=Path, metavar="DIR", help="read the configuration of another host here"
    )
    publish.add_argument("--parent", metavar="REPOSITORY:PATH", help="the profile below it (default: that of this host)")
    publish.add_argument("--dry-run", action="store_true", help="only show what would be published")
    withdraw = below.add_parser("withdraw", description="publish a profile no more")
    for one in (publish, withdraw):
        one.add_argument("--name", metavar="NAME", help="the profile is fleet/NAME (default: the name of this host)")
        one.add_argument("--save-only", action="store_true", help="leave it to the next release")
        one.add_argument("--channel", metavar="CHANNEL", help="make the release in this channel")
    follow = below.add_parser("follow", description="make an ebuild repository of a binhost's configuration, and refresh it")
    follow.add_argument("binhost", metavar="BINREPO", help="a section of binrepos.conf with a pinned key")
    follow.add_argument("--location", type=Path, metavar="DIR", help="where the repository is (default: below /var/db/repos)")
    unfollow = below.add_parser("unfollow", description="stop refreshing the repository; its files stay")
    for one in (follow, unfollow):
        one.add_argument("--repository", default=_REPOSITORY, metavar="NAME", help="the name of the ebuild repository")
    show = below.add_parser("show", description="what the next release carries, and what this host follows")
    drift = below.add_parser("drift", description="what the configurations of several hosts do not say alike")
    drift.add_argument("directory", type=Path, metavar="DIR", help="has a directory for each host, with its /etc/portage")
    for one in (publish, withdraw, follow, unfollow, show):
        places.roots(one)
    for one in (show, drift):
        objects.option(one)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 with ``drift`` when the hosts differ, or when gates refuse the release."""
    return {
        "publish": _publish, "withdraw": _withdraw, "follow": _follow, "unfollow": _unfollow, "show": _show, "drift": _drift
    }[options.what](options)  # fmt: skip


def _name(options: argparse.Namespace) -> str:
    return options.name or (
        options.directory.name if getattr(options, "directory", None) else socket.gethostname().split(".")[0]
    )


def _publish(options: argparse.Namespace) -> int:
    site, name = places.site(options), _name(options)
    if not options.dry_run:
        publishing.check(site)
    made = publishing.made(site, name, options.directory, options.parent)
    _print(name, made)
    if options.dry_run:
        return 0
    publishing.save(site, publishing.known(site).with_profile(name, made))
    return _release(options)


def _withdraw(options: argparse.Namespace) -> int:
    site, name = places.site(options), _name(options)
    known = publishing.known(site)
    if name not in known.profiles:
        raise ConfigError(name, "no such profile is published", f"There are: {', '.join(known.profiles) or 'none'}")
    publishing.save(site, known.with_profile(name, None))
    return _release(options)


def _release(options: argparse.Namespace) -> int:
    if options.save_only:
        print("saved; the next release carries it")
        return 0
    started = time.monotonic()
    try:
        done = releasing.publish(places.site(options), options.channel, warn=common.warn)
    except GateError as error:
        return common.objections(error, as_json=False)
    common.told(done, time.monotonic() - started, as_json=False)
    return 0


def _print(name: str, made: Profile) -> None:
    print(shown.line(f"profile fleet/{name}, on top of {made.parent}:"))
    for file, text in sorted(made.files.items()):
        if file not in ("eapi", "parent"):
            print(shown.line(f"  {file}: {counted(len(text.splitlines()), 'line')}"))
    for one in sorted(made.sets):
        print(shown.line(f"  @{one}: {counted(len(made.sets[one].splitlines()), 'atom')}"))
    if made.left:
        print("not published, so that each host keeps its own:")
    for left in made.left:
        print(shown.line(f"  {left.what}: {left.why}"))


def _follow(options: argparse.Namespace) -> int:
    site = places.site(options)
    where = options.location.absolute() if options.location else following.location(site, options.repository)
    one = Followed(options.repository, options.binhost, str(where))
    found, changed = following.follow(site, one, _warn)
    print(shown.line(f"{one.location}: {'changed' if changed else 'unchanged'}, verified by the Release of {one.binhost}"))
    if (section := following.connect(site, one)) is not None:
        print(f"repos.conf is a file; add these lines to it:\n{shown.text(section)}", end="")
    for name in found.profiles:
        print(shown.line(f"to use its profile: eselect profile set {one.name}:fleet/{name}"))
    return 0


def _unfollow(options: argparse.Namespace) -> int:
    gone = following.unfollow(places.site(options), options.repository)
    print(shown.line(f"{gone.location} is not refreshed any more. Select another profile before you remove it"))
    return 0


def _show(options: argparse.Namespace) -> int:
    site = places.site(options)
    known, followed = publishing.known(site), following.followed(site.eroot)
    if options.json:
        left = {name: [[one.what, one.why] for one in made.left] for name, made in known.profiles.items()}
        profiles = {
            name: {"parent": made.parent, "files": dict(made.files), "sets": dict(made.sets), "left": left[name]}
            for name, made in known.profiles.items()
        }
        follows = [{"repository": one.name, "binhost": one.binhost, "location": one.location} for one in followed]
        objects.show({"published": profiles, "followed": follows})
        return 0
    for name, made in known.profiles.items():
        _print(name, made)
    for one in followed:
        print(shown.line(f"repository {one.name} follows {one.binhost}, in {one.location}"))
    if not known.profiles and not followed:
        print("no configuration is published or followed here")
    return 0


def _drift(options: argparse.Namespace) -> int:
    if not options.directory.is_dir():
        raise UsageError(f"{options.directory} is not a directory")
    known = hosts.hosts(options.directory)
    found = list(hosts.drift(known))
    if options.json:
        drifts = [
            {"what": one.what, "values": [{"value": text, "hosts": list(names)} for text, names in one.values.items()]}
            for one in found
        ]
        objects.show({"hosts": list(known), "drift": drifts})
    else:
        for one in found:
            print(shown.line(one.what))
            for text, names in one.values.items():
                print(shown.line(f"  {text or 'not there'}: {', '.join(names)}"))
        print(f"{counted(len(known), 'host')}, {counted(len(found), 'difference')}")
    return int(bool(found))


def _warn(text: str) -> None:
    print(f"portage-ext config: {shown.text(text)}", file=sys.stderr)
