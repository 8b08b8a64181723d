# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153  # used by the tests that load this; given by test_bats.py
# A system small enough to be looked at whole, and the installer run in it. CHECKOUT, PORTAGE_BIN (programs of a Portage with
# portage-ext in it) and PLAIN_BIN (of one without) come from test_bats.py, KEYS (a gpg home with a key, and the key) and WORK (an
# empty folder for all tests of a worker, one after the other) too.

setup() {
    work=$WORK/now
    mkdir -- "$work"
    root=$work/root
    new_system "$root"
    asked=$WORK/asked
    [[ -d $asked ]] || asking_once
}

# A third of the installer's time goes into asking the same Portage whether it is supported. It is asked once, for all tests that
# have nothing else in PATH; the others ask each time.
asking_once() {
    mkdir -- "$asked"
    cat >"$asked/python3" <<END
#!/bin/bash
if [[ \$3 == *"supported import problem"* ]]; then
    [[ -e $asked/passed ]] || { "$PORTAGE_BIN/python3" "\$@" && touch "$asked/passed"; }
else
    exec "$PORTAGE_BIN/python3" "\$@"
fi
END
    chmod +x "$asked/python3"
}

teardown() {
    rm -rf -- "$work"
}

new_system() {
    mkdir -p -- "$1"/{etc/portage,var/lib,var/cache,run/lock}
    printf 'CFLAGS="-O2 -pipe"\nPKGDIR="%s/var/cache/binpkgs"' "$1" >"$1/etc/portage/make.conf"
    chmod 0640 "$1/etc/portage/make.conf"
    touch -d '2020-02-02 02:02:02' "$1/etc/portage/make.conf"
    cp -a -- "$1" "$1.before"
}

# The installer with an environment of its own; it asks nothing, and fetches nothing. KILL_AT lets it be killed before its so manieth change.
hooks() {
    env -i PATH="${programs:-$asked:$PORTAGE_BIN:$PATH}" HOME="$work" TMPDIR="$work" LANG=C.UTF-8 HOSTNAME=testhost ${KILL_AT:+KILL_AT=$KILL_AT COUNT=$work/count} \
        ${PYTHONPATH:+PYTHONPATH="$PYTHONPATH"} setsid -w bash "${script:-$CHECKOUT/setup_hooks.sh}" --root "$root" --yes --no-fetch "$@"
}

# usage: installed ROLE: as the installer leaves a new system with this role, which it does once for all tests.
installed() {
    if [[ -d $WORK/$1 ]]; then
        rm -r -- "$root"
        cp -a -- "$WORK/$1" "$root"
    else
        hooks --role "$1" "${client[@]}" "${binhost[@]}"
        cp -a -- "$root" "$WORK/$1"
    fi
}

# What a client, or a machine of both kinds, is told beside its role.
client=(--binhost http://127.0.0.1:9/production --key "${KEYS-}/public.asc")
binhost=(--signing-key "${FINGERPRINT-}" --signing-home "${KEYS-}/home")

# Names, kinds, modes, times and contents of everything below $1; times of files only, as directories' change with their entries.
picture() {
    (
        cd -- "$1" || exit
        find . -type d -printf '%p %y %m\n' -o -printf '%p %y %m %T@ %l\n' | sort
        find . -type f -print0 | sort -z | xargs -0 -r b2sum --
    )
}

same_as_before() {
    diff <(picture "$root.before") <(picture "$root")
    diff -r "$root.before" "$root"
}
