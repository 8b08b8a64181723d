"""Real emerge in a sandbox: Portage from PyPI, an ebuild repository, a signing binhost, verifying clients.

Standard library only, so that ``make demo`` can use it before anything is installed.

========================  =============================================================
``requirements``          the programs that must be there, and what to install
``environments``          virtual environments with one Portage each, plugin or plain
``ebuilds``               the ebuild repository, generated
``keys``                  OpenPGP keys and keyrings
``roots``                 one Gentoo system in a folder, in both layouts; runs commands
``warm``                  starts these commands from a Python that is already running
``httpd``                 a binhost's web server that logs what it is asked for
``sshd``                  a real sshd, with keys of its own
``outcome``               what a run offered, chose and merged
``binhost``               a built, signed PKGDIR, made once and shared
``portages``              which Portages a folder of tests is played with
========================  =============================================================
"""
