# Copyright 2026 Gentoo Authors
# Distributed under the terms of the GNU General Public License v2

EAPI=8

DISTUTILS_USE_PEP517=setuptools
PYTHON_COMPAT=( python3_{11..14} )
inherit distutils-r1 pypi

DESCRIPTION="Buildbot's worker, through which a builder of a swarm takes its jobs"
HOMEPAGE="https://buildbot.net/"

LICENSE="GPL-2"
SLOT="0"
KEYWORDS="~amd64"
RESTRICT="test"

# The last three lines are for TLS, which a swarm always uses.
RDEPEND="
	>=dev-python/autobahn-0.16.0[${PYTHON_USEDEP}]
	>=dev-python/msgpack-0.6.0[${PYTHON_USEDEP}]
	>=dev-python/twisted-21.2.0[${PYTHON_USEDEP}]
	>=dev-python/idna-0.6[${PYTHON_USEDEP}]
	>=dev-python/pyopenssl-16.0.0[${PYTHON_USEDEP}]
	dev-python/service-identity[${PYTHON_USEDEP}]
"
