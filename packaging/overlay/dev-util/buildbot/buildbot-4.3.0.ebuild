# Copyright 2026 Gentoo Authors
# Distributed under the terms of the GNU General Public License v2

EAPI=8

DISTUTILS_USE_PEP517=setuptools
PYTHON_COMPAT=( python3_{11..14} )
inherit distutils-r1 pypi

DESCRIPTION="Buildbot's master, which carries the jobs of a swarm of builders"
HOMEPAGE="https://buildbot.net/"

LICENSE="GPL-2"
SLOT="0"
KEYWORDS="~amd64"
# The tests need packages that nothing else here needs, such as moto.
RESTRICT="test"

# The last two lines are TLS (the extra tls of the package), which a swarm always uses.
RDEPEND="
	>=dev-python/alembic-1.6.0[${PYTHON_USEDEP}]
	>=dev-python/autobahn-0.16.0[${PYTHON_USEDEP}]
	>=dev-python/croniter-1.3.0[${PYTHON_USEDEP}]
	>=dev-python/jinja2-2.1[${PYTHON_USEDEP}]
	>=dev-python/msgpack-0.6.0[${PYTHON_USEDEP}]
	dev-python/packaging[${PYTHON_USEDEP}]
	dev-python/pyjwt[${PYTHON_USEDEP}]
	>=dev-python/python-dateutil-1.5[${PYTHON_USEDEP}]
	dev-python/pyyaml[${PYTHON_USEDEP}]
	>=dev-python/setuptools-8.0[${PYTHON_USEDEP}]
	>=dev-python/sqlalchemy-1.4.0[${PYTHON_USEDEP}]
	>=dev-python/treq-20.9[${PYTHON_USEDEP}]
	>=dev-python/twisted-22.1.0[${PYTHON_USEDEP}]
	>=dev-python/txaio-2.2.2[${PYTHON_USEDEP}]
	>=dev-python/unidiff-0.7.5[${PYTHON_USEDEP}]
	>=dev-python/zope-interface-4.1.1[${PYTHON_USEDEP}]
	>=dev-python/idna-0.6[${PYTHON_USEDEP}]
	>=dev-python/pyopenssl-16.0.0[${PYTHON_USEDEP}]
	dev-python/service-identity[${PYTHON_USEDEP}]
"
