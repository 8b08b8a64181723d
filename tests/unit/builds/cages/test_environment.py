"""Configuration that leaves the CPU to this host's compiler is covered by what the target's compiler said, or blocked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.builds.cages import environment as environments
from portage_ext.builds.cages.environment import Environment, resolved, write_layer
from portage_ext.errors.builds import BlockedError
from tests.unit.targets.examples import target

MARCH = ("-march=znver4", "-mno-avx512f")


def environment(top: Path, march: tuple[str, ...] = MARCH) -> Environment:
    return Environment("laptop", target(builder=replace(target().builder, march=march)), top, True, ())


def written(top: Path, path: str, text: str) -> None:
    file = top / "etc/portage" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_native_is_spelled_out_where_it_is_written(tmp_path: Path) -> None:
    top, layer = tmp_path / "top", tmp_path / "layer"
    written(top, "make.conf", 'COMMON_FLAGS="-O2 -march=native -pipe"\n')
    written(top, "env/fast", 'CFLAGS="-O3 -mtune=native"\n')
    written(top, "env/plain", 'CFLAGS="-O1 -march=nativeish"\n')
    write_layer(environment(top), layer)
    assert (layer / "etc/portage/make.conf").read_text() == 'COMMON_FLAGS="-O2 -march=znver4 -mno-avx512f -pipe"\n'
    assert (layer / "etc/portage/env/fast").read_text() == 'CFLAGS="-O3 -march=znver4 -mno-avx512f"\n'
    assert not (layer / "etc/portage/env/plain").exists()


@pytest.mark.parametrize("march", [(), ("-march=native",)])
def test_native_that_nobody_resolved_is_blocked(tmp_path: Path, march: tuple[str, ...]) -> None:
    written(tmp_path / "top", "make.conf", 'CFLAGS="-march=native"\n')
    with pytest.raises(BlockedError, match=r"says -march=native in .*make\.conf"):
        write_layer(environment(tmp_path / "top", march), tmp_path / "layer")


def test_a_chroot_gets_the_name_servers_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, own = tmp_path / "top", tmp_path / "resolv.conf"
    own.write_text("nameserver 192.0.2.1\n")
    monkeypatch.setattr(environments, "_NAME_SERVERS", str(own))
    written(top, "make.conf", "")
    (top / "etc/resolv.conf").symlink_to("/run/resolv.conf")  # its own is not followed, but covered
    for prefix, there in ((True, False), (False, True)):
        layer = tmp_path / f"layer-{prefix}"
        layer.mkdir()
        write_layer(replace(environment(top), is_prefix=prefix), layer)
        assert (layer / "etc/resolv.conf").exists() is there
    assert (tmp_path / "layer-False/etc/resolv.conf").read_text() == own.read_text()


def test_a_prefix_is_laid_over_this_host(tmp_path: Path) -> None:
    from portage_ext.builds.cages.cage import Bounds

    cage = environment(tmp_path).cage((Path("/layer"),), Path("/scratch"), ("true",), Bounds(1, 1, 1, 1.0))
    assert [(one.lower, one.inside) for one in cage.layers] == [(("/",), "/"), (("/layer", str(tmp_path)), str(tmp_path))]
    chroot = replace(environment(tmp_path), is_prefix=False).cage(
        (Path("/layer"),), Path("/s"), ("true",), Bounds(1, 1, 1, 1.0)
    )
    assert [(one.lower, one.inside) for one in chroot.layers] == [(("/layer", str(tmp_path)), "/")]
    assert chroot.environment["PORTAGE_OVERRIDE_EPREFIX"] == "/"


def test_flags_that_this_hosts_compiler_would_resolve_are_found() -> None:
    assert resolved({"CFLAGS": "-O2 -march=znver4", "CXXFLAGS": "-march=nativeish"})
    for flag in ("-march=native", "-mtune=native", "-mcpu=native"):
        assert not resolved({"CFLAGS": "-O2", "CXXFLAGS": f"-O2 {flag} -pipe"})
