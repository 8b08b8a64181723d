"""portage-ext deploy: build for other hosts, publish, and have them install exactly these builds over ssh."""

from __future__ import annotations

import argparse
import sys

from portage_ext.builds.cages import isolation
from portage_ext.builds.deploy import Client, Step, differing
from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.workshop import Plan, Workshop, workshop
from portage_ext.cli import places
from portage_ext.cli.builds import tell
from portage_ext.cli.screen import Screen
from portage_ext.config.building import DeployHost
from portage_ext.errors import PortageExtError, UsageError
from portage_ext.errors.builds import DeployError


def arguments(parser: argparse.ArgumentParser) -> None:
    places.config_root(parser)
    words = "hosts of portage-ext.toml ([deploy.HOST]), then packages with their category, or sets such as @world"
    parser.add_argument("words", metavar="HOST ... ATOM", nargs="+", help=words)
    parser.add_argument("--pretend", "-p", action="store_true", help="show both plans, and do nothing")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 every host has its packages, 1 some host has not."""
    site, screen = places.site(options), Screen()
    hosts = [word for word in options.words if "/" not in word and not word.startswith("@")]
    atoms = tuple(word for word in options.words if "/" in word or word.startswith("@"))
    if not hosts or not atoms or list(options.words) != [*hosts, *atoms]:
        raise UsageError("name hosts first, and then packages with their category: portage-ext deploy laptop app-editors/vim")
    unknown = [name for name in hosts if name not in site.settings.hosts]
    if unknown:
        known = ", ".join(site.settings.hosts) or "none"
        raise UsageError(f"portage-ext.toml has no [deploy.{unknown[0]}] (known: {known})")
    isolation.check()
    ended: dict[str, str] = {}
    with workshop(site) as shop:
        shop.engine.recover()
        for name in hosts:
            try:
                ended[name] = _deployed(shop, site.settings.hosts[name], atoms, screen, pretend=options.pretend)
            except (PortageExtError, OSError) as error:
                # The others go on; the summary has every one.
                ended[name] = f"failed: {error.why if isinstance(error, DeployError) else error}"
                print(f"portage-ext deploy: {name}: {ended[name]}", file=sys.stderr)
    screen.table(list(ended.items()), ("bold",))
    return int(any(told.startswith("failed") for told in ended.values()))


def _deployed(shop: Workshop, host: DeployHost, atoms: tuple[str, ...], screen: Screen, *, pretend: bool) -> str:
    client = Client(host)
    plan, there = shop.plan(host.target, atoms), client.plan(atoms)
    _show(host, plan, there, screen)
    if pretend:
        return "nothing was done (--pretend)"
    built, done = shop.work(shop.request(host.target, plan))
    tell(done)
    _published(host, built)
    wrong = list(differing(built, client.offered(atoms)))
    if wrong:
        raise DeployError(host.name, "; ".join(wrong))
    client.install(atoms)
    return f"has {', '.join(entry.job.cpv for entry in built)}"


def _published(host: DeployHost, entries: list[Entry]) -> None:
    for entry in entries:
        if entry.state != "published":
            not_published = "it is not published yet; `portage-ext builds run` publishes it"
            other = not_published if entry.state == "checked" else "another run works on it"
            raise DeployError(host.name, f"{entry.job.cpv} is {entry.state}: {entry.reason or other}")


def _show(host: DeployHost, plan: Plan, there: list[Step], screen: Screen) -> None:
    """Both plans side by side: what is built here, and what the host would merge."""
    screen.line(f"{host.name} ({host.ssh}), builds for target {host.target}", "bold")
    here = {one.job.cpv: "exists" if one.exists else "to build" for one in plan.jobs}
    wanted = {step.cpv: "binary" if step.is_binary else "source" for step in there}
    rows = [("package", "here", "there, now")]
    rows += [(cpv, here.get(cpv, "-"), wanted.get(cpv, "-")) for cpv in (*here, *(cpv for cpv in wanted if cpv not in here))]
    screen.table(rows, indent="  ")
