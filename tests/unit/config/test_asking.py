"""[ask] says whom to ask, [client.NAME] what a client may; a mistake is named with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.config import settings
from portage_ext.errors import SettingsError


def read(text: str) -> settings.Settings:
    return settings.parse(text, path=Path("portage-ext.toml"))


@pytest.mark.parametrize(
    ("where", "host", "port"),
    [
        ("ssh://far", "far", None),
        ("ssh://build@far:2200", "build@far", 2200),
        ("ssh://b@[::1]:22/", "b@::1", 22),
        ("local", "", None),
    ],
)
def test_where_the_service_is(where: str, host: str, port: int | None) -> None:
    asking = read(f'[ask]\nwhere = "{where}"\ntarget = "laptop"\n').asking
    assert asking is not None
    assert (asking.host, asking.port, asking.client, asking.patience) == (host, port, "laptop", 2)
    assert read("").asking is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[ask]\ntarget = "laptop"\n', "ask.where"),
        ('[ask]\nwhere = "local"\n', "ask.target"),
        ('[ask]\nwhere = "https://far"\ntarget = "laptop"\n', "ask.where"),
        ('[ask]\nwhere = "ssh://-oProxyCommand=x"\ntarget = "laptop"\n', "ask.where"),
        ('[ask]\nwhere = "ssh://far:99999"\ntarget = "laptop"\n', "ask.where"),
        ('[ask]\nwhere = "ssh://u:secret@far"\ntarget = "laptop"\n', "ask.where"),
        ('[ask]\nwhere = "ssh://far/path"\ntarget = "laptop"\n', "ask.where"),
        ("[client.laptop]\n", "client.laptop.targets"),
        ("[client.\"a b\"]\ntargets = ['x']\n", "no name of a client"),
    ],
)
def test_a_mistake_is_named(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        read(text)
