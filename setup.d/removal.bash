# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # set by setup_hooks.sh, and read there
# How everything is taken away again, or one role of two: what a person changed stays, what cannot be made again goes with --purge.

uninstall() {
    local index role=${given[role]-both}
    check_user
    read_manifest
    read_choices
    if [[ ! -d $store ]]; then
        rm -rf -- "$root/var/lib/$TEMPORARY"*
        printf 'portage-ext is not set up in %s\n' "${root:-/}"
        return 0
    fi
    [[ -w $store && -w $config_root/etc/portage ]] || refuse "$config_root/etc/portage or $store cannot be written to"
    if [[ $role != both && ${choice[role]-$role} != "$role" && -z ${choice[taken-out]-} ]]; then
        uninstall_role "$role"
        return
    fi
    if [[ $dry_run ]]; then
        printf '%s\n' "${m_path[@]/#/remove   }"
        return 0
    fi
    confirm "Take portage-ext out of ${root:-/}?" || exit 1
    clean_leftovers
    unpin_keys
    remove_logs
    remove_client_traces
    [[ ${choice[role]-client} == client && -z ${choice[was-binhost]-} ]] || remove_binhost_traces
    for ((index = ${#m_path[@]} - 1; index >= 0; index--)); do
        [[ ${m_path[index]} == var/lib/portage-ext* && ${m_kind[index]} == dir ]] || withdraw "$index"
    done
    name_what_is_followed
    if ((${#left[@]} + ${#named[@]})); then
        name_what_is_left
        forget_what_is_gone
    else
        remove_store
    fi
}

# Take the role $1 off. Then what the other one wants is put in place, as if it had been alone all along.
uninstall_role() {
    local other=client index after=${choice[finished]-}
    [[ $1 == binhost ]] || other=binhost
    if [[ ${choice[role]} == "$other" && $after && -z ${choice[was-binhost]-} ]]; then
        printf '%s is no %s\n' "${root:-/}" "$1"
        return 0
    fi
    if [[ $dry_run ]]; then
        choice[role]=$other
        forget_choices "$1"
        make_plan
        for index in "${!m_path[@]}"; do
            [[ ${m_kind[index]} == dir ]] || wanted "${m_path[index]}" || printf 'remove   %s\n' "$(real "${m_path[index]}")"
        done
        show_plan
        return 0
    fi
    confirm "Take the $1 out of ${root:-/}, and leave the $other?" || exit 1
    clean_leftovers
    unset -v 'choice[finished]'
    write_choices
    if [[ $1 == client && ${choice[url]-} ]]; then
        # Both keys go, and that of the binhost comes back below.
        unpin_keys
        unset -v 'choice[believed]'
        remove_client_traces
        rm -f -- "$store/own-key.asc"
    elif [[ $1 == binhost ]]; then
        disbelieve_own_key
        remove_binhost_traces
    fi
    # Until here another run finds all that it needs to do the same again; from here the system has one role.
    choice[role]=$other
    forget_choices "$1"
    make_plan
    for ((index = ${#m_path[@]} - 1; index >= 0; index--)); do
        if [[ ${m_kind[index]} == dir ]]; then
            [[ ${m_path[index]} == var/lib/portage-ext* ]] || withdraw "$index"
        elif ! wanted "${m_path[index]}"; then
            withdraw "$index"
            [[ ${m_kind[index]} != part ]] || rm -f -- "$store/kept/${m_path[index]#/}"
        fi
    done
    write_choices
    forget_lines
    write_manifest
    read_manifest
    choice[finished]=$after
    [[ $after ]] || unset -v 'choice[finished]'
    put_in_place
    name_what_is_left
}

# Whether the plan has the path $1, or the file that $1 is offered for.
wanted() {
    local path name=${1##*/}
    for path in "${want_path[@]}"; do
        [[ $path != "${1%/*}/${name#._cfg[0-9][0-9][0-9][0-9]_}" ]] || return 0
    done
    return 1
}

# What was chosen for the role $1 alone. Of a binhost whose releases or key stay, it is remembered where they are.
forget_choices() {
    local name names=(url key key-from root-keys root-threshold pinned-before removed-before downloads-are-ours cache-is-ours)
    if [[ $1 == binhost ]]; then
        names=(signing-key signing-home server-name nginx march believed)
        # Only a builder works for others.
        if [[ ,${choice[service]-}, == *,builder,* ]]; then choice[service]=builder; else names+=(service); fi
        if ((${#left[@]})); then
            choice[was-binhost]=yes
        else
            names+=(tree was-binhost)
        fi
    else
        choice[name]=binhost
    fi
    for name in "${names[@]}"; do
        unset -v "choice[$name]"
    done
}

name_what_is_left() {
    local file
    ((${#left[@]} == 0)) || printf 'kept (--uninstall --purge removes it): %s\n' "${left[@]}"
    for file in "${named[@]}"; do
        printf 'kept, because package.env names it: %s\n' "$file"
        lines_that_name "${file##*/}" | sed 's/^/    /'
        printf '  take these lines out, then run --uninstall again\n'
    done
}

# A followed configuration is `config follow`'s, and the profile of this host may be in it.
name_what_is_followed() {
    local file name
    for file in "$config_root"/etc/portage/repos.conf/zz-portage-ext-*.conf; do
        name=${file##*/zz-portage-ext-} name=${name%.conf}
        [[ ! -e $file ]] || printf 'kept, because this host follows a published configuration: %s\n  to end it: portage-ext config unfollow --repository %s, select another profile, then remove that file\n' "$file" "$name"
    done
}

# The lines of package.env, with file and number, that name the env file $1.
lines_that_name() {
    local entries=$config_root/etc/portage/package.env
    [[ ! -e $entries ]] || grep -rnHE --exclude='.*' --exclude='*~' -- "^[^#]*[[:space:]]${1//./\\.}([[:space:]]|\$)" "$entries" || true
}

# The lines of the manifest for what is not there any more.
forget_lines() {
    local index target
    for index in "${!m_path[@]}"; do
        target=$(real "${m_path[index]}")
        if [[ ! -e $target && ! -L $target ]] || { [[ ${m_kind[index]} == part ]] && ! grep -q "^$MARK_BEGIN" -- "$target"; }; then
            unset -v "m_kind[index]" "m_digest[index]" "m_path[index]"
        fi
    done
}

# What was left stays in the manifest, so that it can still be purged, or taken over by the next set up.
forget_what_is_gone() {
    forget_lines
    choice[taken-out]=yes
    unset -v 'choice[finished]' 'choice[started]'
    write_choices
    write_manifest
    find "$store" -mindepth 1 ! -path "$store/manifest" ! -path "$store/choices" ! -path "$store/kept*" -delete
}

# The releases, channels and packages of the tree $1; the manifest knows whether the directory is ours.
purge_tree() {
    [[ -d $1 ]] || return 0
    find "$1" -maxdepth 1 -type l -lname 'releases/*' -delete
    rm -rf -- "$1/releases" "$1/pool" "$1/root" "$1/.lock" "$1"/.portage-ext.*
}

# What our programs have written beside Portage's own files: logs, what is still to be done, and what is worked out again.
remove_logs() {
    local place
    for place in "$root" "$config_root"; do
        rm -rf -- "$place"/var/log/portage-ext "$place"/var/lib/portage-ext/{after-emerge,blocks,postsync,released,compiler,update,waiting.*}
    done
}

# What was seen of the binhost, and what came from it.
remove_client_traces() {
    local state=$root/var/lib/portage-ext name=${choice[name]-}
    [[ $name && -z ${choice[pinned-before]-} ]] || return 0
    # Portage's copies of indexes, which it takes for good until they are replaced by newer ones.
    [[ ${choice[role]-} == binhost ]] || rm -rf -- "$root/var/cache/edb/binhost"
    rm -f -- "$state/trust/$name".{json,index,gpg,lock,root,rootkeys}
    rmdir --ignore-fail-on-non-empty -- "$state/trust" 2>/dev/null || true
    [[ -z ${choice[downloads-are-ours]-} ]] || rm -rf -- "$root/var/cache/binhost/$name"
    if [[ ${choice[cache-is-ours]-} && -d $root/var/cache/binhost ]]; then
        rmdir --ignore-fail-on-non-empty -- "$root/var/cache/binhost"
    fi
}

# The state of PKGDIR; the releases and the key only with --purge, as nobody can make them again.
remove_binhost_traces() {
    local pkgdir
    pkgdir=$(PORTAGE_CONFIGROOT="$(seen "$config_root")/" "${inside[@]}" portageq envvar PKGDIR 2>/dev/null) || pkgdir=''
    # What a Portage inside says is a path inside.
    [[ -z $pkgdir ]] || rm -f -- "${inside[0]:+$root}${pkgdir:?}"/.portage-ext.*
    if [[ $purge ]]; then
        rm -rf -- "$root/${SIGNING:?}"
        [[ -z ${choice[tree]-} ]] || purge_tree "$root${choice[tree]}"
    else
        [[ ! -d $root${choice[tree]-/none}/releases ]] || left+=("$root${choice[tree]} (releases)")
        [[ ! -d $root/$SIGNING ]] || left+=("$root/$SIGNING (the signing key)")
    fi
}
