# Copyright 2026 Gentoo Authors
# Distributed under the terms of the GNU General Public License v2

EAPI=8

DISTUTILS_EXT=1
DISTUTILS_USE_PEP517=setuptools
PYTHON_COMPAT=( python3_{11..14} )
inherit distutils-r1 optfeature shell-completion systemd

DESCRIPTION="Binary packages for Portage, chosen per package, ordered and verified"
HOMEPAGE="https://wiki.gentoo.org/wiki/No_homepage"
SRC_URI="${P}.tar.gz"

LICENSE="GPL-2+"
SLOT="0"
KEYWORDS="~amd64"
# The tests need the network: they install Portage from PyPI.
RESTRICT="fetch test"

# A sync module goes into Portage's own directory, so there must be a Portage for each implementation.
RDEPEND="
	app-crypt/gnupg
	>=dev-python/packaging-23[${PYTHON_USEDEP}]
	>=dev-python/python-gnupg-0.5[${PYTHON_USEDEP}]
	>=dev-python/requests-2.31[${PYTHON_USEDEP}]
	>=dev-python/rich-13[${PYTHON_USEDEP}]
	>=dev-python/zstandard-0.22[${PYTHON_USEDEP}]
	>=sys-apps/portage-3.0.77[${PYTHON_USEDEP}]
"
# Completions are made from the parsers of the commands.
BDEPEND="${RDEPEND}"

pkg_nofetch() {
	einfo "${P}.tar.gz, and the Manifest for it, are made from a checkout of portage-ext:"
	einfo "  packaging/make_overlay.sh OVERLAY DISTDIR"
}

python_compile_all() {
	local shell
	mkdir "${T}"/completion || die
	for shell in bash zsh fish; do
		"${EPYTHON}" -m portage_ext.cli.main completion ${shell} \
			> "${T}"/completion/${shell} || die
	done
}

python_install_all() {
	distutils-r1_python_install_all

	# The wheel brings the manual page, and the installer with its parts.
	dodoc CHANGELOG.md docs/*.md
	systemd_dounit etc/systemd/system/portage-ext-{builder,builds,coordinator,door}.service
	systemd_dounit etc/systemd/system/portage-ext-builds.timer
	doinitd etc/init.d/portage-ext-{builder,builds,coordinator,door}
	newbashcomp "${T}"/completion/bash portage-ext
	newbashcomp "${T}"/completion/bash olm
	newzshcomp "${T}"/completion/zsh _portage-ext
	newfishcomp "${T}"/completion/fish portage-ext.fish
	newfishcomp "${T}"/completion/fish olm.fish
}

pkg_postinst() {
	optfeature "a swarm of builders: the coordinator" dev-util/buildbot
	optfeature "a swarm of builders: each builder" dev-util/buildbot-worker
	if [[ -z ${REPLACING_VERSIONS} ]]; then
		elog "Nothing is changed below /etc until you run portage-ext setup;"
		elog "portage-ext setup --help shows how to make this a client, a binhost, or both."
	elif [[ -e ${EROOT}/var/lib/portage-ext/setup/manifest ]]; then
		elog "Run portage-ext setup again: --status shows which files are of an earlier version."
	fi
}

pkg_prerm() {
	if [[ -z ${REPLACED_BY_VERSION} && -e ${EROOT}/var/lib/portage-ext/setup/manifest ]]; then
		ewarn "What portage-ext setup put in place is still there. Without this package"
		ewarn "only setup_hooks.sh --uninstall from a checkout can remove it."
	fi
}
