"""A stand-in for the gentoo repository, which is too large to have here and cannot be fetched in a test.

It has what the ebuild names: its dependencies, and its eclasses with those of their functions and variables that it uses.
distutils-r1 installs for one Python, with pip as the real one does with gpep517.
"""

from __future__ import annotations

from pathlib import Path

from tests.testkit.ebuilds import EbuildRepository

IMPLEMENTATIONS = tuple(f"python3_{minor}" for minor in range(11, 15))
_TARGETS = tuple(f"python_targets_{one}" for one in IMPLEMENTATIONS)
_PYTHON_PACKAGES = (
    "dev-python/packaging-25", "dev-python/python-gnupg-0.5.4", "dev-python/requests-2.32", "dev-python/rich-14",
    "dev-python/zstandard-0.23", "sys-apps/portage-3.0.83",
    # Buildbot's
    "dev-python/alembic-1.16.5", "dev-python/autobahn-24.4.2", "dev-python/croniter-6.0.0", "dev-python/idna-3.10",
    "dev-python/jinja2-3.1.6", "dev-python/msgpack-1.1.1", "dev-python/pyjwt-2.10.1", "dev-python/pyopenssl-25.3.0",
    "dev-python/python-dateutil-2.9.0", "dev-python/pyyaml-6.0.2", "dev-python/service-identity-24.2.0",
    "dev-python/setuptools-80.9.0", "dev-python/sqlalchemy-2.0.43", "dev-python/treq-25.5.0", "dev-python/twisted-25.5.0",
    "dev-python/txaio-25.6.1", "dev-python/unidiff-0.7.5", "dev-python/zope-interface-8.0",
)  # fmt: skip


def repository(location: Path, python: str = "python3", target: str = _TARGETS[0]) -> EbuildRepository:
    """The stand-in at ``location``, whose distutils-r1 builds with the program ``python`` for the USE flag ``target``."""
    gentoo = EbuildRepository.create(location, "gentoo")
    gentoo.write("profiles/categories", "app-crypt\napp-portage\ndev-python\ndev-util\nsys-apps\n")
    gentoo.write("licenses/GPL-2+", "GPL-2 or any later version\n")
    gentoo.write("profiles/desc/python_targets.desc", "".join(f"{one} - Build with {one}\n" for one in IMPLEMENTATIONS))
    defaults = gentoo.location / "profiles/default/linux/amd64/make.defaults"
    defaults.write_text(defaults.read_text() + f'USE="{target}"\n')
    gentoo.write(
        "eclass/distutils-r1.eclass",
        f"""
        # @ECLASS: distutils-r1.eclass
        # @MAINTAINER: tests
        # @SUPPORTED_EAPIS: 8
        # @BLURB: a stand-in
        IUSE="{" ".join(_TARGETS)}"
        REQUIRED_USE="|| ( {" ".join(_TARGETS)} )"
        PYTHON_USEDEP="{",".join(f"{one}(-)?" for one in _TARGETS)}"
        python_gen_cond_dep() {{
            local dependency=${{1//'${{PYTHON_USEDEP}}'/${{PYTHON_USEDEP}}}} pattern
            shift
            for pattern; do
                echo "python_targets_python${{pattern/./_}}? ( ${{dependency}} )"
            done
        }}
        distutils-r1_src_compile() {{
            export EPYTHON=python3
            {python} -m pip --quiet wheel --no-index --no-deps --no-build-isolation -w "${{T}}"/dist . || die
            python_compile_all
        }}
        distutils-r1_src_install() {{
            {python} -m pip --quiet install --no-index --no-deps --no-compile --ignore-installed \\
                --root="${{D}}" --prefix="${{EPREFIX}}"/usr "${{T}}"/dist/*.whl || die
            python_install_all
        }}
        distutils-r1_python_install_all() {{ :; }}
        EXPORT_FUNCTIONS src_compile src_install
        """,
    )
    gentoo.write(
        "eclass/pypi.eclass",
        """
        # @ECLASS: pypi.eclass
        # @MAINTAINER: tests
        # @SUPPORTED_EAPIS: 8
        # @BLURB: a stand-in
        SRC_URI="https://pypi.invalid/${PN}/${PN//-/_}-${PV}.tar.gz"
        S="${WORKDIR}/${PN//-/_}-${PV}"
        """,
    )
    gentoo.write(
        "eclass/shell-completion.eclass",
        """
        # @ECLASS: shell-completion.eclass
        # @MAINTAINER: tests
        # @SUPPORTED_EAPIS: 8
        # @BLURB: a stand-in
        newbashcomp() { ( insinto /usr/share/bash-completion/completions; newins "$@" ); }
        newzshcomp() { ( insinto /usr/share/zsh/site-functions; newins "$@" ); }
        newfishcomp() { ( insinto /usr/share/fish/vendor_completions.d; newins "$@" ); }
        """,
    )
    gentoo.write(
        "eclass/optfeature.eclass",
        """
        # @ECLASS: optfeature.eclass
        # @MAINTAINER: tests
        # @SUPPORTED_EAPIS: 8
        # @BLURB: a stand-in
        optfeature() { elog "$2 for $1"; }
        """,
    )
    gentoo.write(
        "eclass/systemd.eclass",
        """
        # @ECLASS: systemd.eclass
        # @MAINTAINER: tests
        # @SUPPORTED_EAPIS: 8
        # @BLURB: a stand-in
        systemd_dounit() { ( insinto /usr/lib/systemd/system; doins "$@" ); }
        """,
    )
    for cpv in _PYTHON_PACKAGES:
        gentoo.data(cpv, IUSE=" ".join(_TARGETS))
    gentoo.data("app-crypt/gnupg-2.4.8")
    return gentoo
