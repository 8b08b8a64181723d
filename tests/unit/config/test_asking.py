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


def test_https_has_a_port_of_its_own_and_a_fingerprint_as_openssl_prints_it() -> None:
    text = '[ask]\nwhere = "https://far"\ntarget = "laptop"\ncertificate = "a"\nkey = "b"\nserver = "{}"\n'
    asking = read(text.format(":".join(["0F"] * 32))).asking
    assert asking is not None
    assert (asking.transport, asking.host, asking.port, asking.server) == ("https", "far", 8443, "0f" * 32)
    found = read('[client.laptop]\ntargets = ["laptop"]\ncertificate = "/c.pem"\n[door]\nlisten = "[::]:1"\n')
    assert found.clients["laptop"].certificate == Path("/c.pem")
    assert found.door is not None
    assert (found.door.address, found.door.port) == ("::", 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[ask]\ntarget = "laptop"\n', "ask.where"),
        ('[ask]\nwhere = "local"\n', "ask.target"),
        ('[ask]\nwhere = "http://far"\ntarget = "laptop"\n', "ask.where"),
        ('[ask]\nwhere = "https://far"\ntarget = "laptop"\n', "ask.certificate"),
        ('[ask]\nwhere = "https://far"\ntarget = "laptop"\ncertificate = "a"\n', "ask.key"),
        ('[ask]\nwhere = "https://u@far"\ntarget = "laptop"\ncertificate = "a"\nkey = "b"\n', "ask.where"),
        ('[ask]\nwhere = "https://far"\ntarget = "laptop"\ncertificate = "a"\nkey = "b"\nserver = "ab"\n', "ask.server"),
        ('[ask]\nwhere = "https://f"\ntarget = "l"\ncertificate = "a"\nkey = "b"\noptions = ["-v"]\n', "ask.options"),
        ('[ask]\nwhere = "ssh://far"\ntarget = "laptop"\nserver = "ab"\n', "ask.where"),
        ('[door]\nlisten = "8443"\n', "door.listen"),
        ('[door]\ncertificate = "a"\n', "door.key"),
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
