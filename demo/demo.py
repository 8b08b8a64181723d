"""make demo: what portage-ext does, shown by real emerge in a sandbox, each step checked.

Standard library only. Exit status 0 only if everything that it tells is true.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from demo import sites
from tests.testkit import environments, httpd, keys, requirements
from tests.testkit.keys import SigningKey
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

SANDBOX = environments.CHECKOUT / ".sandbox"
LISTED, OTHERS = "app-misc/hello", ("app-misc/greeter", "net-libs/webkit")
GCC, TOOL = "sys-devel/gcc", "app-misc/cxxtool"


def main() -> None:
    """Set up, show, check; then say how to play on."""
    started = time.monotonic()
    requirements.check("demo")
    say("Setting up: Portage from PyPI with portage-ext beside it, in a folder. Nothing of this system is touched.")
    say("(The first time this takes about half a minute.)")
    environments.environment()
    sandbox = make_sandbox()
    with signing_key() as key:
        repository = sites.ebuilds(sandbox / "repo")
        builder = sites.binhost(sandbox / "binhost", repository, key, sandbox / "tree")
        with httpd.serve(sandbox / "tree") as server:
            client = sites.client(sandbox / "client", repository, f"{server.url}/production")
            write_play(client, sandbox / "tree", server.port)
            publishes_by_itself(builder)
            chosen_per_package(client, server, key)
            trusted_end_to_end(builder, client, sandbox / "tree")
            toolchain_first(client)
            told_why(client)
    say(f"\nEverything above was checked, in {time.monotonic() - started:.0f} s. Play on:")
    print("    make demo-play                                a shell in the client, with its binhost running; then for example")
    print("    emerge -p app-misc/hello net-libs/webkit      what would come from where")
    print("    $EDITOR $ETC/package.env                      list more packages; the next emerge obeys")
    print("    portage-ext why net-libs/webkit               why one is compiled")
    print("    make clean                                    remove the sandbox and all the rest")


def make_sandbox() -> Path:
    """An empty sandbox in the checkout; in /tmp where the checkout's path has spaces, which Portage hands to gpg unquoted."""
    if SANDBOX.is_symlink():
        shutil.rmtree(SANDBOX.resolve(), ignore_errors=True)
        SANDBOX.unlink()
    shutil.rmtree(SANDBOX, ignore_errors=True)
    if any(map(str.isspace, str(SANDBOX))):
        place = Path(tempfile.mkdtemp(prefix="portage-ext-demo."))
        place.chmod(0o755)
        SANDBOX.symlink_to(place)
    else:
        SANDBOX.mkdir()
    (SANDBOX / "tree").mkdir()
    return SANDBOX.resolve()


@contextlib.contextmanager
def signing_key() -> Iterator[SigningKey]:
    """The binhost's secret key. gpg's sockets need a short path, so it is not in the sandbox."""
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        key = keys.new_key(Path(name) / "key")
        try:
            yield key
        finally:
            keys.kill_agents(key.home)


def publishes_by_itself(builder: Root) -> None:
    """A binhost's emerge ends with a release."""
    step("1. A binhost publishes by itself. Its configuration names a key and a directory, and asks for it once:")
    cat(builder.path / "etc/portage/portage-ext.toml", builder)
    built = run(builder, "-1", "--quiet", LISTED, *OTHERS)
    print_line(built)
    check(
        "published as release 1 of production" in built.stderr, "after the emerge everything was signed, indexed and published"
    )


def chosen_per_package(client: Root, server: httpd.Server, key: SigningKey) -> None:
    """The whitelist."""
    step("2. A client pins the binhost's key, and names the packages that may come as binaries:")
    source = f"{server.url}/production/keys/{key.fingerprint}.asc"
    print(f"    # portage-ext trust add demo --fingerprint {key.fingerprint} --from URL")
    client.run("portage-ext", "trust", "add", "demo", "--fingerprint", key.fingerprint, "--from", source).ok()
    cat(client.etc("env/getbinpkg.conf", 'FEATURES="getbinpkg"\n'), client)
    cat(client.etc("package.env", f"{LISTED} getbinpkg.conf\n"), client)
    plan = run(client, "-pv", LISTED, *OTHERS)
    show_list(plan)
    check(names(plan.binaries()) == {LISTED}, "exactly the listed package would come as a binary")
    check(names(plan.sources()) == set(OTHERS), "the others would be compiled")
    run(client, "-1", "--quiet", LISTED, *OTHERS)
    kinds = {name(cpv): kind for cpv, kind in client.merged().items()}
    check(kinds == {LISTED: "binary", **dict.fromkeys(OTHERS, "ebuild")}, "and so emerge did")
    check([LISTED in path for path in server.packages()] == [True], "one package was fetched, and no other")


def trusted_end_to_end(builder: Root, client: Root, tree: Path) -> None:
    """A changed index."""
    step("3. The binhost gets a new gcc, and builds a program with it:")
    run(builder, "-1", "--quiet", GCC)
    print_line(run(builder, "-1", "--quiet", TOOL))
    say("    Before the client looks, somebody breaks into the web server and swaps two packages in the index.")
    client.etc("package.env", f"{LISTED} getbinpkg.conf\n{GCC} getbinpkg.conf\n{TOOL} getbinpkg.conf\n")
    live = (tree / "production").resolve()
    honest = {path: path.read_bytes() for path in live.glob("Packages*")}
    index = honest[live / "Packages"]
    for path in honest:
        path.unlink()
    one, other = b"CPV: app-misc/hello-1.1\n", b"CPV: app-misc/greeter-1.0\n"
    (live / "Packages").write_bytes(index.replace(one, b"\0").replace(other, one).replace(b"\0", other))
    print("    # emerge -1 app-misc/hello", flush=True)
    refused = client.emerge("-1", LISTED)
    print(textwrap.indent(next((line for line in refused.text.splitlines() if "[index-mismatch]" in line), ""), "    "))
    check(refused.status != 0 and "[index-mismatch]" in refused.text, "emerge stopped and said why; nothing was merged")
    for path, data in honest.items():
        path.write_bytes(data)


def toolchain_first(client: Root) -> None:
    """A new compiler on the binhost."""
    step("4. The index is as it was. The client lists the program, but has an older gcc:")
    print(f"    # emerge -p {TOOL}", flush=True)
    alone = client.emerge("-p", TOOL)
    print(textwrap.indent(alone.stderr[alone.stderr.find("portage-ext:") :].rstrip(), "    "))
    check(alone.status != 0 and sites.NEW_SYMBOLS in alone.text, "refused before anything is fetched: it could not start here")
    say(f"    The client lists {GCC} as well, and asks for both.")
    by_portage = run(client, "-p", TOOL, GCC, PORTAGE_EXT_TOOLCHAIN="off")
    check(
        [name(cpv) for cpv in by_portage.plan()] == [TOOL, GCC],
        "Portage alone (PORTAGE_EXT_TOOLCHAIN=off) merges the program first",
    )
    plan = run(client, "-p", TOOL, GCC)
    show_list(plan)
    check([name(cpv) for cpv in plan.plan()] == [GCC, TOOL], "with portage-ext gcc comes first")
    run(client, "-1", "--quiet", TOOL, GCC)
    done = client.run(str(client.path / "usr/bin/cxxtool"), LD_LIBRARY_PATH=str(client.path / "usr/lib64")).ok()
    check(done.stdout.strip() == "cxxtool-1", "and the program runs")


def told_why(client: Root) -> None:
    """A binary that does not fit."""
    step("5. The client wants webkit without jit; the binhost built it with. emerge compiles it, and portage-ext says why:")
    client.etc("package.env", f"{LISTED} getbinpkg.conf\nnet-libs/webkit getbinpkg.conf\n")
    client.etc("package.use", "net-libs/webkit -jit\n")
    sites.remove(client, "net-libs/webkit")
    plan = run(client, "-p", "--binpkg-respect-use=y", "net-libs/webkit")
    check(names(plan.sources()) == {"net-libs/webkit"}, "webkit would be compiled")
    asked = client.run("portage-ext", "why", "net-libs/webkit", "--", "--binpkg-respect-use=y")
    print(textwrap.indent(asked.stdout.rstrip(), "    "))
    check("jit" in asked.stdout, "the reason is named, with what to change")


def print_line(outcome: Outcome) -> None:
    """What portage-ext said."""
    print(textwrap.indent("\n".join(line for line in outcome.stderr.splitlines() if line.startswith("portage-ext")), "    "))


def name(cpv: str) -> str:
    """``cat/pn`` of ``cat/pn-version``."""
    return cpv.rsplit("-", 1)[0]


def names(cpvs: Iterable[str]) -> set[str]:
    return {name(cpv) for cpv in cpvs}


def run(root: Root, *arguments: str, **variables: str) -> Outcome:
    """Show an emerge command and run it; one that fails ends the demo with all that it printed."""
    print(f"    # emerge {' '.join(arguments)}", flush=True)
    outcome = root.emerge(*arguments, **variables)
    if outcome.status:
        sys.exit(str(outcome))
    return outcome


def show_list(outcome: Outcome) -> None:
    """emerge's list."""
    print(textwrap.indent("\n".join(line for line in outcome.stdout.splitlines() if line.startswith("[")), "    "))


def cat(path: Path, root: Root) -> None:
    """Show a file as it would be named on a real system."""
    print(f"    # /{path.relative_to(root.path)}")
    print(textwrap.indent(path.read_text(), "    "), end="")


def step(text: str) -> None:
    print(f"\n\033[1m==> {text}\033[0m" if sys.stdout.isatty() else f"\n==> {text}", flush=True)


def say(text: str) -> None:
    print(text, flush=True)


def check(truth: bool, text: str) -> None:
    """State ``text``, or stop with status 1."""
    print(f"    {'ok:' if truth else 'NOT TRUE:'} {text}", flush=True)
    if not truth:
        sys.exit(1)


def write_play(root: Root, tree: Path, port: int) -> None:
    """A script that starts the binhost's web server again and opens a shell in the client."""
    exports = "".join(f"export {key}={quote(value)}\n" for key, value in root.variables().items() if key != "TERM")
    text = f"""#!/bin/bash
# A shell in the demo's client, with its binhost on loopback until the shell ends.
{exports}export ETC={quote(str(root.path / "etc/portage"))} PS1='client$ '
{quote(sys.executable)} -m http.server --bind 127.0.0.1 --directory {quote(str(tree))} {port} >/dev/null 2>&1 &
trap 'kill $!' EXIT
cd {quote(str(root.path))} && bash --norc "$@"
"""
    play = SANDBOX / "play"
    play.write_text(text)
    play.chmod(0o755)


def quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    main()
