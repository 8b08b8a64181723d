#!/bin/bash
# Puts portage-ext into a system and takes it off again without a trace. `portage-ext setup` runs it, and so can you.
# What is put where, and why: docs/administration.md, docs/adr/0602. The parts of this script are in setup.d/.
set -euo pipefail
umask 022
readonly VERSION=0.1.0

here=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
# shellcheck source=setup.d/manifest.bash
source "$here/setup.d/manifest.bash"
# shellcheck source=setup.d/checks.bash
source "$here/setup.d/checks.bash"
# shellcheck source=setup.d/plan.bash
source "$here/setup.d/plan.bash"
# shellcheck source=setup.d/keys.bash
source "$here/setup.d/keys.bash"
# shellcheck source=setup.d/removal.bash
source "$here/setup.d/removal.bash"

usage() {
    cat <<'END'
usage: portage-ext setup --role client|binhost|both [OPTION]...
       portage-ext setup --status [OPTION]...
       portage-ext setup --uninstall [--role ROLE] [--purge] [OPTION]...

  --role ROLE         client: installs binaries; binhost: publishes them; both.
                      Roles of earlier runs stay
  --root DIR          the system to work on (default: /)
  --config-root DIR   use /etc/portage of this system (default: that of --root)
  --dry-run           only show what would be done
  --status            show which files are in place, edited, missing, outdated
  --uninstall         remove everything that was put in place; with --role only
                      what belongs to that role
  --daily-update      run portage-ext update every day, by systemd or cron
  --no-daily-update   stop running it every day
  --service NAME,...  keep these running: builder, coordinator, door, builds
                      (the queue of builds); none: stop starting them
  --timer WHICH       systemd, cron or none (default: what the system has)
  --purge             with --uninstall: also remove edited files, the published
                      tree, and a signing key made here
  --yes               do not ask for confirmation

for a client
  --binhost URL       the sync-uri for clients: http://HOST/TREE/CHANNEL
  --key FPR|FILE      the whole fingerprint of its key, from a source that you
                      trust; or a file that contains only that key
  --root-keys FPR,FPR instead of --key, if the binhost has an offline root: the
                      fingerprints of all of its root keys
  --root-threshold N  how many of them must have signed the root (default: all)
  --name NAME         its section in binrepos.conf (default: binhost)
  --no-fetch          do not fetch and verify the index at the end

for a binhost
  --signing-key FPR   sign with this key (default: make a key without a
                      passphrase in /var/lib/portage-ext/signing)
  --signing-home DIR  the gpg home with that key (default: that of gpg itself)
  --tree DIR          where to publish (default: /srv/binhost/packages)
  --channel NAME      the channel that clients follow (default: production)
  --nginx FILE|none   the site file (default, if there is an nginx:
                      /etc/nginx/conf.d/portage-ext.conf)
  --server-name NAME  its server_name (default: the name of this host)

Exit status: 0 done, and with --status everything is in place; 1 refused or
failed; 2 usage; 3 with --status: something is not in place.
END
}

# What is printed, without the passwords of URLs.
without_passwords() {
    sed -E 's|(://[^/@:]*):[^/@]*@|\1:*@|g'
}

refuse() {
    printf 'portage-ext setup: %s\n' "$*" >&2
    exit 1
}

wrong_use() {
    printf 'portage-ext setup: %s; see portage-ext setup --help\n' "$*" >&2
    exit 2
}

# What was chosen is remembered in the store, so that a later run need not be told again.
declare -A choice=() given=()
declare -a left=() named=()
roots_pinned=''
action=set_up root=/ config_root='' dry_run='' yes='' purge='' no_fetch='' offered=''

read_options() {
    while (($#)); do
        case $1 in
            --root | --config-root | --role | --binhost | --key | --name | --signing-key | --signing-home | --tree | --channel | \
                --timer | --nginx | --server-name | --root-keys | --root-threshold | --service)
                (($# > 1)) || wrong_use "$1 needs a value"
                ;;&
            --root) root=$2 ;;
            --config-root) config_root=$2 ;;
            --binhost) given[url]=${2%/} ;;
            --role | --key | --name | --signing-key | --signing-home | --tree | --channel | --timer | --nginx | --server-name | \
                --root-keys | --root-threshold | --service)
                given[${1#--}]=$2
                ;;
            --daily-update) given[daily-update]=yes ;;
            --no-daily-update) given[daily-update]='' ;;
            --dry-run) dry_run=yes ;;
            --status) action=status ;;
            --uninstall) action=uninstall ;;
            --yes) yes=yes ;;
            --purge) purge=yes ;;
            --no-fetch) no_fetch=yes ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) wrong_use "there is no option $1" ;;
        esac
        case $1 in
            --daily-update | --no-daily-update | --dry-run | --status | --uninstall | --yes | --purge | --no-fetch) shift ;;
            *) shift 2 ;;
        esac
    done
    case ${given[role]-client} in client | binhost | both) ;; *) wrong_use "there is no role ${given[role]}" ;; esac
    case ${given[timer]-none} in systemd | cron | none) ;; *) wrong_use "there is no timer ${given[timer]}" ;; esac
    [[ ${given[service]-none} =~ ^(none|(builder|coordinator|door|builds)(,(builder|coordinator|door|builds))*)$ ]] ||
        wrong_use "--service: ${given[service]@Q} is not a list of builder, coordinator, door and builds"
    [[ ${given[name]-binhost} =~ ^[A-Za-z0-9_][A-Za-z0-9._+@-]*$ ]] || wrong_use "${given[name]} cannot be the name of a binrepo"
    [[ ${given[tree]-/x} == /?* ]] || wrong_use "--tree is not a path from the root"
}

# root and config_root without a trailing slash: / is empty. own_portage: the system has a Portage of its own, and runs it.
find_roots() {
    root=$(realpath -e -- "$root") || exit 1
    config_root=$(realpath -e -- "${config_root:-$root}") || exit 1
    root=${root%/} config_root=${config_root%/}
    store=$root/var/lib/portage-ext/setup
    inside=() own_portage=''
    if [[ -z $root || -x $root/usr/bin/emerge ]]; then
        own_portage=yes
        [[ -z $root ]] || inside=(chroot "$root")
    fi
}

read_choices() {
    local name text
    [[ -f $store/choices ]] || return 0
    while IFS=$'\t' read -r name text; do
        choice[$name]=$text
    done <"$store/choices"
}

# For its owner alone: the URL may hold a password.
write_choices() {
    local name
    (umask 077 && : >"$store/${TEMPORARY}choices")
    for name in "${!choice[@]}"; do
        printf '%s\t%s\n' "$name" "${choice[$name]}"
    done | sort >"$store/${TEMPORARY}choices"
    settle "$store/${TEMPORARY}choices" "$store/choices"
}

# This run's options over those of earlier runs, and over what suits the system.
choose() {
    local name before=${choice[role]-}
    for name in "${!given[@]}"; do
        choice[$name]=${given[$name]}
    done
    [[ ${choice[role]-} ]] || wrong_use "--role is needed"
    if [[ $before && $before != "${choice[role]}" ]]; then
        choice[role]=both
    fi
    : "${choice[name]:=binhost}" "${choice[channel]:=production}" "${choice[timer]:=$(suitable_timer)}"
    [[ -z ${choice[daily-update]-} || ${choice[timer]} != none ]] ||
        wrong_use "--daily-update needs --timer systemd or --timer cron; --no-daily-update ends it"
    [[ ${choice[service]-} != none ]] || unset -v 'choice[service]'
    [[ -z ${choice[service]-} || ${choice[timer]} == systemd || -d $root/etc/runlevels ||
        (${choice[timer]} == cron && ${choice[service]} == builds) ]] ||
        wrong_use "--service needs systemd (with --timer systemd) or OpenRC (/etc/runlevels), and neither is here"
    if has_role binhost; then
        : "${choice[tree]:=/srv/binhost/packages}" "${choice[server-name]:=${HOSTNAME:-localhost}}"
        if [[ -z ${choice[nginx]-} && -d $root/etc/nginx ]]; then
            choice[nginx]=/etc/nginx/conf.d/portage-ext.conf
        fi
        [[ ${choice[nginx]-} != none ]] || choice[nginx]=''
        choice[march]=${choice[march]:-$(spelled_out_march)}
    fi
    if has_role client; then
        choose_binhost
    fi
    if [[ ${choice[signing-key]-} ]]; then
        name=${choice[signing-home]-}
        "${inside[@]}" gpg ${name:+--homedir "$name"} --batch --no-tty --list-secret-keys "${choice[signing-key]}" &>/dev/null ||
            refuse "gpg has no secret key ${choice[signing-key]}${name:+ in $name}"
    fi
}

suitable_timer() {
    if [[ -d $root/run/systemd/system || -d $root/usr/lib/systemd/system ]]; then
        printf systemd
    elif [[ -d $root/etc/cron.d ]]; then
        printf cron
    else
        printf none
    fi
}

# What -march=native means here, if make.conf says native: a binhost's packages run on other machines. Empty otherwise.
spelled_out_march() {
    if grep -qrs -- '^[^#]*-march=native' "$config_root/etc/portage/make.conf"; then
        "${inside[@]}" gcc -march=native -Q --help=target 2>/dev/null | awk '$1 == "-march=" && !found { print $2; found = 1 }'
    fi
}

choose_binhost() {
    local file
    if [[ -z ${choice[url]-} ]]; then
        [[ -t 0 && -z $yes ]] || wrong_use "a client needs --binhost"
        read -rp 'URL of the binhost, as in sync-uri: ' 'choice[url]'
    fi
    # Of two ways to trust, the one asked for now stands.
    [[ -z ${given[key]-} || -z ${given[root-keys]-} ]] || wrong_use "--key and --root-keys do not go together"
    [[ -z ${given[key]-} ]] || unset -v 'choice[root-keys]' 'choice[root-threshold]'
    if [[ ${choice[root-keys]-} ]]; then
        choose_root_keys
    elif [[ -z ${choice[key]-} && ${choice[role]} == both ]]; then
        choice[key-from]=own
    elif [[ -z ${choice[key]-} ]]; then
        [[ -t 0 && -z $yes ]] || wrong_use "a client needs --key"
        read -rp 'Fingerprint of its key, from a source that you trust: ' 'choice[key]'
    fi
    choice[url]=${choice[url]%/}
    if [[ ${choice[root-keys]-} ]]; then
        return 0
    fi
    file=${choice[key]-}
    if [[ -f $file ]]; then
        choice[key]=$(gpg --batch --no-tty --with-colons --show-keys -- "$file" 2>/dev/null | only_fingerprint) ||
            wrong_use "$file does not hold one key, and no other"
        choice[key-from]=$(realpath -- "$file")
    elif [[ $file ]]; then
        choice[key]=$(tr -d ' ' <<<"${file^^}")
        choice[key]=${choice[key]#0X}
        : "${choice[key-from]:=${choice[url]}/keys/${choice[key]}.asc}"
    fi
    if [[ ${choice[key-from]} != own && ! ${choice[key]} =~ ^([0-9A-F]{40}|[0-9A-F]{64})$ ]]; then
        wrong_use "--key ${file@Q} is neither a whole fingerprint (a short one can be imitated) nor a file with a key"
    fi
}

# Root keys stand in the place of the one key that signs: they say which one does.
choose_root_keys() {
    local key count=0
    choice[root-keys]=${choice[root-keys]^^}
    for key in ${choice[root-keys]//,/ }; do
        [[ $key =~ ^([0-9A-F]{40}|[0-9A-F]{64})$ ]] || wrong_use "--root-keys: ${key@Q} is not a whole fingerprint"
        count=$((count + 1))
    done
    : "${choice[root-threshold]:=$count}"
    [[ ${choice[root-threshold]} =~ ^[1-9][0-9]?$ && ${choice[root-threshold]} -le $count ]] ||
        wrong_use "--root-threshold: ${choice[root-threshold]} of $count root keys cannot sign"
    unset -v 'choice[key]' 'choice[key-from]'
}

# What is to be done with the file number $1 of the plan: create, keep, replace, offer (as ._cfg), leave (a person has answered).
verdict() {
    local path=${want_path[$1]} source=${want_source[$1]} target
    target=$(real "$path")
    case ${want_kind[$1]} in
        link) if [[ -L $target ]]; then echo keep; elif [[ -e $target ]]; then echo leave; else echo create; fi ;;
        file)
            if [[ ! -e $target ]]; then
                echo create
            elif [[ ! -f $target ]]; then
                refuse "$target is not a file"
            elif cmp -s -- "$source" "$target"; then
                echo keep
            elif says file "$(digest <"$target")" "$path"; then
                echo replace
            elif says file "$(digest <"$source")" "$path" || was_offered "$path" "$source"; then
                echo leave
            else
                echo offer
            fi
            ;;
        part)
            if [[ -e $target && ! -f $target ]]; then
                refuse "$target is not a file"
            elif [[ ! -e $target ]]; then
                echo create
            elif ! markers_are_whole "$target"; then
                echo leave
            elif [[ -z $(block_of "$target") ]]; then
                echo add
            elif cmp -s -- "$source" <(block_of "$target"); then
                echo keep
            elif says part "$(block_of "$target" | digest)" "$path"; then
                echo replace
            else
                echo leave
            fi
            ;;
    esac
}

# The lines of the manifest for units, services and cron files that this plan no longer has, because another timer or other
# services were chosen: each as remove or leave (a person has edited it), a space, and its number.
of_another_timer() {
    local index path target
    for index in "${!m_path[@]}"; do
        path=${m_path[index]} target=$(real "${m_path[index]}")
        [[ ${m_kind[index]} == file && ($path == etc/systemd/system/* || $path == etc/cron.d/* ||
        $path == etc/init.d/* || $path == etc/runlevels/*) ]] || continue
        [[ -e $target || -L $target ]] || continue
        if wanted "$path"; then
            continue
        elif [[ -L $target ]] || says file "$(digest <"$target")" "$path"; then
            printf 'remove %s\n' "$index"
        else
            printf 'leave %s\n' "$index"
        fi
    done
}

# Tell what will be done, with the difference where a person's file or one of an earlier version changes.
show_plan() {
    local index target what
    for index in "${!want_path[@]}"; do
        target=$(real "${want_path[index]}")
        what=$(verdict "$index")
        [[ $what != keep ]] || continue
        printf '%-8s %s\n' "$what" "$target"
        case ${want_kind[index]}-$what in
            part-add | part-replace)
                with_block "$target" "${want_source[index]}" | diff -u --label "$target" --label "$target (new)" -- "$target" - | without_passwords || true
                ;;
            file-offer | file-replace)
                diff -u --label "$target" --label "$target (new)" -- "$target" "${want_source[index]}" | without_passwords || true
                ;;
        esac
    done
    while read -r what index; do
        printf '%-8s %s\n' "$what" "$(real "${m_path[index]}")"
    done < <(of_another_timer)
}

apply_plan() {
    local index path source what
    for index in "${!want_path[@]}"; do
        path=${want_path[index]} source=${want_source[index]}
        case ${want_kind[index]}-$(verdict "$index") in
            *-keep) ;;
            *-leave) printf '%s was edited and is left as it is\n' "$(real "$path")" ;;
            link-*) lay_link "$path" "$source" ;;
            file-offer)
                offer_file "$path" "$source" "${want_mode[index]}"
                printf '%s is yours; ours lies beside it as %s: dispatch-conf or etc-update merges them\n' "$(real "$path")" "${offered##*/}"
                ;;
            file-*) lay_file "$path" "$source" "${want_mode[index]}" ;;
            part-*) lay_part "$path" "$source" ;;
        esac
    done
    while read -r what index; do
        path=${m_path[index]}
        if [[ $what == leave ]]; then
            printf '%s was edited and is left as it is\n' "$(real "$path")"
        else
            rm -f -- "$(real "$path")"
            supersede "$path" gone
        fi
    done < <(of_another_timer | sort -rk2n)
}

confirm() {
    local answer
    [[ -z $yes ]] || return 0
    [[ -t 0 ]] || refuse "standard input is not a terminal; pass --yes to skip the confirmation"
    read -rp "$1 [y/N] " answer
    [[ $answer == [yY]* ]]
}

set_up() {
    check_user
    read_manifest
    read_choices
    choose
    if has_role binhost && [[ -z ${choice[signing-key]-} ]]; then
        # The plan is made again once the key is there.
        choice[signing-key]='(a key that is made first)'
    fi
    make_plan
    check_system
    show_plan
    if [[ $dry_run ]]; then
        return 0
    fi
    if [[ -f $store/manifest && ${choice[finished]-} ]] && nothing_to_do; then
        printf 'everything is in place\n'
        # `portage-ext check` compares it with its own.
        if [[ ${choice[version]-} != "$VERSION" ]]; then
            choice[version]=$VERSION
            write_choices
        fi
    else
        confirm 'Go ahead?' || exit 1
        put_in_place
        say_next_step
    fi
    finish_client
}

# What is left to a person: serve the tree and tell the clients; name packages that may come as binaries.
say_next_step() {
    local tree=${value[TREE]} services=${choice[service]-} name
    if has_role binhost; then
        printf 'next: emerge a package, and serve %s with a web server (to try it out: portage-ext serve)\n' "${tree%/*}"
        printf 'then, on each client: portage-ext setup --role client --binhost http://%s/%s/%s --key %s\n' \
            "${value[SERVER_NAME]}" "${tree##*/}" "${choice[channel]}" "${choice[signing-key]}"
    fi
    for name in ${services//,/ }; do
        if [[ ${choice[timer]} == systemd ]]; then
            if [[ $name == builds ]]; then name+=.timer; fi
            printf 'next: systemctl daemon-reload && systemctl start portage-ext-%s (or wait for the next boot)\n' "$name"
        elif [[ $name != builds || ${choice[timer]} == none ]]; then
            printf 'next: rc-service portage-ext-%s start (or wait for the next boot)\n' "$name"
        fi
    done
    if has_role client; then
        printf 'next: name the packages that may come as binaries, each with getbinpkg.conf behind it, as in\n'
        printf "      echo 'net-libs/webkit-gtk getbinpkg.conf' >>%q\n" "$(seen "$config_root/etc/portage/package.env")"
    fi
}

nothing_to_do() {
    local index
    for index in "${!want_path[@]}"; do
        case $(verdict "$index") in keep | leave) ;; *) return 1 ;; esac
    done
    [[ $(of_another_timer) != *remove* ]]
}

put_in_place() {
    make_store
    [[ ${m_path[*]-} ]] || read_manifest
    clean_leftovers
    if has_role client && [[ ! ${choice[key-from]-} == own && -z ${choice[started]-} &&
        -f $config_root/etc/portage/portage-ext/trust/${choice[name]}.pins ]]; then
        choice[pinned-before]=yes
    fi
    if has_role client && [[ -z ${choice[started]-} && -f $config_root/etc/portage/portage-ext/trust/${choice[name]}.removed ]]; then
        choice[removed-before]=yes
    fi
    if has_role client && [[ -z ${choice[started]-} ]]; then
        [[ -e $root/var/cache/binhost/${choice[name]} ]] || choice[downloads-are-ours]=yes
        [[ -e $root/var/cache/binhost ]] || choice[cache-is-ours]=yes
    fi
    choice[started]=yes
    unset -v 'choice[taken-out]'
    local after=${choice[finished]-}
    unset -v 'choice[finished]'
    if [[ ${choice[signing-key]-} == '('* ]]; then
        unset -v 'choice[signing-key]'
        write_choices
        make_signing_key
        printf 'signing key: %s\n' "${choice[signing-key]}"
    fi
    if [[ ${choice[key-from]-} == own ]]; then
        choice[key]=$(own_primary)
        export_own_key
    fi
    write_choices
    want_kind=() want_path=() want_source=() want_mode=()
    make_plan
    # A ._cfg file that the run before was about to write, and did not, is written now.
    [[ -z $after ]] || choice[finished]=$after
    apply_plan
    if has_role binhost; then
        make_directory "${choice[tree]#/}"
        believe_own_key
    fi
    if has_role client; then
        pin_key
    fi
    choice[finished]=yes choice[version]=$VERSION
    write_choices
}

# A system that is its own client believes its own key.
export_own_key() {
    own_key >"$store/${TEMPORARY}key"
    settle "$store/${TEMPORARY}key" "$store/own-key.asc"
    choice[key-from]=$store/own-key.asc
}

# A client ends with the index fetched as emerge will fetch it.
finish_client() {
    has_role client && [[ -z $no_fetch ]] || return 0
    if has_role binhost && [[ ! -e $root${choice[tree]}/${choice[channel]} ]]; then
        printf 'nothing is published in %s yet: emerge a package, then run portage-ext setup again to see it verified\n' "${choice[channel]}"
    elif ! test_fetch; then
        refuse "everything is in place, but $(without_passwords <<<"${choice[url]}") does not pass: see the reason above, then run portage-ext setup again"
    elif [[ $roots_pinned ]]; then
        # The first fetch has brought the keys that the root names into Portage's keyring.
        note_keyring
    fi
}

status() {
    local index target what worst=0
    read_manifest
    read_choices
    [[ -f $store/manifest ]] || refuse "portage-ext is not set up in ${root:-/}"
    [[ -z ${choice[taken-out]-} ]] || refuse "portage-ext was taken out of ${root:-/}; --uninstall --purge removes what is left"
    make_plan
    for index in "${!want_path[@]}"; do
        target=$(real "${want_path[index]}")
        what=$(verdict "$index")
        case $what in
            keep) what='in place' ;;
            create | add) what=missing ;;
            replace) what=outdated ;;
            *) what=edited ;;
        esac
        [[ $what == 'in place' ]] || worst=3
        printf '%-8s  %s\n' "$what" "$target"
    done
    [[ ${choice[finished]-} ]] || printf 'the last run did not finish: run portage-ext setup again\n'
    return "$worst"
}

read_options "$@"
find_roots
stage=$(mktemp -d -t portage-ext.setup.XXXXXX)
trap 'rm -rf -- "$stage"' EXIT
"$action"
