"""make demo: one package from the binhost, the rest compiled, by real emerge in a sandbox.

Standard library only. Exit status 0 only if everything that it tells is true.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path

from tests.testkit import binhost as kit
from tests.testkit import environments, httpd, requirements
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

SANDBOX = environments.CHECKOUT / ".sandbox"
LISTED, COMPILED = "app-misc/hello", ("app-misc/cxxhello", "net-libs/webkit")
PACKAGES = (LISTED, *COMPILED)


def main() -> None:
    """Set up, show, check; then say how to play on."""
    requirements.check()
    say("Setting up: Portage from PyPI with portage-ext beside it, and a binhost whose packages real emerge built and signed.")
    say("(The first time this takes about half a minute.)")
    environments.environment()
    binhost = kit.standard()
    make_sandbox()
    with httpd.serve(binhost.pkgdir) as server:
        root = kit.client(SANDBOX.resolve() / "client", binhost, {"demo": server.url})
        write_play(root, binhost, server.port)
        show(root, server)
    say("Everything above was checked. Play on:")
    print(f"    {SANDBOX.relative_to(environments.CHECKOUT)}/play           a shell in the client, with its binhost running")
    print("    emerge -p app-misc/hello net-libs/webkit      what would come from where")
    print("    $EDITOR $ETC/package.env                      list more packages; the next emerge obeys")
    print("    make clean                                    remove the sandbox and all the rest")


def make_sandbox() -> None:
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


def show(root: Root, server: httpd.Server) -> None:
    """The story, each claim checked where it is made."""
    step("A client of that binhost. FEATURES=getbinpkg is off; two small files name the one package that may come as a binary:")
    cat(root.etc("env/getbinpkg.conf", 'FEATURES="getbinpkg"\n'), root)
    cat(root.etc("package.env", f"{LISTED} getbinpkg.conf\n"), root)

    step(f"emerge -pv {' '.join(PACKAGES)}")
    plan = run(root, "-pv", *PACKAGES)
    check(names(plan.binaries()) == {LISTED}, "exactly the listed package would come as a binary")
    check(names(plan.sources()) == set(COMPILED), "the others would be compiled")

    step(f"emerge -1 {' '.join(PACKAGES)}")
    run(root, "-1", *PACKAGES, quiet=True)
    merged = root.merged()
    for cpv, kind in merged.items():
        print(f"    {cpv}: {'merged from the binhost' if kind == 'binary' else 'compiled here'}")
    check(
        {name(cpv): kind for cpv, kind in merged.items()} == {LISTED: "binary", **dict.fromkeys(COMPILED, "ebuild")},
        "so it was",
    )
    fetched = [name(path.rpartition("/")[2]) for path in server.packages()]
    check(len(fetched) == 1 and server.packages()[0].startswith(LISTED), "one package was asked for, and no other")
    check(signature_is_needed(root), "its signature was checked: without the key, Portage refuses the same package")
    for program in ("hello", "cxxhello"):
        done = root.run(str(root.path / "usr/bin" / program)).ok()
        print(f"    $ {program}\n    {done.stdout.strip()}")

    step("What would change with one more line in package.env:")
    path = root.etc("package.env", f"{LISTED} getbinpkg.conf\nnet-libs/* getbinpkg.conf\n")
    cat(path, root)
    more = run(root, "-pv", *PACKAGES)
    check(names(more.binaries()) == {LISTED, "net-libs/webkit"}, "net-libs/webkit would come as a binary, too")
    root.etc("package.env", f"{LISTED} getbinpkg.conf\n")


def signature_is_needed(root: Root) -> bool:
    """Whether Portage refuses the same package when its key is taken away: then it was the signature that let it in."""
    gnupg = root.path / "etc/portage/gnupg"
    aside = gnupg.with_name("gnupg.aside")
    downloads = root.path / "var/cache/binhost"
    gnupg.rename(aside)
    try:
        shutil.copytree(aside, gnupg, ignore=shutil.ignore_patterns("pubring*", "trustdb*"))
        shutil.rmtree(downloads)
        refused = root.emerge("-1", LISTED)
        print(textwrap.indent("\n".join(reason(refused)), "    without the key: "))
        return refused.status != 0 and "signature" in refused.text.lower()
    finally:
        shutil.rmtree(gnupg, ignore_errors=True)
        aside.rename(gnupg)


def reason(refused: Outcome) -> list[str]:
    """The lines in which Portage says why."""
    lines = [line.strip() for line in refused.text.splitlines() if "!!!" in line or "ignature" in line]
    return [line for line in lines if line][:3]


def name(cpv: str) -> str:
    """``cat/pn`` of ``cat/pn-version``."""
    return cpv.rsplit("-", 1)[0]


def names(cpvs: Iterable[str]) -> set[str]:
    return {name(cpv) for cpv in cpvs}


def run(root: Root, *arguments: str, quiet: bool = False) -> Outcome:
    """Run emerge and show what it prints."""
    outcome = root.emerge(*arguments)
    if outcome.status:
        sys.exit(str(outcome))
    if not quiet:
        lines = [line for line in outcome.stdout.splitlines() if line.startswith(("[", "Total"))]
        print(textwrap.indent("\n".join(lines), "    "))
    return outcome


def cat(path: Path, root: Root) -> None:
    """Show a file as it would be named on a real system."""
    print(f"    # /{path.relative_to(root.path)}")
    print(textwrap.indent(path.read_text(), "    "), end="")


def step(text: str) -> None:
    print(f"\n\033[1m==> {text}\033[0m" if sys.stdout.isatty() else f"\n==> {text}")


def say(text: str) -> None:
    print(text, flush=True)


def check(truth: bool, text: str) -> None:
    """State ``text``, or stop with status 1."""
    print(f"    {'ok:' if truth else 'NOT TRUE:'} {text}", flush=True)
    if not truth:
        sys.exit(1)


def write_play(root: Root, binhost: kit.Binhost, port: int) -> None:
    """A script that starts the binhost again and opens a shell in the client."""
    exports = "".join(f"export {key}={quote(value)}\n" for key, value in root.variables().items() if key != "TERM")
    text = f"""#!/bin/bash
# A shell in the sandbox's client, with its binhost on loopback until the shell ends.
{exports}export ETC={quote(str(root.path / "etc/portage"))} PS1='client$ '
{quote(sys.executable)} -m http.server --bind 127.0.0.1 --directory {quote(str(binhost.pkgdir))} {port} >/dev/null 2>&1 &
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
