# shellcheck shell=bash
# shellcheck disable=SC2154  # set by setup_hooks.sh
# What a system must have before anything is written into it. A half supported system is refused with the reason.

check_user() {
    if [[ -z $root && $EUID -ne 0 && -z $dry_run ]]; then
        refuse "only root may write to /; --dry-run shows what would be done, --root DIR does it elsewhere"
    fi
}

check_system() {
    local tool path
    for tool in b2sum realpath sync diff mktemp; do
        command -v "$tool" >/dev/null || refuse "$tool is not installed"
    done
    [[ "$root$config_root" != *[$'\t\n']* ]] || refuse "a root whose name has a tab or a line break cannot stand in the manifest"
    [[ -d $config_root/etc/portage ]] || refuse "$config_root/etc/portage is not there: this is no Gentoo system"
    [[ -e $config_root/etc/portage/make.conf ]] || refuse "$config_root/etc/portage/make.conf is not there: Portage is not configured"
    [[ -d $root/var/lib ]] || refuse "$root/var/lib is not there: this is no Gentoo system"
    check_portage
    { command -v gpg && "${inside[@]}" sh -c 'command -v gpg'; } >/dev/null || refuse "gpg is not installed (app-crypt/gnupg): nothing could be signed or verified"
    for path in "${want_path[@]}" var/lib/portage-ext; do
        path=$(real "$path")
        while [[ ! -d $path ]]; do
            path=${path%/*}
        done
        [[ -w ${path:-/} || $dry_run ]] || refuse "${path:-/} cannot be written to"
    done
}

# The Portage that emerge runs has portage-ext in it, and is one that portage-ext knows.
check_portage() {
    # shellcheck disable=SC2016  # this is Python
    "${inside[@]}" python3 -P -c '
import importlib.util, sys
for name, why in (
    ("portage", "has no Portage"),
    ("portage_ext", "has a Portage, but no portage-ext: install it first (emerge app-portage/portage-ext, or pip install .)"),
):
    if importlib.util.find_spec(name) is None:
        sys.exit(f"portage-ext setup: {sys.executable} {why}")
try:
    from portage_ext.explain.supported import problem, remarks
    why = problem()
    told = [] if why is not None else list(remarks())
except ImportError as error:
    sys.exit(f"portage-ext setup: portage-ext is incomplete: {error}")
if why is not None:
    sys.exit(f"portage-ext setup: {why}")
for remark in told:
    print(f"portage-ext setup: {remark}")
' || exit 1
}
