"""A host that publishes no releases is told so before anything of its configuration is saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.errors.fleet import ConfigError
from portage_ext.fleet import publishing
from portage_ext.tasks.site import Site


def test_without_publish_there_is_nothing_that_could_carry_a_profile(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no \[publish\], and a profile is published in the releases of a binhost"):
        publishing.check(Site.read(tmp_path))
    (tmp_path / "etc/portage").mkdir(parents=True)
    (tmp_path / "etc/portage/portage-ext.toml").write_text('[publish]\ntree = "/srv/binhost/amd64"\n')
    publishing.check(Site.read(tmp_path))
