"""What the commands that work on a published tree share: which tree, which rules, who signs, and how a result is told."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pwd
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from portage_ext import shown
from portage_ext.cli.sign import public_key, signing
from portage_ext.config import publishing
from portage_ext.config import settings as configuration
from portage_ext.config.publishing import ChannelRules, Publishing
from portage_ext.errors import EmptyPackageError, UsageError
from portage_ext.errors.releases import GateError
from portage_ext.errors.trust import GpgError
from portage_ext.fetch.keys import key_path
from portage_ext.folding import counted
from portage_ext.gpkg.verify import Judge
from portage_ext.model import IndexEntry
from portage_ext.pkgdir.reindex import Report
from portage_ext.releases import gates as judging
from portage_ext.releases.contents import Difference
from portage_ext.releases.gates import Gate
from portage_ext.releases.gates.contract import CONTRACTS, ContractGate
from portage_ext.releases.publish import Published, Publisher, Terms
from portage_ext.releases.retention import Keep, expendable
from portage_ext.releases.tree import Tree
from portage_ext.trust import gpg
from portage_ext.trust.keyrings import fingerprint
from portage_ext.trust.signer import GpgSigner, SigningKey

_DAY: Final = 86400
GateMaker = Callable[[tuple[str, ...] | None], list[Gate]]
"""Makes the gates that were asked for on the command line, else those named, else (None) those configured."""


def tree_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which tree is meant."""
    eprefix = os.environ.get("PORTAGE_OVERRIDE_EPREFIX", "")
    root = Path(os.environ.get("PORTAGE_CONFIGROOT") or f"{eprefix}/")
    parser.add_argument("--tree", type=Path, metavar="DIR", help="the published tree (default: tree of [publish])")
    parser.add_argument("--repository", metavar="NAME", help="another repository of portage-ext.toml, [repository.NAME]")
    parser.add_argument("--config-root", type=Path, default=root, help="PORTAGE_CONFIGROOT (default: %(default)s)")


def publisher_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the commands that make a release."""
    tree_arguments(parser)
    parser.add_argument("--key", metavar="FPR", help="whole fingerprint of the key or subkey (default: [sign] key, else gpg's)")
    parser.add_argument("--homedir", type=Path, help="home of gpg (default: [sign] homedir, else gpg's own)")
    parser.add_argument("--gates", metavar="LIST", help="gates, comma separated, or none (default: gates of the channel)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def chosen(options: argparse.Namespace) -> tuple[Tree, Publishing]:
    """The tree that ``options`` name, and the configuration. Raises SettingsError, UsageError."""
    settings = configuration.load(options.config_root).publishing
    root = options.tree or settings.repository(options.repository).tree
    return Tree(Path(os.path.abspath(root))), settings


@contextlib.contextmanager
def publisher(options: argparse.Namespace, channel: str) -> Iterator[tuple[Publisher, GateMaker]]:
    """A publisher for ``channel``, and what makes its gates. Raises SettingsError, UsageError, GpgError."""
    with signing(options) as (signer, ring):
        yield publisher_with(options, channel, signer, ring)


def publisher_with(options: argparse.Namespace, channel: str, signer: GpgSigner, ring: Path) -> tuple[Publisher, GateMaker]:
    """As :func:`publisher`, with a ``signer`` and a keyring ``ring`` that holds its public key."""
    os.umask(0o022)  # what is published is for everybody that can reach it
    tree, settings = chosen(options)
    rules = settings.of(channel)
    terms = configuration.load(options.config_root).release
    primary = signer.key.primary
    next_keys = tuple(fingerprint(one) for one in getattr(options, "keys_next", None) or ())
    # A client that comes late finds the announced keys beside any Release that announces them.
    keys = {key_path(one): public_key(signer.homedir, SigningKey(one, one)) for one in (primary, *next_keys)}
    for one in () if next_keys else _announced(tree):
        with contextlib.suppress(GpgError):  # another's key, or an old one that is gone: announced it stays all the same
            keys[key_path(one)] = public_key(signer.homedir, SigningKey(one, one))
    judge = gpg.judge_many([ring], frozenset({primary}))
    wanted = _named(options.gates)

    def make(configured: tuple[str, ...] | None) -> list[Gate]:
        names = wanted if wanted is not None else rules.gates if configured is None else configured
        return _gates(names, rules, judge, public=channel in settings.public)

    terms_of = Terms(terms.valid_days * _DAY, rules.grace, next_keys or None)
    insist = wanted is not None
    return Publisher(tree, signer.sign_release, terms_of, keys=keys, signing=signer.primaries, insist=insist), make


def _announced(tree: Tree) -> tuple[str, ...]:
    known = tree.known()
    return known[max(known)].keys_next if known else ()


def _named(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name for name in text.split(",") if name and name != "none")
    unknown = sorted(set(names) - set(publishing.GATE_NAMES))
    if unknown:
        raise UsageError(f"there is no gate {unknown[0]}; there are {', '.join(publishing.GATE_NAMES)}")
    return names


def _gates(names: tuple[str, ...], rules: ChannelRules, judge: Judge, *, public: bool) -> list[Gate]:
    makers: dict[str, Callable[[], Gate]] = {
        judging.INDEX: judging.IndexGate,
        judging.SIGNATURES: lambda: judging.SignatureGate(judge),
        judging.CLOSURE: lambda: _closure(rules),
        CONTRACTS: lambda: ContractGate(rules.provided_libraries),
        judging.LICENCES: lambda: _licences(rules),
        judging.INSTALL: lambda: _install(rules),
    }
    return [makers[name]() for name in publishing.GATE_NAMES if name in names and (public or name != judging.LICENCES)]


# Portage is imported by the gates that need it, and only when they are asked for.


def _closure(rules: ChannelRules) -> Gate:
    from portage_ext.host.closure import Closure

    return judging.ClosureGate(Closure(rules.provided))


def _licences(rules: ChannelRules) -> Gate:
    from portage_ext.host.licences import LicencePolicy

    return judging.LicenceGate(LicencePolicy(rules.licences))


def _install(rules: ChannelRules) -> Gate:
    from portage_ext.host.scratch import merge_into_scratch

    return judging.InstallGate(merge_into_scratch, rules.sample)


def prune(tree: Tree, settings: Publishing, now: int, *, dry_run: bool = False) -> list[int]:
    """Remove the releases that nothing keeps, and return their numbers. The caller holds the lock. Raises OSError."""

    def keep(channel: str) -> Keep:
        rules = settings.of(channel)
        return Keep(rules.keep, rules.keep_age, rules.grace)

    gone = expendable(tree.known(), tree.channels(), keep, now)
    if not dry_run:
        for number in gone:
            tree.remove(number)
    return gone


def objections(error: GateError, *, as_json: bool) -> int:
    """Tell why a release did not pass; the exit status for it."""
    if as_json:
        findings = [dataclasses.asdict(one) for one in error.findings]
        where = {"staging": error.staging, "live": error.live}
        print(json.dumps({"channel": error.channel, "published": False, **where, "findings": findings}))
    else:
        for line in error.lines:
            print(shown.line(line), file=sys.stderr)
        print(f"portage-ext: {error}", file=sys.stderr)
    return 1


def told(channel: str, done: Published, pruned: list[int], seconds: float, *, as_json: bool) -> None:
    """Tell what a run did."""
    change = done.difference
    if as_json:
        counts = {"added": len(change.added), "removed": len(change.removed), "rebuilt": len(change.rebuilt)}
        made = {"channel": channel, "published": done.release is not None, "release": done.number, "packages": done.packages}
        more = {"beside": done.beside, "held": None if done.held is None else dataclasses.asdict(done.held)}
        print(json.dumps({**made, **counts, **more, "carried": done.carried, "pruned": pruned, "seconds": round(seconds, 3)}))
        return
    if done.held is not None:
        print(f"{channel} is {done.held}, {UNTIL}")
    if done.release is None:
        print(f"{channel}: no difference to release {done.number}; nothing was published")
    else:
        placed = done.placed
        how = [f"{count} {word}" for count, word in ((placed.cloned, "cloned"), (placed.copied, "copied")) if count]
        detail = f" ({', '.join(how)})" if how else ""
        print(f"{channel}: release {done.number}, {counted(done.packages)}{detail}: {news(done)}; {seconds:.2f} s")
        other_files = [one for one in change.rebuilt if not one.other_metadata()]
        replaced = sum(one.before.get("PATH") == one.after.get("PATH") for one in other_files)
        if replaced:
            print(
                f"portage-ext: replaced under the same name: {counted(replaced)}. A client that holds the index of before "
                "refuses it and fetches the index again. FEATURES=binpkg-multi-instance gives every build its own name",
                file=sys.stderr,
            )
    if pruned:
        print(f"pruned: {', '.join(map(str, pruned))}")


UNTIL: Final = "until portage-ext publish or promote"
"""What holds while a channel is held."""


def news(done: Published) -> str:
    """What a release brings: packages, and what else differs."""
    change = done.difference
    other = [one.other_metadata() for one in change.rebuilt]
    same_file = [keys for keys in other if keys]
    counts = f"{len(change.added)} added, {len(change.removed)} removed, {len(other) - len(same_file)} rebuilt"
    if same_file:
        counts += f", {len(same_file)} with other metadata ({', '.join(sorted({key for keys in same_file for key in keys}))})"
    if not done.beside:
        return counts
    return f"{counts if change else 'no package differs'}; new: {', '.join(done.beside)}"


def left_out(reports: Iterable[Report]) -> dict[str, str]:
    """What runs of the index left out, with the reasons. An empty file is a name that another emerge has reserved."""
    errors = [error for report in reports for error in report.left_out if not isinstance(error, EmptyPackageError)]
    return {error.path: error.reason for error in errors}


def user() -> str:
    """Who does this, as far as the system knows."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "")
    return f"{behind} as {name}" if behind.isprintable() and 0 < len(behind) <= 64 and behind != name else name


def lines(change: Difference) -> Iterator[str]:
    """A difference as a person reads it, one line a package."""
    for entry in change.added:
        yield f"+ {judging.described(entry)}{_slot(entry)}  {_size(entry)}"
    for entry in change.removed:
        yield f"- {judging.described(entry)}{_slot(entry)}  {_size(entry)}"
    for one in change.rebuilt:
        keys = [f"{key} {_shown(key, *values)}" for key, values in one.keys().items()]
        yield f"* {judging.described(one.after)}{_slot(one.after)}  {', '.join(keys or one.other_metadata()) or 'other bytes'}"


def _slot(entry: IndexEntry) -> str:
    return f":{entry.slot}" if entry.slot != "0" else ""


def _size(entry: IndexEntry) -> str:
    return f"{entry.get('SIZE')} bytes"


def _shown(key: str, before: str, after: str) -> str:
    if key in ("USE", "RDEPEND"):
        old, new = set(before.split()), set(after.split())
        return " ".join([f"+{word}" for word in sorted(new - old)] + [f"-{word}" for word in sorted(old - new)]) or "reordered"
    if key == "SIZE" and before.isdigit() and after.isdigit():
        return f"{int(after) - int(before):+d} bytes"
    return f"{before or '(none)'} -> {after or '(none)'}"


def since(seconds: int) -> str:
    """A time as people write it."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
