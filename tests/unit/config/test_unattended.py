"""[binhost] and [postsync]: off without a word, and no word guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.config.settings import load
from portage_ext.config.table import SETTINGS_FILE
from portage_ext.config.unattended import Unattended
from portage_ext.errors import SettingsError


def written(root: Path, text: str) -> Path:
    path = root / SETTINGS_FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return root


def test_nothing_runs_by_itself_without_a_word(tmp_path: Path) -> None:
    assert load(tmp_path).unattended == Unattended()
    assert load(written(tmp_path, '[release]\nchannel = "x"\n')).unattended == Unattended("off", None, (), True)


def test_what_is_written_is_taken(tmp_path: Path) -> None:
    text = '[binhost]\nafter-emerge = "publish"\nchannel = "staging"\n[postsync]\njob = "sh -c \'a b\'"\nrefresh = false\n'
    assert load(written(tmp_path, text)).unattended == Unattended("publish", "staging", ("sh", "-c", "a b"), False)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[binhost]\nafter-emerge = "yes"\n', 'binhost.after-emerge is not one of "publish", "index", "off"'),
        ("[binhost]\nafter-emerge = true\n", "binhost.after-emerge is not a text"),
        ('[binhost]\nafter_emerge = "index"\n', "[binhost] has no key after_emerge"),
        ('[postsync]\njob = "sh -c \'"\n', "postsync.job is not a command"),
        ('[postsync]\nrefresh = "no"\n', "postsync.refresh is not true or false"),
        ("binhost\n", SETTINGS_FILE),
        ("binhost = 1\n", "[binhost] is not a table"),
    ],
)
def test_a_word_that_is_not_understood_is_an_error(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, text))
    assert named in str(caught.value)
