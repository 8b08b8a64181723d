#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2115,SC2154  # lines for another shell; bats runs each test in a subshell
# The loader in the company of what administrators write into /etc/portage/bashrc.
bats_require_minimum_version 1.5.0

setup() {
    work=$(mktemp -d -t pe-bats.XXXXXX)
    cp -r "$CHECKOUT/bashrc.d" "$work/"
    # In the place of the two hooks, which are tested elsewhere, one that says that it was reached.
    rm "$work"/bashrc.d/[0-9]*
    echo 'echo "hook ${EBUILD_PHASE-}"' >"$work/bashrc.d/10-hook.bash"
    loader=$work/bashrc.d/portage-ext.bashrc
}

teardown() {
    rm -rf -- "$work"
}

# usage: phase NAME [LINES-BEFORE [LINES-AFTER]]: source the loader as ebuild.sh does in the phase.
phase() {
    env -i PATH="${path-$PATH}" ${1:+EBUILD_PHASE="$1"} ${qa:+MISC_FUNCTIONS_ARGS="install_qa_check"} \
        /bin/bash -c "${2-:}"$'\n'"source '$loader'"$'\n'"${3-:}"$'\n''echo end'
}

@test "hooks run in preinst and in the checks after src_install, and nowhere else" {
    run -0 phase preinst
    [ "$output" = $'hook preinst\nend' ]
    qa=yes run -0 phase ''
    [ "$output" = $'hook \nend' ]
    for name in pretend clean setup unpack prepare configure compile test install instprep postinst prerm postrm package; do
        run -0 phase "$name"
        [ "$output" = end ]
    done
}

@test "a phase without hooks costs one test and no command" {
    run -0 --separate-stderr phase compile 'PS4=+; set -x' 'set +x'
    [ "$(grep -c '^+' <<<"$stderr")" -le 6 ]
    run ! grep -qE '^\++(for|source .*hook)' <<<"$stderr"
}

@test "depend finds no command and starts none" {
    path='' run -0 phase depend
    [ "$output" = end ]
}

@test "nounset, errexit and pipefail of the lines before stay, and do no harm" {
    cp "$CHECKOUT"/bashrc.d/50-preinst-guard.bash "$work/bashrc.d/"
    for name in preinst compile depend ''; do
        run -0 phase "$name" 'set -euo pipefail' 'echo $-'
        [[ $output == *e*u* && $output == *end ]]
    done
    # A binary merge whose guard fails: errexit must not end the phase.
    run -0 phase preinst 'set -eu; MERGE_TYPE=binary PORTAGE_PYTHON=/bin/false CATEGORY=a PF=b; ewarn() { echo "ewarn: $*"; }' 'echo $-'
    [[ $output == *"ewarn: portage-ext: the guard could not check a/b"*e*u*end ]]
    # A source merge that defines less, something else, and nothing any more.
    cp "$CHECKOUT"/bashrc.d/60-lost-versions.bash "$work/bashrc.d/"
    mkdir -p "$work/var/db/pkg/a/b-1" "$work/build-info"
    echo '1 < x86_64 liba.so.1:A_1,A_2' >"$work/var/db/pkg/a/b-1/SYMBOL_CONTRACT"
    for now in '1 < x86_64 liba.so.1:A_1' '1 < x86_32 liba.so.1:A_1,A_2' '1 > x86_64 libc.so.6' ''; do
        echo "$now" >"$work/build-info/SYMBOL_CONTRACT"
        run -0 phase preinst "set -eu; MERGE_TYPE=source PORTAGE_PYTHON=/bin/false CATEGORY=a PN=b PF=b-2 REPLACING_VERSIONS='1 0'
            EROOT=$work PORTAGE_BUILDDIR=$work; ewarn() { echo \"ewarn: \$*\"; }" 'echo $-; compgen -v __portage_ext_ || :'
        [[ $output == *"ewarn: portage-ext: could not check whether an installed package needs what a/b-2 removes"*e*u*end ]]
        [[ $output != *__portage_ext_* ]]
    done
}

@test "options of the shell for file names stay, and do not hide the hooks" {
    for before in 'set -f' 'shopt -s nullglob' 'shopt -s failglob' 'shopt -s dotglob nocasematch extglob' 'IFS=/' 'IFS='; do
        run -0 phase preinst "$before" 'echo "$-|$(shopt -p | cksum)"'
        [[ $output == "hook preinst"* ]]
        state=$output
        run -0 bash -c "$before; echo \"\$-|\$(shopt -p | cksum)\""
        [[ $state == *"${output#*|}"* ]]
    done
    run -0 phase preinst 'set -f' 'echo "flags $-"'
    [[ $output == *"flags "*f* ]]
}

@test "functions and variables of an administrator stay, and ours are not left behind" {
    before='pre_src_compile() { :; }; hook=mine; file=mine'
    state='declare -F; compgen -v | grep -v -e ^BASH -e ^_ -e ^PIPESTATUS -e ^FUNCNAME -e ^LINENO | sort'
    run -0 phase preinst "$before" "$state"
    with=${output/$'hook preinst\n'/}
    run -0 env -i PATH="$PATH" EBUILD_PHASE=preinst /bin/bash -c "$before"$'\n'"$state"$'\necho end'
    [ "$with" = "$output" ]
}

@test "a directory without hooks, and one that cannot be read, are passed over" {
    rm "$work"/bashrc.d/10-hook.bash
    run -0 phase preinst
    [ "$output" = end ]
    [[ $EUID != 0 ]] || skip "root may read everything"
    echo 'echo hook' >"$work/bashrc.d/10-hook.bash"
    chmod 000 "$work/bashrc.d/10-hook.bash"
    run -0 phase preinst
    [ "$output" = end ]
}

@test "the lines that the installer writes do nothing once the loader is gone" {
    line="if [[ -r \"$work/gone\" ]]; then
    source \"$work/gone\"
fi"
    run -0 env -i /bin/bash -c "set -e; $line; echo end"
    [ "$output" = end ]
}
