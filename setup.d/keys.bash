# shellcheck shell=bash
# shellcheck disable=SC2154  # set by setup_hooks.sh
# Keys: the one that a binhost signs with, those that a client believes; and how Portage's keyring gets its old bytes back.

readonly SIGNING=var/lib/portage-ext/signing
# Where a binhost publishes its roots, below its address.
readonly ROOTS=root

ext() {
    "${inside[@]}" python3 -P -m portage_ext.cli.main "$@"
}

roots() {
    printf '%s\0' --config-root "$(seen "$config_root")/" --root "$(seen "$root")/"
}

# The fingerprint of the key in what `gpg --with-colons` prints on standard input, if there is no second one.
only_fingerprint() {
    awk -F: '$1 == "pub" || $1 == "sec" { keys++ } $1 == "fpr" && !found { print $10; found = 1 } END { exit keys != 1 }'
}

# Take the key of an earlier run, or make one. It has no passphrase: emerge signs while nobody sits there.
make_signing_key() {
    local home=$root/$SIGNING
    make_directory "$SIGNING" 0700
    gpg_in "$home" --list-secret-keys 2>/dev/null | grep -q '^sec' || {
        gpg_in "$home" --passphrase '' --pinentry-mode loopback \
            --quick-generate-key "portage-ext binhost on ${HOSTNAME:-this host}" ed25519 sign never
    }
    choice[signing-key]=$(gpg_in "$home" --list-secret-keys | only_fingerprint) ||
        refuse "there are several secret keys in $home; choose one with --signing-key FPR --signing-home $(seen "$home")"
    choice[signing-home]=$(seen "$home")
    gpgconf --homedir "$home" --kill all
}

gpg_in() {
    local home=$1
    shift
    gpg --homedir "$home" --batch --no-tty --quiet --with-colons "$@"
}

# Pin the root keys of a binhost, which the binhost itself has; they are believed for their fingerprints alone.
pin_root_keys() {
    local pins=$config_root/etc/portage/portage-ext/trust/${choice[name]}.pins keys wanted arguments=()
    IFS=, read -ra keys <<<"${choice[root-keys]}"
    wanted=$(printf 'root %s\n' "${keys[@]}" | sort -u; printf 'threshold %s\n' "${choice[root-threshold]}")
    if [[ -f $pins && $(<"$pins") == "$wanted" ]]; then
        return 0
    fi
    mapfile -d '' -t arguments < <(roots)
    keep_keyring
    make_directory "$(in_etc portage-ext/trust)"
    ext trust "${arguments[@]}" add "${choice[name]}" --root-key "${keys[@]}" --threshold "${choice[root-threshold]}" \
        --from "${choice[url]}/$ROOTS/keys/"
    roots_pinned=yes
    note_keyring
}

# Pin the binhost's key: it is fetched from the binhost unless a file has it, and believed for its fingerprint alone.
pin_key() {
    local etc=$config_root/etc/portage arguments=() from=${choice[key-from]-}
    local pins=$etc/portage-ext/trust/${choice[name]}.pins
    if [[ ${choice[root-keys]-} ]]; then
        pin_root_keys
        return
    fi
    if [[ -f $pins ]] && grep -qx -- "${choice[key]}" "$pins"; then
        return 0
    fi
    mapfile -d '' -t arguments < <(roots)
    keep_keyring
    make_directory "$(in_etc portage-ext/trust)"
    if [[ ${inside[*]-} && $from == /* ]]; then
        # A Portage inside sees no files of the machine outside.
        cp -- "$from" "$store/${TEMPORARY}pinned"
        from=$(seen "$store/${TEMPORARY}pinned")
    fi
    ext trust "${arguments[@]}" add "${choice[name]}" --fingerprint "${choice[key]}" --from "$from"
    rm -f -- "$store/${TEMPORARY}pinned"
    note_keyring
}

# The manifest's path of $1 below /etc/portage.
in_etc() {
    if [[ $config_root == "$root" ]]; then
        printf 'etc/portage/%s' "$1"
    else
        printf '%s/etc/portage/%s' "$config_root" "$1"
    fi
}

# Portage's keyring as it is before we let a key in: gpg does not give it its old bytes back when the key goes.
keep_keyring() {
    local home=$config_root/etc/portage/gnupg
    if [[ ! -e $home ]]; then
        record dir - "$(in_etc gnupg)"
    elif [[ ! -e $store/kept/gnupg ]] && ! says dir - "$(in_etc gnupg)"; then
        mkdir -p -- "$store/kept"
        rm -rf -- "$store/kept/.gnupg"
        cp -a -- "$home" "$store/kept/.gnupg"
        find "$store/kept/.gnupg" -name 'S.*' -delete
        mv -T -- "$store/kept/.gnupg" "$store/kept/gnupg"
    fi
}

keyring_sums() {
    # With root keys alone there is no keyring before the first fetch.
    [[ ! -d $config_root/etc/portage/gnupg ]] ||
        (cd -- "$config_root/etc/portage/gnupg" && find . -type f ! -name '*~' ! -name '*.lock' -print0 | sort -z | xargs -0 b2sum --)
}

note_keyring() {
    keyring_sums >"$store/${TEMPORARY}sums"
    settle "$store/${TEMPORARY}sums" "$store/keyring"
}

# Let the Portage of a binhost believe its own key: reindex and emaint leave out what Portage cannot verify.
believe_own_key() {
    local home=$config_root/etc/portage/gnupg primary
    primary=$(own_primary)
    # Listed under its fingerprint are also keys of others that claim it as their subkey.
    if [[ -d $home && $(gpg_in "$home" --no-autostart --list-keys "$primary" 2>/dev/null | only_fingerprint) == "$primary" ]]; then
        return 0
    fi
    keep_keyring
    choice[believed]+=" $primary"
    write_choices
    own_key | "${inside[@]}" python3 -P -c '
import sys
from pathlib import Path
from portage_ext.trust.keyfiles import only
from portage_ext.trust.manage import let_portage_verify
home, fingerprint = sys.argv[1:]
let_portage_verify(Path(home), only([sys.stdin.buffer.read()], fingerprint, "the signing key"), fingerprint)
' "$(seen "$home")" "$primary"
    note_keyring
}

# What clients pin and Portage believes is the primary key, also where a subkey signs.
own_primary() {
    local home=${choice[signing-home]-}
    "${inside[@]}" gpg ${home:+--homedir "$home"} --batch --no-tty --with-colons --list-keys "${choice[signing-key]}" | only_fingerprint ||
        refuse "gpg lists more than one key, or none, under the fingerprint ${choice[signing-key]}"
}

own_key() {
    local home=${choice[signing-home]-}
    "${inside[@]}" gpg ${home:+--homedir "$home"} --batch --no-tty --armor --export "${choice[signing-key]}"
}

# The keys that the root of the binhost names, as far as they came.
named_keys() {
    local ring=$root/var/lib/portage-ext/trust/${choice[name]}.gpg
    [[ ! -f $ring ]] || gpg --batch --no-tty --with-colons --show-keys -- "$ring" 2>/dev/null |
        awk -F: '$1 == "pub" { first = 1 } $1 == "fpr" && first { print $10; first = 0 }'
}

# Unpin what we pinned, and let Portage's keyring be as before, unless somebody has changed it since.
unpin_keys() {
    local home=$config_root/etc/portage/gnupg trust=$config_root/etc/portage/portage-ext/trust arguments=() untouched='' key
    [[ -d $home ]] || return 0
    # Without sums the run that would have noted them was cut off: nobody else has been here since.
    if [[ ! -e $store/keyring ]] || cmp -s -- "$store/keyring" <(keyring_sums); then
        untouched=yes
        rm -f -- "$store/keyring"
    fi
    if [[ ${choice[key]-}${choice[root-keys]-} && -z ${choice[pinned-before]-} ]]; then
        mapfile -d '' -t arguments < <(roots)
        if [[ -f $trust/${choice[name]}.pins ]]; then
            # Without portage-ext, which somebody may have removed first, the key goes by hand.
            ext trust "${arguments[@]}" remove "${choice[name]}" &>/dev/null || choice[believed]+=" ${choice[key]-$(named_keys)}"
        fi
        [[ ${choice[removed-before]-} ]] || rm -f -- "$trust/${choice[name]}.removed"
        rm -f -- "$trust/${choice[name]}".{pins,gpg} "$config_root/etc/portage/binrepos.conf/zz-portage-ext-${choice[name]}.conf"
    fi
    for key in ${choice[believed]-}; do
        gpg_in "$home" --no-autostart --yes --delete-keys "$key" 2>/dev/null || true
    done
    if says dir - "$(in_etc gnupg)"; then
        if ! gpg_in "$home" --no-autostart --list-keys 2>/dev/null | grep -q '^pub'; then
            rm -rf -- "$home"
        fi
    elif [[ $untouched && -d $store/kept/gnupg ]]; then
        find "$home" -mindepth 1 ! -name 'S.*' -delete
        cp -a -- "$store/kept/gnupg/." "$home/"
    fi
}

# A binhost that stays a client: Portage's keyring keeps the key that the client has pinned.
disbelieve_own_key() {
    local home=$config_root/etc/portage/gnupg untouched='' key
    [[ -d $home ]] || return 0
    if [[ ! -e $store/keyring ]] || cmp -s -- "$store/keyring" <(keyring_sums); then
        untouched=yes
        rm -f -- "$store/keyring"
    fi
    for key in ${choice[believed]-}; do
        [[ $key == "${choice[key]-}" ]] || gpg_in "$home" --no-autostart --yes --delete-keys "$key" 2>/dev/null || true
    done
    [[ -z $untouched ]] || note_keyring
}

# Fetch the index as emerge will, from Release to the last entry.
test_fetch() {
    local arguments=() index=$store/${TEMPORARY}index status=0
    mapfile -d '' -t arguments < <(roots)
    ext fetch "${arguments[@]}" --repo "${choice[name]}" --uri "${choice[url]}/Packages.gz" --output "$(seen "$index")" --quiet || status=1
    rm -f -- "$index"
    ((status == 0)) || return 1
    ext trust "${arguments[@]}" list "${choice[name]}" | sed -n 's/^  \(Release [0-9].*\)/verified: \1/p'
}
