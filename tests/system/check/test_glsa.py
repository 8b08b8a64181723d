"""What the ebuild repository's GLSAs call vulnerable is named in a release and on a client: Portage's reader, real packages."""

from __future__ import annotations

import json
from pathlib import Path

from tests.system.check.conftest import Pair, findings
from tests.testkit import glsas

HELLO = "app-misc/hello"
HOLE = "is vulnerable: GLSA 202401-01 (Hello: a hole), mended in >=1.1"
FLAGS = "is vulnerable: GLSA 202401-04 (Flags: a hole), mended in >=9"
UNREAD = "GLSA 202401-06 cannot be read, so it was not checked: unclosed token: line 1, column 0"


def test_a_vulnerable_package_is_held_back_and_named_on_the_client(pair: Pair, work: Path) -> None:
    host, client, directory = pair.host, pair.client, work / "glsa"
    glsas.write(directory, "202401-01", HELLO, "1.1", title="Hello: a hole")
    glsas.write(directory, "202401-02", HELLO, "9", arch="arm64")
    glsas.write(directory, "202401-03", HELLO, "9", slot="7")
    glsas.write(directory, "202401-04", "app-misc/flags", "9", title="Flags: a hole")
    glsas.write(directory, "202401-05", HELLO, "9")
    (directory / "glsa-202401-06.xml").write_text("<glsa")
    for root in (host.root, client):
        root.settings["GLSA_DIR"] = str(directory)
        root.write_settings()
        # As `glsa-check --inject` marks what does not concern this host.
        (root.path / "var/lib/portage/glsa_injected").write_text("202401-05\n")

    told = host.run("publish", "--channel", "warned", "--gates", "glsa", "--json").ok()
    warnings = {(one["where"], one["what"]) for one in json.loads(told.stdout)["warnings"]}
    assert warnings == {
        (f"{HELLO}-1.0", f"{HOLE}; the release also has {HELLO}-1.1, which mends it"),
        ("app-misc/flags-1.0", FLAGS),
        ("app-misc/flags-2.0", FLAGS),
        ("metadata/glsa", UNREAD),
    }
    host.configure(more='\n[publish.channel.strict]\ngates = ["glsa"]\nglsa = "refuse"\n')
    refused = host.run("publish", "--channel", "strict", "--json").failed()
    found = json.loads(refused.stdout)["findings"]
    assert {(one["where"], one["what"]) for one in found} == {
        (f"app-misc/flags-{version}", FLAGS) for version in ("1.0", "2.0")
    }
    assert not (host.tree / "strict").exists()

    client.emerge("-1", f"={HELLO}-1.0").ok()
    named, unread = findings(client)["GLSAs"]
    assert (named["severity"], named["what"]) == ("error", f"{HELLO}-1.0 {HOLE}; offered: {HELLO}-1.1 [lab]")
    assert (unread["severity"], unread["what"]) == ("warning", UNREAD)
    client.emerge(*named["remedy"].replace("--ask ", "").split()[1:]).ok()
    assert findings(client)["GLSAs"] == [unread]
