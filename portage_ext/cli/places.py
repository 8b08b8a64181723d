"""The options that several commands share, each defined once: which system and tree is meant, who signs, print JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

# What emerge or a client waits for starts without reading the whole of portage-ext.toml.
if TYPE_CHECKING:
    import argparse

    from portage_ext.tasks.site import Site


def config_root(parser: argparse.ArgumentParser) -> None:
    """``--config-root``: where the configuration is."""
    parser.add_argument(
        "--config-root", type=Path, default=_config_root(), metavar="DIR", help="PORTAGE_CONFIGROOT (default: %(default)s)"
    )


def roots(parser: argparse.ArgumentParser) -> None:
    """``--config-root``, and ``--root``: where the state is kept."""
    config_root(parser)
    parser.add_argument(
        "--root", type=Path, default=eroot(), metavar="DIR", help="EROOT, where the state is kept (default: %(default)s)"
    )


def tree(parser: argparse.ArgumentParser) -> None:
    """The options that say which tree is meant."""
    parser.add_argument("--tree", type=Path, metavar="DIR", help="the published tree (default: tree of [publish])")
    parser.add_argument("--repository", metavar="NAME", help="another repository of portage-ext.toml, [repository.NAME]")
    config_root(parser)


def key(parser: argparse.ArgumentParser) -> None:
    """The options that say who signs."""
    parser.add_argument("--key", metavar="FPR", help="whole fingerprint of the key or subkey (default: [sign] key, else gpg's)")
    parser.add_argument("--homedir", type=Path, help="home of gpg (default: [sign] homedir, else gpg's own)")


def site(options: argparse.Namespace, *, client_only: bool = False) -> Site:
    """The system that ``options`` name. Raises SettingsError, ToolchainModeError."""
    from portage_ext.tasks.site import Site

    return Site.read(options.config_root, getattr(options, "root", None) or eroot(), client_only=client_only)


def here() -> Site:
    """The system that the environment names. Raises SettingsError, ToolchainModeError."""
    from portage_ext.tasks.site import Site

    return Site.read(_config_root(), eroot())


def _config_root() -> Path:
    return Path(os.environ.get("PORTAGE_CONFIGROOT") or f"{_eprefix()}/")


def eroot() -> Path:
    """EROOT of the environment."""
    prefix = os.environ.get("EPREFIX", _eprefix())
    return Path(os.environ.get("EROOT") or f"{os.environ.get('ROOT', '').rstrip('/')}{prefix}/")


def _eprefix() -> str:
    return os.environ.get("PORTAGE_OVERRIDE_EPREFIX", "")
