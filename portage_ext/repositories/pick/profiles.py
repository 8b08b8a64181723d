"""Picked packages are accompanied by the files of profiles/ and licenses/ that they need; everything left out is reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from portage_ext.limits import repositories as limits
from portage_ext.repositories.pick import filtering
from portage_ext.repositories.pick.filtering import Picked
from portage_ext.repositories.pick.overlay import Overlay, RefusedError
from portage_ext.repositories.record import Kind, Remark
from portage_ext.repositories.swap import File

_UPDATES: Final = "profiles/updates"
_USE: Final = re.compile(r'^\s*USE="(?P<flags>[^"$`\\]*)"', re.M)


class Profiles:
    """The files below profiles/ of ``overlay``. ``others`` are the locations of the other repositories."""

    def __init__(self, overlay: Overlay, others: Sequence[Path], elsewhere: Callable[[str], bool]) -> None:
        self._overlay = overlay
        self._others = others
        self._elsewhere = elsewhere
        self.remarks: list[Remark] = []
        self._updates = {
            path.removeprefix(f"{_UPDATES}/"): self._text(path)
            for path in overlay.below(_UPDATES)
            if re.fullmatch(r"[1-4]Q-\d{4}", path.removeprefix(f"{_UPDATES}/"))
        }

    def moved(self, cp: str) -> str:
        """The current name of the package after all moves."""
        return filtering.moved(self._updates, cp)

    def eapi(self) -> str:
        """The EAPI of the overlay's files below profiles/; empty for the default."""
        text = self._text("profiles/eapi").strip()
        return text if re.fullmatch(r"[0-9]", text) else ""

    def files(self, picked: Picked) -> dict[str, File]:
        """The files by path. What was left out is added to ``remarks``."""
        made: dict[str, str] = {}
        for name in filtering.BY_PACKAGE:
            made[name] = filtering.by_package(self._texts(name), picked.packages)
        for name in filtering.BY_FLAG:
            made[name] = filtering.by_flag(self._texts(name), picked.flags)
        made["use.desc"] = filtering.descriptions(self._text("profiles/use.desc"), picked.flags)
        made["use.local.desc"] = filtering.local_descriptions(self._text("profiles/use.local.desc"), picked.packages)
        made["make.defaults"] = self._defaults(picked)
        made |= self._expanded(picked)
        made["thirdpartymirrors"] = self._mirrors(picked)
        made["license_groups"] = self._licence_groups(picked)
        for name, text in filtering.moves(self._updates, picked.packages, self._elsewhere).items():
            made[f"updates/{name}"] = text
        for name in sorted(filtering.taken_over(self._updates, picked.packages)):
            if self._elsewhere(name):
                self._left_out("updates", f"another repository has {name}, which it would rename")
        if unmasked := filtering.by_package(self._texts("package.unmask"), picked.packages):
            atoms = ", ".join(line for line in unmasked.splitlines() if not line.startswith("#"))
            self._left_out("package.unmask", f"it would beat your own masks ({atoms})")
        files = {f"profiles/{name}": File(text.encode()) for name, text in made.items() if text}
        return files | self._licences(picked)

    def _expanded(self, picked: Picked) -> dict[str, str]:
        found = {}
        for path in self._overlay.below("profiles/desc"):
            name = path.removeprefix("profiles/desc/").removesuffix(".desc")
            if path.endswith(".desc") and "/" not in name:
                flags = filtering.flags_of(name.lower(), picked.flags)
                found[f"desc/{name}.desc"] = filtering.descriptions(self._text(path), flags)
        return found

    def _defaults(self, picked: Picked) -> str:
        found = _USE.search(self._text("profiles/make.defaults"))
        flags = [word for word in found["flags"].split() if word.lstrip("-") in picked.flags] if found else []
        return f'USE="{" ".join(flags)}"\n' if flags else ""

    def _mirrors(self, picked: Picked) -> str:
        text = self._text("profiles/thirdpartymirrors")
        known = {
            line.split()[0] for one in self._elsewhere_texts("thirdpartymirrors") for line in one.splitlines() if line.split()
        }
        for line in filtering.mirrors(text, picked.mirrors & known, ()).splitlines():
            if not line.startswith("#"):
                self._left_out("thirdpartymirrors", f"another repository has the mirror {line.split()[0]}")
        return filtering.mirrors(text, picked.mirrors, known)

    def _licence_groups(self, picked: Picked) -> str:
        text = self._text("profiles/license_groups")
        own = {one for one in picked.licences if not self._has_licence(one)}
        taken = filtering.licence_groups(text, picked.licences, ())
        kept = filtering.licence_groups(text, own, ())
        if taken != kept:
            words = sorted({word for line in taken.splitlines() for word in line.split()[1:]} - own)
            self._left_out("license_groups", f"another repository has the licence {', '.join(words)}")
        return kept

    def _licences(self, picked: Picked) -> dict[str, File]:
        names = set(self._overlay.below("licenses"))
        wanted = sorted(
            f"licenses/{one}" for one in picked.licences if f"licenses/{one}" in names and not self._has_licence(one)
        )
        self._overlay.show(wanted)
        found = {}
        for path in wanted:
            try:
                found[path] = File(self._overlay.file(path).data)
            except RefusedError as error:
                self._left_out(path, str(error))
        return found

    def _has_licence(self, name: str) -> bool:
        return "/" not in name and any((location / "licenses" / name).is_file() for location in self._others)

    def _elsewhere_texts(self, name: str) -> Iterator[str]:
        for location in self._others:
            try:
                with (location / "profiles" / name).open(encoding="utf-8", errors="replace") as file:
                    yield file.read(limits.OVERLAY_FILE_SIZE)
            except OSError:
                continue

    def _text(self, path: str) -> str:
        return self._read(path, self._overlay.text)

    def _texts(self, name: str) -> str:
        return self._read(f"profiles/{name}", self._overlay.texts)

    def _read(self, path: str, read: Callable[[str], str]) -> str:
        try:
            return read(path)
        except RefusedError as error:
            self._left_out(path.removeprefix("profiles/"), str(error))
            return ""

    def _left_out(self, name: str, why: str) -> None:
        remark = Remark(Kind.LEFT_OUT, name if "/" in name else f"profiles/{name}", why)
        if remark not in self.remarks:
            self.remarks.append(remark)
