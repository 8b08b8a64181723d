"""portage-ext.toml: what is understood, and that nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.config.settings import BinrepoSettings, Settings, load, parse
from portage_ext.errors import SettingsError

WHERE = Path("portage-ext.toml")


def test_without_a_file_a_release_is_required(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings == Settings(portage_home=tmp_path / "etc/portage/gnupg")
    assert settings.binrepo("any").release_required


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    file = tmp_path / "etc/portage/portage-ext.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "[fetch]\ntimeout = 5\nretries = 1\nlow-speed = 10\nlow-speed-time = 7.5\n"
        '[sign]\nkey = "AB"\nhomedir = "/h"\njobs = 3\n'
        '[release]\nvalid-days = 9\nchannel = "staging"\n[trust]\nportage-home = "/g"\n'
        '[binrepo.lab]\nrelease = "optional"\nmirrors = ["http://m.example"]\nchannel = "production"\n'
    )
    settings = load(tmp_path)
    assert settings.binrepo("lab") == BinrepoSettings(False, ("http://m.example",), "production")
    assert (settings.fetch.low_speed_time, settings.sign.homedir, settings.release.valid_days) == (7.5, Path("/h"), 9)
    assert settings.portage_home == Path("/g")


@pytest.mark.parametrize(
    "text",
    [
        "[binrepo.lab]\nreleas = 'optional'",
        "[binrepo.lab]\nrelease = 'maybe'",
        "[binrepo.lab]\nrelease = false",
        "[binrepo.lab]\nmirrors = 'http://m.example'",
        "binrepo = 1",
        "[fetch]\ntimeout = 0",
        "[fetch]\ntimeout = true",
        "[fetch]\nretries = 1000",
        "[sign]\nkeys = 'x'",
        "not toml at all",
    ],
)
def test_what_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError):
        parse(text, path=WHERE)


@given(st.text(max_size=80))
def test_no_text_escapes_the_named_error(text: str) -> None:
    try:
        parse(text, path=WHERE)
    except SettingsError:
        return


def test_a_table_that_nobody_reads_is_an_error_except_for_fetching() -> None:
    text = '[fetch]\nretries = 1\n[publsh]\ntree = "/srv"\n'
    with pytest.raises(SettingsError, match="there is no table or key publsh"):
        parse(text, path=WHERE)
    assert parse(text, path=WHERE, client_only=True).fetch.retries == 1
