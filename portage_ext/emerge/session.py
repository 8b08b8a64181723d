"""One emerge run: what was decided at its start, and the answers to the patches during the run.

A session exists only while emerge builds and merges its list, and only if package.env makes a difference. If an error occurs
inside portage-ext, the answer is Portage's own behaviour: no binary where there would have been none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from portage.dep import match_from_list

from portage_ext.emerge import messages, mistakes
from portage_ext.emerge.remote_index import Filter
from portage_ext.emerge.whitelist import Whitelist
from portage_ext.policy.getbinpkg import Run, effect


class Session:
    """``hides_local``: local binaries of unlisted packages stay hidden, because only portage-ext enabled binaries."""

    def __init__(self, run: Run, *, hides_local: bool, explains: bool) -> None:
        self.run = run
        self.hides_local = hides_local
        self.filter: Filter | None = None
        self._explains = explains
        self._whitelists: dict[str, Whitelist] = {}
        self._held_back: list[tuple[Any, str, Whitelist]] = []
        self._binrepos_checked = False

    def whitelist(self, settings: Any) -> Whitelist:
        """The whitelist of one configuration; a run with ROOT has two."""
        key = settings["PORTAGE_CONFIGROOT"]
        if key not in self._whitelists:
            self._whitelists[key] = Whitelist(settings, self.run)
        return self._whitelists[key]

    def wants_remote(self, settings: Any) -> bool:
        """Whether remote packages can be candidates under ``settings``."""
        try:
            return self.whitelist(settings).wants_remote
        except Exception as error:  # noqa: BLE001 - Portage's own behaviour instead
            messages.failed("reading package.env", error)
            return self.run.on

    @contextlib.contextmanager
    def reading(self, tree: Any, repo: Any) -> Iterator[bool]:
        """While ``tree`` reads the index of ``repo``: yields False when nothing can come from it."""
        name = repo.name or repo.name_fallback
        wanted = self.run.on
        try:
            whitelist = self.whitelist(tree.settings)
            self._check_binrepos(whitelist, tree)
            wanted = whitelist.wants(name)
            self.filter = Filter(whitelist, name, tree, self._held_back if self._explains else None)
        except Exception as error:  # noqa: BLE001 - Portage's own behaviour instead
            messages.failed("choosing packages of", error, f"[{name}]")
        try:
            yield wanted
        finally:
            self.filter = None

    def _check_binrepos(self, whitelist: Whitelist, tree: Any) -> None:
        if not self._binrepos_checked:
            self._binrepos_checked = True
            known = {repo.name or repo.name_fallback for repo in tree._binrepos_conf.values()}
            _say_all(mistakes.in_binrepos(whitelist, known))

    def may_use(self, package: Any) -> bool:
        """Whether the resolver may see the binary ``package`` (an ``_emerge.Package``)."""
        try:
            return self.whitelist(package.root_config.settings).is_on(package.cpv)
        except Exception as error:  # noqa: BLE001 - an emerge without binaries is what would have been
            messages.failed("choosing", error, str(package.cpv))
            return False

    def explain(self, atom: Any) -> None:
        """After emerge found no binary for ``atom``: name the lines of package.env that held one back."""
        try:
            said: set[str] = set()
            for cpv, binrepo, whitelist in self._held_back:
                if atom.package and match_from_list(atom.without_use, [cpv]):
                    said.update(_reasons(cpv, binrepo, whitelist))
            for text in sorted(said):
                messages.line(text)
        except Exception as error:  # noqa: BLE001 - only words are lost
            messages.failed("explaining", error, str(atom))


def _reasons(cpv: Any, binrepo: str, whitelist: Whitelist) -> Iterator[str]:
    atoms = whitelist.atoms_against(cpv)
    for entry in mistakes.entries(whitelist):
        if entry.atom in atoms:
            rule = whitelist.rule_of(entry.env_files)
            if rule.getbinpkg is False or (rule.binrepos is not None and binrepo not in rule.binrepos):
                why = (
                    "switches getbinpkg off"
                    if rule.getbinpkg is False
                    else f"allows only {', '.join(sorted(rule.binrepos or ()))}"
                )
                yield f"{cpv} of [{binrepo}] is held back: {entry.where}: {entry.atom} {' '.join(entry.env_files)} {why}"


current: Session | None = None
"""The session of this process, if this run has one."""


def begin(emerge_config: Any) -> None:
    """Open a session when this run builds a merge list and package.env makes a difference to it.

    If getbinpkg is off for the run but on for some packages, emerge is switched to look for binaries, and everything else
    behaves as without that switch.
    """
    global current
    current = None
    options = emerge_config.opts
    settings = emerge_config.target_config.settings
    run, hides_local = terms(emerge_config)
    session = Session(run, hides_local=hides_local, explains=_binaries_only(options))
    whitelist = session.whitelist(settings)
    _say_all(mistakes.in_package_env(whitelist))
    if whitelist.changes_nothing:
        return
    if not run.on:
        options["--getbinpkg"] = True
        if session.hides_local and options.get("--with-bdeps-auto") != "n":
            # --usepkg alone would change how build-time dependencies are treated, for every package.
            options.setdefault("--with-bdeps", "auto")
    current = session


def terms(emerge_config: Any) -> tuple[Run, bool]:
    """The settings of a run before any change, and whether local binaries of unlisted packages stay hidden."""
    options = emerge_config.opts
    settings = emerge_config.target_config.settings
    asked = options.get("--getbinpkg") is True or options.get("--getbinpkgonly") is True
    environment = effect(settings.backupenv.get("FEATURES", "").split())
    run = Run(asked or "getbinpkg" in settings.features, environment is False and not asked)
    return run, not (run.on or _binaries_only(options) or options.get("--usepkg") is True)


def _binaries_only(options: Any) -> bool:
    return options.get("--getbinpkgonly") is True or options.get("--usepkgonly") is True


def end() -> None:
    """Close the session."""
    global current
    current = None


def _say_all(lines: Iterable[str]) -> None:
    for text in lines:
        messages.line(text)
