# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # set by setup_hooks.sh, and read there
# What a role wants to have in the system: kind, path, source and mode of each file, in the order in which they are put in place.

declare -a want_kind=() want_path=() want_source=() want_mode=()

# want KIND PATH SOURCE [MODE]: /etc/portage lies under the config root, everything else under the root.
want() {
    local path=$2
    if [[ $path == etc/portage/* && $config_root != "$root" ]]; then
        path=$config_root/$path
    fi
    want_kind+=("$1") want_path+=("$path") want_source+=("$3") want_mode+=("${4:-0644}")
}

# Where Portage will find $1, which is below the root: what goes into configuration files.
seen() {
    if [[ $own_portage && $root ]]; then
        printf '%s' "${1#"$root"}"
    else
        printf '%s' "$1"
    fi
}

# The template $1 with each @NAME@ in it replaced, as a file in the stage; prints its name.
filled() {
    local text name made=$stage/${1##*/}
    text=$(<"$here/etc/templates/$1")
    for name in "${!value[@]}"; do
        text=${text//"@$name@"/"${value[$name]}"}
    done
    printf '%s\n' "$text" >"$made"
    printf '%s' "$made"
}

# The lines on standard input between our markers, as the file $1 of the stage; prints its name.
marked() {
    {
        printf '%s put here, and removed, by portage-ext setup\n' "$MARK_BEGIN"
        cat
        printf '%s\n' "$MARK_END"
    } >"$stage/$1"
    printf '%s' "$stage/$1"
}

has_role() {
    [[ ${choice[role]} == "$1" || ${choice[role]} == both ]]
}

make_plan() {
    local etc=$config_root/etc/portage file part fragment
    declare -gA value=(
        [NAME]=${choice[name]} [URL]=${choice[url]-} [CHANNEL]=${choice[channel]} [KEY]=${choice[signing-key]-}
        [SIGNING_HOME]=${choice[signing-home]-} [TREE]=$(seen "$root${choice[tree]-}") [MARCH]=${choice[march]-}
        [LOCATION]=$(seen "$root/var/cache/binhost/${choice[name]}")
        [GNUPG]=$(seen "$config_root/etc/portage/gnupg")
        [SERVER_NAME]=${choice[server-name]-} [WEB_ROOT]=$(dirname -- "$(seen "$root${choice[tree]-/}")")
        [LOGS]=$(seen "$config_root/var/log/portage-ext")
    )
    for file in "$here"/bashrc.d/*; do
        want file "etc/portage/portage-ext/bashrc.d/${file##*/}" "$file"
    done
    plan_role_files portage-ext.toml
    want file etc/portage/portage-ext.toml "$fragment"
    if [[ -f $here/etc/portage/postsync.d/portage-ext ]]; then
        want file etc/portage/postsync.d/portage-ext "$here/etc/portage/postsync.d/portage-ext" 0755
    fi
    plan_completion
    if [[ -d $root/etc/logrotate.d ]]; then
        want file etc/logrotate.d/portage-ext "$(filled logrotate)"
    fi
    if has_role client; then
        want file etc/portage/env/getbinpkg.conf "$here/etc/portage/env/getbinpkg.conf"
        plan_binrepo "$etc"
    fi
    if has_role binhost; then
        plan_service portage-ext-publish portage-ext
        plan_nginx
    fi
    if [[ ${choice[daily-update]-} ]]; then
        plan_service portage-ext-update portage-ext-update
    fi
    plan_daemons
    # Last, and first to be taken away: the lines that make Portage read all of this.
    part=$(seen "$etc/portage-ext/bashrc.d/portage-ext.bashrc")
    want part etc/portage/bashrc "$(printf 'if [[ -r "%s" ]]; then\n    source "%s"\nfi\n' "$part" "$part" | marked bashrc)"
    plan_role_files make.conf
    if [[ -d $etc/make.conf ]]; then
        want file etc/portage/make.conf/90-portage-ext.conf "$fragment"
    else
        want file etc/portage/portage-ext/make.conf "$fragment"
        want part etc/portage/make.conf "$(printf 'source "%s"\n' "$(seen "$etc/portage-ext/make.conf")" | marked make.conf)"
    fi
}

# Completion for each shell that has a place for it, where shell-completion.eclass installs it, too. A file there that is not ours
# is a package's: it stays as it is.
plan_completion() {
    local path target
    for path in bash-completion/completions/{portage-ext,olm} zsh/site-functions/_portage-ext \
        fish/vendor_completions.d/{portage-ext,olm}.fish; do
        target=$root/usr/share/$path
        [[ -w ${target%/*/*} || (-d ${target%/*/*} && $dry_run) ]] || continue
        if [[ ! -e $target ]] || says file "$(digest <"$target")" "usr/share/$path"; then
            want file "usr/share/$path" "$here/etc/completion/${path##*/}"
        fi
    done
}

# One template for each role; sets `fragment` to the file that has those of this system's roles.
plan_role_files() {
    local role
    fragment=$stage/roles.$1
    : >"$fragment"
    for role in binhost client; do
        if has_role "$role"; then
            [[ ! -s $fragment ]] || echo >>"$fragment"
            cat -- "$(filled "$1-$role")" >>"$fragment"
        fi
    done
    if [[ -z ${choice[march]-} ]]; then
        sed -i '/^# What -march=native/,/^FFLAGS/d' -- "$fragment"
    fi
    if [[ $1 == make.conf && ${value[GNUPG]} != /etc/portage/gnupg ]]; then
        cat -- "$(filled make.conf-offset)" >>"$fragment"
    fi
    if [[ -z ${choice[signing-home]-} ]]; then
        sed -i '/^# The gpg home/d; /^homedir = ""$/d' -- "$fragment"
    fi
}

plan_binrepo() {
    local text
    text=$(filled binrepos.conf)
    if [[ ! -e $1/binrepos.conf || -d $1/binrepos.conf ]]; then
        # `portage-ext trust add` has the fetcher in a file of its own beside this one.
        sed -i '/command = /d' -- "$text"
        want file "etc/portage/binrepos.conf/portage-ext-${choice[name]}.conf" "$text"
    else
        want part etc/portage/binrepos.conf "$(marked binrepos.part <"$text")"
    fi
}

# The units $1.service and $1.timer, or the file $2 of cron.
plan_service() {
    local units=etc/systemd/system
    case ${choice[timer]} in
        systemd)
            want file "$units/$1.service" "$(for_these_roots "$units/$1.service")"
            want file "$units/$1.timer" "$here/$units/$1.timer"
            want link "$units/timers.target.wants/$1.timer" "../$1.timer"
            ;;
        cron) want file "etc/cron.d/$2" "$(for_these_roots "etc/cron.d/$2")" ;;
    esac
}

# What stays in memory, where --service asks for it: for systemd, or for OpenRC with its place in the default runlevel. The queue of
# builds can also be worked by a timer or by cron.
plan_daemons() {
    local name target services=${choice[service]-} units=etc/systemd/system
    for name in ${services//,/ }; do
        name=portage-ext-$name target=$root/etc/init.d/$name
        if [[ -f $here/$units/$name.timer && ${choice[timer]} != none ]]; then
            plan_service "$name" "$name"
        elif [[ ${choice[timer]} == systemd ]]; then
            want file "$units/$name.service" "$(for_these_roots "$units/$name.service")"
            want link "$units/multi-user.target.wants/$name.service" "../$name.service"
        else
            # The ebuild installs the same script; that one stays as it is.
            if [[ ! -e $target ]] || says file "$(digest <"$target")" "etc/init.d/$name"; then
                want file "etc/init.d/$name" "$(for_these_roots "etc/init.d/$name")" 0755
            fi
            want link "etc/runlevels/default/$name" "../../init.d/$name"
        fi
    done
}

# The program that units and cron start: that which runs this, as it was started, or that of a system with a Portage of its own.
our_program() {
    local program=${PORTAGE_EXT_PROGRAM-}
    if [[ -z $program || ${inside[*]} ]]; then
        program=$("${inside[@]}" sh -c 'command -v portage-ext') || program=''
    fi
    [[ $program == /* ]] || program=/usr/bin/portage-ext
    printf '%s' "$program"
}

# The file $1 of ours, in which our program works on these roots, as a file in the stage; prints its name. Where they are /, as
# Portage sees them, it needs no words about them.
for_these_roots() {
    local config own text name program variables=() made=$stage/${1##*/}
    config=$(seen "$config_root")/ own=$(seen "$root")/ program=$(our_program)
    text=$(<"$here/$1")
    if [[ $config != / || $own != / ]]; then
        variables=("PORTAGE_CONFIGROOT=$config")
        [[ $own == / ]] || variables+=("ROOT=$own" "SYSROOT=$own")
        if [[ $1 == *.service ]]; then
            for name in "${variables[@]}"; do
                text=${text/'[Service]'/"[Service]"$'\n'"Environment=$(systemd_word "$name")"}
            done
            config=$(systemd_word "${config//\$/\$\$}")
        elif [[ $1 == etc/init.d/* ]]; then
            # supervise-daemon(8) reads them as words of sh.
            name=$(printf ' --env %q' "${variables[@]}")
            text+=$'\n'"supervise_daemon_args=${name@Q}"
        else
            # For sh, and cron takes a bare % for a line break.
            config=${config@Q} config=${config//%/\\%}
            variables=("${variables[@]@Q}") name="env ${variables[*]}"
            text=${text//'/usr/bin/portage-ext '/"${name//%/\\%} /usr/bin/portage-ext "}
        fi
        text=${text//--pending/"--pending --config-root $config"}
        text=${text//--renew/"--renew --config-root $config"}
    fi
    if [[ $program != *[^a-zA-Z0-9/._+-]* ]]; then
        :
    elif [[ $1 == etc/init.d/* ]]; then
        refuse "a service of OpenRC cannot start $program: make a link to it whose path has letters, digits and ._+- alone, and run that"
    elif [[ $1 == *.service ]]; then
        program=$(systemd_word "$program")
    else
        program=${program@Q} program=${program//%/\\%}
    fi
    text=${text//'/usr/bin/portage-ext '/"$program "}
    text=${text//'"/usr/bin/portage-ext"'/"\"$program\""}
    printf '%s\n' "$text" >"$made"
    printf '%s' "$made"
}

# $1 as one word of a unit (systemd.syntax(7)).
systemd_word() {
    local text=${1//\\/\\\\}
    text=${text//'"'/\\'"'}
    printf '"%s"' "${text//%/%%}"
}

plan_nginx() {
    [[ ${choice[nginx]-} ]] || return 0
    sed -e "s|^\( *server_name\) .*|\1 ${value[SERVER_NAME]};|" -e "s|^\( *root\) .*|\1 \"${value[WEB_ROOT]}\";|" \
        -- "$here/etc/examples/nginx-binhost.conf" >"$stage/nginx.conf"
    want file "${choice[nginx]#/}" "$stage/nginx.conf"
}
