"""The page for a new client shows the command that sets it up, the keys that it will trust, and the other channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from portage_ext.model.root import Root
from portage_ext.pages import markup
from portage_ext.pages.markup import command, text
from portage_ext.words import counted

NAME: Final = "setup.html"
SOMEWHERE: Final = "URL-OF-THIS-CHANNEL"
"""The placeholder if no URL is configured; search.js replaces it with the real one."""


def page(
    site: str, channel: str, url: str, fingerprints: Sequence[str], root: Root | None, channels: Mapping[str, int], feed: str
) -> bytes:
    """The page. ``url`` is the URL of the release tree or empty; ``fingerprints`` are the keys that may sign Releases."""
    place = f"{url}/{channel}" if url else SOMEWHERE
    section = f"[{_section(site)}]\nsync-uri = {place}"
    body = (
        "<h1>Set up a client</h1>"
        '<p class="lead">A client is a Gentoo machine that installs packages from this binhost. It needs portage-ext, and this '
        "command, as root:</p>"
        f"{command(_setup(place, fingerprints, root))}"
        "<p>The command fetches the keys from here, and from then on believes only them for this binhost. "
        "<strong>Compare the fingerprints with those that you got in another way</strong>, for example from the administrator: "
        "somebody who can change this page can also change the keys on it.</p>"
        f"{_keys(fingerprints, root)}"
        '<section aria-labelledby="without"><h2 id="without">Without portage-ext</h2><p>Portage alone can also use this '
        "channel. It then does not check that the index is complete and current. In "
        f"<code>/etc/portage/binrepos.conf</code>:</p>{command(section)}</section>"
        f"{_channels(channel, channels)}"
    )
    return markup.page("Set up a client", site, body, here=NAME, feed=feed)


def _section(site: str) -> str:
    return "".join(one if one.isascii() and (one.isalnum() or one in "-_") else "-" for one in site.lower()) or "binhost"


def _setup(place: str, fingerprints: Sequence[str], root: Root | None) -> str:
    words = f"portage-ext setup --role client --binhost {place}"
    if root is not None:
        return f"{words} \\\n    --root-keys {','.join(root.root_keys)} --root-threshold {root.root_threshold}"
    return f"{words} \\\n    --key {fingerprints[0] if fingerprints else 'FINGERPRINT'}"


def _keys(fingerprints: Sequence[str], root: Root | None) -> str:
    items = [_key(one, "signs packages and Releases") for one in fingerprints]
    note = ""
    if root is not None:
        items += [_key(one, "root key, kept offline") for one in root.root_keys]
        note = (
            f'<p class="note">{counted(root.root_threshold, "root key")} must sign a change of the keys that sign Releases.</p>'
        )
    return f'<section aria-labelledby="keys"><h2 id="keys">Keys</h2><ul class="keys">{"".join(items)}</ul>{note}</section>'


def _key(fingerprint: str, what: str) -> str:
    groups = " ".join(fingerprint[place : place + 4] for place in range(0, len(fingerprint), 4))
    link = f' <a href="../keys/{fingerprint}.asc">public key</a>' if what.startswith("signs") else ""
    return f'<li><code class="key">{text(groups)}</code> <span class="dim">{what}</span>{link}</li>'


def _channels(channel: str, channels: Mapping[str, int]) -> str:
    items = "".join(
        f'<li data-channel="{text(name)}"><a href="../../{text(name)}/pages/index.html">{text(name)}</a> '
        f'<span class="dim">release {number}{", this channel" if name == channel else ""}</span></li>'
        for name, number in sorted(channels.items())
    )
    return (
        '<section aria-labelledby="channels"><h2 id="channels">Channels</h2>'
        '<p class="note">As they were when these pages were written.</p>'
        f'<ul class="plain">{items}</ul></section>'
    )
