"""A tiny ebuild repository that real emerge can use by itself: no @system, no Manifests, nothing to download."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ARCH = "amd64"
CATEGORIES = ("app-misc", "dev-libs", "kde-apps", "net-libs", "sys-apps", "sys-devel", "sys-libs", "virtual")


@dataclass(frozen=True, slots=True)
class EbuildRepository:
    """An ebuild repository at ``location``."""

    location: Path
    name: str

    @classmethod
    def create(cls, location: Path, name: str = "tiny", masters: str = "") -> Self:
        """An empty repository; without ``masters`` it holds the profile too."""
        repository = cls(location, name)
        repository.write("profiles/repo_name", name + "\n")
        repository.write(
            "metadata/layout.conf",
            f"""
            masters = {masters}
            thin-manifests = true
            sign-manifests = false
            profile-formats = portage-2
            cache-formats = md5-dict
            """,
        )
        repository.write("profiles/categories", "\n".join(CATEGORIES) + "\n")
        if not masters:
            repository._profile()
        return repository

    def _profile(self) -> None:
        self.write("profiles/arch.list", f"{ARCH}\n")
        self.write("profiles/profiles.desc", f"{ARCH} default/linux/{ARCH} stable\n")
        self.write("profiles/license_groups", "FREE GPL-2\n")
        self.write("profiles/use.desc", "foo - the foo flag\nbar - the bar flag\n")
        self.write("licenses/GPL-2", "see /usr/share/common-licenses/GPL-2\n")
        profile = f"profiles/default/linux/{ARCH}"
        self.write(f"{profile}/eapi", "8\n")
        self.write(
            f"{profile}/make.defaults",
            f"""
            ARCH="{ARCH}"
            ACCEPT_KEYWORDS="{ARCH}"
            CHOST="x86_64-pc-linux-gnu"
            CBUILD="x86_64-pc-linux-gnu"
            ELIBC="glibc"
            KERNEL="linux"
            USE_EXPAND="CPU_FLAGS_X86"
            USE_EXPAND_IMPLICIT="ARCH ELIBC KERNEL"
            USE_EXPAND_UNPREFIXED="ARCH"
            USE_EXPAND_VALUES_ARCH="{ARCH}"
            USE_EXPAND_VALUES_ELIBC="glibc"
            USE_EXPAND_VALUES_KERNEL="linux"
            IUSE_IMPLICIT="prefix"
            LDFLAGS="-Wl,-O1"
            PORTAGE_COMPRESS=""
            """,
        )
        self.write(f"{profile}/use.force", f"{ARCH}\nelibc_glibc\nkernel_linux\n")
        self.write(f"{profile}/packages", "")

    def write(self, relative: str, text: str) -> Path:
        """Write a file of the repository, dedented."""
        path = self.location / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path

    def ebuild(self, cpv: str, body: str = "", **variables: str) -> None:
        """Write the ebuild of ``cpv`` (without a revision of the form -rN in the name part)."""
        category, pf = cpv.split("/")
        pn = pf.rsplit("-", 2)[0] if pf.rsplit("-", 1)[1].startswith("r") else pf.rsplit("-", 1)[0]
        values = {
            "DESCRIPTION": f"test package {pn}",
            "HOMEPAGE": "https://example.invalid/",
            "SLOT": "0",
            "LICENSE": "GPL-2",
            "KEYWORDS": ARCH,
            "S": "${WORKDIR}",
            **variables,
        }
        text = "EAPI=8\n" + "".join(f'{key}="{value}"\n' for key, value in values.items())
        self.write(f"{category}/{pn}/{pf}.ebuild", text + textwrap.dedent(body))

    def data(self, cpv: str, **variables: str) -> None:
        """A package that installs one file with its own version: quick to build, and without doins, which starts a Python."""
        self.ebuild(
            cpv,
            """
            src_install() {
                local place="${ED}/usr/share/${PN}/${SLOT%/*}"
                mkdir -p "${place}" && echo "${PVR} ${USE}" > "${place}/version" || die
            }
            """,
            **variables,
        )

    def c_program(self, cpv: str, source: str, *, libraries: str = "", cxx: bool = False, **variables: str) -> None:
        """A package that compiles ``source`` into /usr/bin/${PN}."""
        category, pf = cpv.split("/")
        pn = pf.rsplit("-", 1)[0]
        suffix, compiler, flags = ("cc", "g++", "${CXXFLAGS}") if cxx else ("c", "gcc", "${CFLAGS}")
        self.write(f"{category}/{pn}/files/{pn}.{suffix}", source)
        self.ebuild(
            cpv,
            rf"""
            src_compile() {{
                ${{CHOST}}-{compiler} -DVERSION="\"${{PV}}\"" {flags} ${{LDFLAGS}} -o ${{PN}} "${{FILESDIR}}"/{pn}.{suffix} \
                    -L"${{ESYSROOT}}"/usr/lib64 {libraries} || die
            }}
            src_install() {{ dobin ${{PN}}; }}
            """,
            **variables,
        )

    def c_library(self, cpv: str, source: str, soname: str, **variables: str) -> None:
        """A package that compiles ``source`` into the shared library ``soname`` in /usr/lib64."""
        category, pf = cpv.split("/")
        pn = pf.rsplit("-", 1)[0]
        self.write(f"{category}/{pn}/files/{pn}.c", source)
        self.ebuild(
            cpv,
            rf"""
            src_compile() {{
                ${{CHOST}}-gcc ${{CFLAGS}} ${{LDFLAGS}} -shared -fPIC -Wl,-soname,{soname} \
                    -o {soname} "${{FILESDIR}}"/{pn}.c || die
            }}
            src_install() {{
                install -D -m 755 {soname} "${{ED}}"/usr/lib64/{soname} || die
                ln -s {soname} "${{ED}}"/usr/lib64/{soname.split(".so")[0]}.so || die
            }}
            """,
            **variables,
        )


def standard(location: Path) -> EbuildRepository:
    """The repository of the whitelist tests and the demo: C and C++ programs, a library, slots, USE, a second category."""
    tiny = EbuildRepository.create(location)
    hello = '#include <stdio.h>\nint main(void) { puts("hello " VERSION); return 0; }\n'
    tiny.c_program("app-misc/hello-1.0", hello)
    tiny.c_program("app-misc/hello-1.1", hello)
    iostream = (
        '#include <iostream>\n#include <string>\nint main() { std::cout << std::string("cxx ") + VERSION << std::endl; }\n'
    )
    tiny.c_program("app-misc/cxxhello-1.0", iostream, cxx=True)
    for version, generation in (("1.0", "1"), ("2.0", "2")):
        tiny.c_library(
            f"dev-libs/libtiny-{version}", "int tiny(void) { return 42; }\n", f"libtiny.so.{generation}", SLOT=f"0/{generation}"
        )
    uses = "int tiny(void);\nint main(void) { return tiny() == 42 ? 0 : 1; }\n"
    dependency = {"DEPEND": "dev-libs/libtiny:=", "RDEPEND": "dev-libs/libtiny:="}
    tiny.c_program("app-misc/usestiny-1.0", uses, libraries="-ltiny", **dependency)
    tiny.data("app-misc/flags-1.0", IUSE="+foo bar")
    tiny.data("app-misc/flags-2.0", IUSE="+foo bar")
    tiny.data("app-misc/slotted-1.5", SLOT="1/5")
    tiny.data("app-misc/slotted-2.5", SLOT="2/5")
    tiny.data("kde-apps/alpha-24.1")
    tiny.data("kde-apps/beta-24.1", RDEPEND="kde-apps/alpha")
    tiny.data("net-libs/webkit-1.0")
    return tiny
