#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2115,SC2154  # lines for another shell; bats runs each test in a subshell
# The installer's cases, each in a system of its own.
bats_require_minimum_version 1.5.0
load system

@test "it ends by saying what is left to do" {
    run -0 hooks --role binhost "${binhost[@]}" --tree /srv/binhost/amd64 --server-name packages.example
    [[ $output == *"serve $root/srv/binhost with a web server"* ]]
    [[ $output == *"portage-ext setup --role client --binhost http://packages.example/amd64/production --key $FINGERPRINT"* ]]
    run -0 hooks --role client "${client[@]}"
    [[ $output == *"echo 'net-libs/webkit-gtk getbinpkg.conf' >>$root/etc/portage/package.env"* ]]
    run -0 hooks --role both
    [[ $output != *"next:"* ]]
}

@test "every role goes in and out without a trace" {
    for role in client binhost both; do
        hooks --role "$role" "${client[@]}" "${binhost[@]}"
        hooks --status
        [ -e "$root/etc/portage/portage-ext/bashrc.d/portage-ext.bashrc" ]
        hooks --uninstall --purge
        same_as_before
    done
}

@test "the second run changes nothing" {
    installed both
    picture "$root" >"$work/first"
    run -0 hooks --role both
    [[ $output == *"everything is in place"* ]]
    picture "$root" >"$work/second"
    diff "$work/first" "$work/second"
}

@test "a dry run changes nothing and shows the difference" {
    run -0 hooks --role both "${client[@]}" "${binhost[@]}" --dry-run
    [[ $output == *"+source \"$root/etc/portage/portage-ext/make.conf\""* ]]
    same_as_before
    installed client
    picture "$root" >"$work/first"
    hooks --uninstall --dry-run
    diff "$work/first" <(picture "$root")
}

# In the place of each program that changes something stands one that counts and, at KILL_AT, kills the installer and all it started.
stepping() {
    local tool
    mkdir -p "$work/steps"
    for tool in mv cp mkdir mktemp ln rm rmdir gpg; do
        cat >"$work/steps/$tool" <<END
#!/bin/bash
count=\$((\$(cat "\$COUNT" 2>/dev/null || echo 0) + 1))
echo "\$count" >"\$COUNT"
if ((count == KILL_AT)); then kill -KILL 0; fi
exec $(command -v "$tool") "\$@"
END
        chmod +x "$work/steps/$tool"
    done
    programs=$work/steps:$asked:$PORTAGE_BIN:$PATH
}

# usage: interrupted FIRST STRIDE AFTER ROLE-OPTION...: for every STRIDEth step, kill a run there, call AFTER, and compare.
interrupted() {
    local step first=$1 stride=$2 after=$3 status killed=0
    shift 3
    for ((step = first; ; step += stride)); do
        rm -f "$work/count"
        "$after" before "$@"
        status=0
        KILL_AT=$step hooks "$@" >/dev/null 2>&1 || status=$?
        programs='' "$after" after "$@" || { echo "killed at step $step"; return 1; }
        programs='' hooks --uninstall --purge || { echo "killed at step $step"; return 1; }
        same_as_before || { echo "killed at step $step"; return 1; }
        ((status != 0)) || break
        killed=$((killed + 1))
    done
    echo "killed at $killed steps of $((step - 1))" >&3
    ((killed > 2))
}

nothing_more() { :; }

continued() {
    [[ $1 == after ]] || return 0
    shift
    hooks "$@" && hooks --status
}

put_in_first() {
    [[ $1 == before ]] || return 0
    programs='' installed both
}

# bats test_tags=slow
@test "interrupted at any step, and taken out" {
    stepping
    interrupted 1 "${SETUP_STRIDE:-31}" nothing_more --role both "${client[@]}" "${binhost[@]}"
}

@test "interrupted at any step, and continued" {
    stepping
    interrupted 2 "${SETUP_STRIDE:-37}" continued --role both "${client[@]}" "${binhost[@]}"
}

# bats test_tags=slow
@test "interrupted while it is taken out, and taken out again" {
    stepping
    interrupted 1 "${SETUP_STRIDE:-31}" put_in_first --uninstall --purge
}

put_in_first_and_continued() {
    put_in_first "$@" && continued "$@"
}

@test "interrupted while one role is taken off, and taken off again" {
    [[ ${SETUP_STRIDE-} ]] || skip "make test-setup"
    stepping
    interrupted 1 "$SETUP_STRIDE" put_in_first_and_continued --uninstall --role client --purge
    interrupted 1 "$SETUP_STRIDE" put_in_first_and_continued --uninstall --role binhost --purge
}

@test "interrupted while one role is taken off, and all taken out" {
    [[ ${SETUP_STRIDE-} ]] || skip "make test-setup"
    stepping
    interrupted 1 "$SETUP_STRIDE" put_in_first --uninstall --role client --purge
    interrupted 1 "$SETUP_STRIDE" put_in_first --uninstall --role binhost --purge
}

@test "a target that cannot be written to is refused before anything is" {
    if [[ $EUID == 0 ]]; then
        # root is stopped by nothing but the file system
        read_only=(unshare -m sh -c 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"' - "$root")
        run -1 "${read_only[@]}" env PATH="$PORTAGE_BIN:$PATH" HOME="$work" bash "$CHECKOUT/setup_hooks.sh" --root "$root" --yes --role client "${client[@]}"
    else
        chmod a-w "$root/etc/portage"
        run -1 hooks --role client "${client[@]}"
        chmod u+w "$root/etc/portage"
    fi
    [[ $output == *"cannot be written to"* ]]
    same_as_before
}

@test "one directory that cannot be written to is enough to refuse" {
    [[ $EUID != 0 ]] || skip "root may write everywhere"
    mkdir "$root/etc/portage/env" "$root.before/etc/portage/env"
    chmod a-w "$root/etc/portage/env"
    run -1 hooks --role client "${client[@]}"
    chmod u+w "$root/etc/portage/env"
    same_as_before
}

@test "a file that was there is left, and ours is offered beside it, once" {
    echo '[fetch]' >"$root/etc/portage/portage-ext.toml"
    cp -a "$root/etc/portage/portage-ext.toml" "$root.before/etc/portage/"
    run -0 hooks --role client "${client[@]}"
    [[ $output == *"._cfg0000_portage-ext.toml"* && $output == *"-[fetch]"* ]]
    [[ $(<"$root/etc/portage/portage-ext.toml") == '[fetch]' ]]
    hooks --role client
    [ ! -e "$root/etc/portage/._cfg0001_portage-ext.toml" ]
    rm "$root/etc/portage/._cfg0000_portage-ext.toml"
    hooks --role client
    [ ! -e "$root/etc/portage/._cfg0000_portage-ext.toml" ]
    hooks --uninstall
    same_as_before
}

@test "a file that was edited since is left, named, and goes only with --purge" {
    installed client
    echo '# mine' >>"$root/etc/portage/env/getbinpkg.conf"
    run -3 hooks --status
    [[ $output == *"edited    $root/etc/portage/env/getbinpkg.conf"* ]]
    hooks --role client
    [[ $(tail -n 1 "$root/etc/portage/env/getbinpkg.conf") == '# mine' ]]
    run -0 hooks --uninstall
    [[ $output == *"kept (--uninstall --purge removes it): $root/etc/portage/env/getbinpkg.conf"* ]]
    [[ $(tail -n 1 "$root/etc/portage/env/getbinpkg.conf") == '# mine' ]]
    run -1 hooks --status
    hooks --uninstall --purge
    same_as_before
    installed client
    echo '# mine' >>"$root/etc/portage/env/getbinpkg.conf"
    hooks --uninstall --purge
    same_as_before
}

@test "an env file that package.env names stays until nothing names it" {
    installed client
    printf '# getbinpkg.conf\napp-misc/hello  other.conf getbinpkg.conf # mine\n' >"$root/etc/portage/package.env"
    for options in '' --purge; do
        # shellcheck disable=SC2086
        run -0 hooks --uninstall $options
        [[ $output == *"kept, because package.env names it: $root/etc/portage/env/getbinpkg.conf"* ]]
        [[ $output == *"$root/etc/portage/package.env:2:app-misc/hello  other.conf getbinpkg.conf # mine"* ]]
        [ -e "$root/etc/portage/env/getbinpkg.conf" ]
        [ ! -e "$root/etc/portage/portage-ext" ]
    done
    sed -i 's/getbinpkg.conf # mine/notgetbinpkg.conf/' "$root/etc/portage/package.env"
    hooks --uninstall
    rm "$root/etc/portage/package.env"
    same_as_before
}

# A later version of portage-ext, in which one file is another.
newer_version() {
    mkdir "$work/newer"
    cp -r "$CHECKOUT"/{setup_hooks.sh,setup.d,bashrc.d,etc} "$work/newer/"
    echo '# newer' >>"$work/newer/etc/portage/env/getbinpkg.conf"
    script=$work/newer/setup_hooks.sh
}

@test "a newer version replaces what nobody has changed" {
    installed client
    newer_version
    run -3 hooks --status
    [[ $output == *"outdated  $root/etc/portage/env/getbinpkg.conf"* ]]
    run -0 hooks --role client
    [[ $output == *"+# newer"* ]]
    hooks --status
    [[ $(tail -n 1 "$root/etc/portage/env/getbinpkg.conf") == '# newer' ]]
    hooks --uninstall
    same_as_before
}

# bats test_tags=slow
@test "a newer version is offered beside what was edited" {
    installed client
    echo '# mine' >>"$root/etc/portage/env/getbinpkg.conf"
    newer_version
    hooks --role client
    [[ $(tail -n 1 "$root/etc/portage/env/getbinpkg.conf") == '# mine' ]]
    [[ $(tail -n 1 "$root/etc/portage/env/._cfg0000_getbinpkg.conf") == '# newer' ]]
    echo '# newer still' >>"$work/newer/etc/portage/env/getbinpkg.conf"
    hooks --role client
    [[ $(tail -n 1 "$root/etc/portage/env/._cfg0001_getbinpkg.conf") == '# newer still' ]]
    hooks --uninstall --purge
    same_as_before
}

@test "a missing file is named and put back" {
    installed client
    rm "$root/etc/portage/portage-ext/bashrc.d/50-preinst-guard.bash"
    run -3 hooks --status
    [[ $output == *"missing   $root/etc/portage/portage-ext/bashrc.d/50-preinst-guard.bash"* ]]
    hooks --role client
    hooks --status
}

@test "a bashrc that was there keeps its bytes, mode and time" {
    printf 'pre_pkg_setup() { :; }\n# no line break at the end' >"$root/etc/portage/bashrc"
    chmod 0751 "$root/etc/portage/bashrc"
    touch -d '2001-01-01' "$root/etc/portage/bashrc"
    cp -a "$root/etc/portage/bashrc" "$root.before/etc/portage/"
    run -0 hooks --role client "${client[@]}"
    [[ $output == *"# no line break at the end"* ]]
    [[ $(stat -c %a "$root/etc/portage/bashrc") == 751 ]]
    env -i bash -c "source '$root/etc/portage/bashrc' && declare -F pre_pkg_setup"
    hooks --uninstall
    same_as_before
}

@test "lines that a person adds later stay" {
    installed client
    sed -i '1i# above' "$root/etc/portage/bashrc"
    echo '# below' >>"$root/etc/portage/bashrc"
    hooks --status
    hooks --uninstall
    [[ $(<"$root/etc/portage/bashrc") == $'# above\n# below' ]]
}

@test "broken markers are left to the person" {
    installed client
    sed -i '/<<< portage-ext/d' "$root/etc/portage/bashrc"
    echo 'important' >>"$root/etc/portage/bashrc"
    run -3 hooks --status
    run -0 hooks --uninstall
    [[ $output == *"$root/etc/portage/bashrc"* ]]
    [[ $(tail -n 1 "$root/etc/portage/bashrc") == important ]]
}

@test "a link in the place of make.conf stays a link" {
    mkdir "$root/etc/shared"
    mv "$root/etc/portage/make.conf" "$root/etc/shared/"
    ln -s ../shared/make.conf "$root/etc/portage/make.conf"
    rm -r "$root.before" && cp -a "$root" "$root.before"
    hooks --role client "${client[@]}"
    [ -L "$root/etc/portage/make.conf" ]
    grep -q portage-ext "$root/etc/shared/make.conf"
    hooks --uninstall
    same_as_before
}

@test "make.conf may be a directory, binrepos.conf a file" {
    mkdir "$root/etc/portage/x"
    mv "$root/etc/portage/make.conf" "$root/etc/portage/x/10-mine"
    mv "$root/etc/portage/x" "$root/etc/portage/make.conf"
    printf '[gentoo]\nsync-uri = https://example.invalid/\n' >"$root/etc/portage/binrepos.conf"
    rm -r "$root.before" && cp -a "$root" "$root.before"
    hooks --role client "${client[@]}"
    [ -e "$root/etc/portage/make.conf/90-portage-ext.conf" ]
    grep -q '^fetchcommand = portage-ext fetch --repo binhost' "$root/etc/portage/binrepos.conf"
    hooks --uninstall
    same_as_before
}

@test "a path with spaces" {
    mkdir "$work/a path"
    root="$work/a path/with  spaces"
    new_system "$root"
    hooks --role binhost "${binhost[@]}"
    hooks --status
    hooks --uninstall --purge
    same_as_before
}

@test "a config root elsewhere" {
    new_system "$work/config"
    rm -r "$root/etc" "$root.before/etc"
    run -0 hooks --role client "${client[@]}" --config-root "$work/config"
    grep -q "^file	[0-9a-f]*	$work/config/etc/portage/portage-ext.toml\$" "$root/var/lib/portage-ext/setup/manifest"
    hooks --status --config-root "$work/config"
    hooks --uninstall --config-root "$work/config"
    same_as_before
    diff -r "$work/config.before" "$work/config"
}

@test "roles add up" {
    hooks --role binhost "${binhost[@]}"
    hooks --role client "${client[@]}"
    grep -q '^role	both$' "$root/var/lib/portage-ext/setup/choices"
    [[ $(stat -c %a "$root/var/lib/portage-ext/setup/choices") == 600 ]]
    grep -q '^\[binhost\]' "$root/etc/portage/portage-ext.toml"
    grep -q '^\[binrepo.binhost\]' "$root/etc/portage/portage-ext.toml"
    hooks --status
    hooks --uninstall
    same_as_before
}

believed_keys() {
    gpg --homedir "$1/etc/portage/gnupg" --batch --no-autostart --with-colons --list-keys | grep ^fpr
}

# usage: goes ROLE OTHER
goes() {
    local role=$1 other=$2
    local -n its_options=$role other_options=$other
    mkdir -p "$root"/{usr/lib/systemd/system,etc/nginx/conf.d}
    rm -r "$root.before" && cp -a "$root" "$root.before"
    hooks --role "$other" "${other_options[@]}"
    cp -a "$root" "$work/alone"
    hooks --role "$role" "${its_options[@]}"
    run -0 hooks --uninstall --role "$role" --dry-run
    [[ $output == *"remove   $root/"* ]]
    hooks --uninstall --role "$role" --purge
    hooks --status
    diff -r -x gnupg -x manifest -x keyring "$work/alone" "$root"
    diff <(sort "$work/alone/var/lib/portage-ext/setup/manifest") <(sort "$root/var/lib/portage-ext/setup/manifest")
    diff <(believed_keys "$work/alone") <(believed_keys "$root")
    run -0 hooks --uninstall --role "$role"
    [[ $output == *"is no $role"* ]]
    hooks --uninstall --role "$other"
    same_as_before
}

@test "one role of two goes, and the other is as if it had been alone" {
    goes client binhost
}

# bats test_tags=slow
@test "the binhost of two roles goes, and the client is as if it had been alone" {
    goes binhost client
}

# bats test_tags=slow
@test "what a binhost made stays when it becomes a mere client, until --purge" {
    hooks --role both --binhost http://127.0.0.1:9/production --key "$KEYS/public.asc"
    echo '# mine' >>"$root/etc/portage/env/getbinpkg.conf"
    run -0 hooks --uninstall --role binhost
    [[ $output == *"$root/var/lib/portage-ext/signing (the signing key)"* ]]
    run ! grep -q '^\[binhost\]' "$root/etc/portage/portage-ext.toml"
    [[ $(tail -n 1 "$root/etc/portage/env/getbinpkg.conf") == '# mine' ]]
    hooks --uninstall --role binhost --purge
    [ ! -e "$root/var/lib/portage-ext/signing" ]
    hooks --uninstall
    # What was taken out altogether is not put back for the sake of a role.
    hooks --uninstall --role binhost
    [ ! -e "$root/etc/portage/portage-ext" ]
    hooks --uninstall --purge
    same_as_before
}

@test "a timer and a site file where there is a place for them" {
    mkdir -p "$root"/{usr/lib/systemd/system,etc/nginx/conf.d}
    rm -r "$root.before" && cp -a "$root" "$root.before"
    hooks --role binhost "${binhost[@]}" --tree "/srv/my packages/amd64" --server-name packages.example
    [ "$(readlink "$root/etc/systemd/system/timers.target.wants/portage-ext-publish.timer")" = ../portage-ext-publish.timer ]
    grep -q "^ *root \"$root/srv/my packages\";" "$root/etc/nginx/conf.d/portage-ext.conf"
    grep -q '^ *server_name packages.example;' "$root/etc/nginx/conf.d/portage-ext.conf"
    [ ! -e "$root/etc/cron.d" ]
    hooks --status
    hooks --uninstall --purge
    same_as_before
    hooks --role binhost "${binhost[@]}" --timer cron --nginx none
    grep -q "^17 4 \* \* \*  root  env .*$PORTAGE_BIN/portage-ext" "$root/etc/cron.d/portage-ext"
    [ ! -e "$root/etc/nginx/conf.d/portage-ext.conf" ]
    hooks --uninstall --purge
    same_as_before
}

# bats test_tags=slow
@test "the timer of an offset system works on that system, whatever its path" {
    mkdir "$work/a %path"
    root="$work/a %path/it's"
    new_system "$root"
    hooks --role binhost "${binhost[@]}" --timer cron --nginx none
    printf '#!/bin/sh\nprintf "%%s|" "$PORTAGE_CONFIGROOT" "$ROOT" "$SYSROOT" "$@" >>"%s/ran"; echo >>"%s/ran"\n' "$work" "$work" >"$work/portage-ext"
    chmod +x "$work/portage-ext"
    # as cron takes it: \% is %
    sed -n 's/^17 4 \* \* \*  root  //p' "$root/etc/cron.d/portage-ext" | sed "s|$PORTAGE_BIN/portage-ext|$work/portage-ext|g; s/\\\\%/%/g" >"$work/line"
    env -i PATH="$PATH" sh "$work/line"
    where="$root/|$root/|$root/|"
    [[ $(<"$work/ran") == "${where}after-emerge|--pending|--config-root|$root/|"$'\n'"${where}publish|--renew|--config-root|$root/|" ]]
    run ! grep -E '(^|[^\\])%' "$root/etc/cron.d/portage-ext"
    hooks --status
    hooks --uninstall --purge
    same_as_before
    hooks --role binhost "${binhost[@]}" --timer systemd --nginx none
    unit=$root/etc/systemd/system/portage-ext-publish.service
    grep -qxF "Environment=\"ROOT=${root//%/%%}/\"" "$unit"
    grep -qxF "ExecStart=$PORTAGE_BIN/portage-ext after-emerge --pending --config-root \"${root//%/%%}/\"" "$unit"
    grep -qxF "ExecStopPost=$PORTAGE_BIN/portage-ext publish --renew --config-root \"${root//%/%%}/\"" "$unit"
    hooks --uninstall --purge
    same_as_before
}

@test "what runs unattended is the program that ran the installer, wherever it is" {
    mkdir -p "$work/it's a %"
    printf '#!/bin/sh\necho "$@" >>"%s/ran"\n' "$work" >"$work/it's a %/portage-ext"
    chmod +x "$work/it's a %/portage-ext"
    programs="$work/it's a %:$PORTAGE_BIN:$PATH"
    hooks --role binhost "${binhost[@]}" --timer systemd --nginx none
    grep -qF "ExecStart=\"$work/it's a %%/portage-ext\" after-emerge" "$root/etc/systemd/system/portage-ext-publish.service"
    echo '# mine' >>"$root/etc/systemd/system/portage-ext-publish.timer"
    run -0 hooks --role binhost --timer cron
    # The units of the other timer are gone, but for the edited one.
    [[ $output == *"remove   $root/etc/systemd/system/portage-ext-publish.service"* ]]
    [[ $output == *"$root/etc/systemd/system/portage-ext-publish.timer was edited and is left as it is"* ]]
    [ "$(cd "$root/etc/systemd/system" && find . ! -type d)" = ./portage-ext-publish.timer ]
    run -0 hooks --role binhost
    [[ $output == *"everything is in place"* ]]
    sed -n 's/^17 4 \* \* \*  root  //p' "$root/etc/cron.d/portage-ext" | sed 's/\\%/%/g' >"$work/line"
    env -i PATH="$PATH" sh "$work/line"
    [[ $(<"$work/ran") == "after-emerge --pending"*$'\n'"publish --renew"* ]]
    mkdir -p "$root/etc/portage/repos.conf"
    touch "$root/etc/portage/repos.conf/zz-portage-ext-fleet.conf"
    run -0 hooks --uninstall --purge
    [[ $output == *"kept, because this host follows a published configuration: $root/etc/portage/repos.conf/zz-portage-ext-fleet.conf"* ]]
    [[ $output == *"portage-ext config unfollow --repository fleet"* ]]
    rm -r "$root/etc/portage/repos.conf/zz-portage-ext-fleet.conf"
    rmdir --ignore-fail-on-non-empty "$root/etc/portage/repos.conf"
    same_as_before
}

@test "the daily update of a client or a binhost, where it is asked for" {
    hooks --role client "${client[@]}" --timer systemd --daily-update
    [ "$(readlink "$root/etc/systemd/system/timers.target.wants/portage-ext-update.timer")" = ../portage-ext-update.timer ]
    grep -qxF "ExecStart=$PORTAGE_BIN/portage-ext update" "$root/etc/systemd/system/portage-ext-update.service"
    grep -qxF "Environment=\"ROOT=$root/\"" "$root/etc/systemd/system/portage-ext-update.service"
    [ ! -e "$root/etc/systemd/system/portage-ext-publish.timer" ]
    hooks --role client
    hooks --status
    # An earlier run asked for it; another timer cannot do it, so a person must say that it ends.
    run -2 hooks --role client --timer none
    [[ $output == *"--daily-update needs --timer systemd or --timer cron; --no-daily-update ends it"* ]]
    hooks --role client --timer none --no-daily-update
    [ ! -e "$root/etc/systemd/system/portage-ext-update.service" ]
    hooks --status
    hooks --uninstall --purge
    same_as_before
    hooks --role binhost "${binhost[@]}" --timer cron --daily-update --nginx none
    grep -q "^47 2 \* \* \*  root  report=.*$PORTAGE_BIN/portage-ext update" "$root/etc/cron.d/portage-ext-update"
    [ -e "$root/etc/cron.d/portage-ext" ]
    hooks --uninstall --purge
    same_as_before
    run -2 hooks --role client "${client[@]}" --timer none --daily-update
    [[ $output == *"--daily-update needs --timer systemd or --timer cron"* ]]
    same_as_before
}

# bats test_tags=slow
@test "units of a coordinator and of builds, where they are asked for" {
    hooks --role binhost "${binhost[@]}" --timer systemd --nginx none --service coordinator,builds
    units=$root/etc/systemd/system
    [ "$(readlink "$units/multi-user.target.wants/portage-ext-coordinator.service")" = ../portage-ext-coordinator.service ]
    [ "$(readlink "$units/timers.target.wants/portage-ext-builds.timer")" = ../portage-ext-builds.timer ]
    grep -qxF "ExecStart=$PORTAGE_BIN/portage-ext coordinator run" "$units/portage-ext-coordinator.service"
    grep -qxF "Environment=\"ROOT=$root/\"" "$units/portage-ext-coordinator.service"
    hooks --role binhost
    hooks --status
    # Another choice takes the place of the first.
    hooks --role binhost --service door
    [ ! -e "$units/portage-ext-coordinator.service" ] && [ ! -e "$units/portage-ext-builds.timer" ]
    [ -L "$units/multi-user.target.wants/portage-ext-door.service" ]
    hooks --role binhost --service none
    [ ! -e "$units/portage-ext-door.service" ] && [ ! -L "$units/multi-user.target.wants/portage-ext-door.service" ]
    run -2 hooks --role binhost --timer cron --service coordinator
    [[ $output == *"--service needs systemd"* ]]
    run -2 hooks --role binhost --service baker
    [[ $output == *"'baker' is not a list of builder, coordinator, door and builds"* ]]
    hooks --uninstall --purge
    same_as_before
}

@test "services of OpenRC, where they are asked for" {
    # The script of the ebuild stays; cron works the queue of builds.
    mkdir -p "$root/etc/init.d" "$root/etc/runlevels/default"
    echo '# of the ebuild' >"$root/etc/init.d/portage-ext-door"
    rm -r "$root.before" && cp -a "$root" "$root.before"
    hooks --role client "${client[@]}" --timer cron --service builder,door,builds
    [ "$(readlink -e "$root/etc/runlevels/default/portage-ext-builder")" = "$root/etc/init.d/portage-ext-builder" ]
    [ "$(<"$root/etc/init.d/portage-ext-door")" = '# of the ebuild' ] && [ -L "$root/etc/runlevels/default/portage-ext-door" ]
    [ -x "$root/etc/init.d/portage-ext-builder" ] && [ ! -e "$root/etc/init.d/portage-ext-builds" ]
    grep -q "^\*/5 \* \* \* \*  root  env .*$PORTAGE_BIN/portage-ext builds run" "$root/etc/cron.d/portage-ext-builds"
    # What OpenRC would start, and with which variables.
    started=$(sh -euc 'need() { :; }; after() { :; }; . "$1"; depend; eval "printf \"%s\\n\" $supervise_daemon_args $command $command_args"' \
        sh "$root/etc/init.d/portage-ext-builder")
    [[ $started == *"--env"*"ROOT=$root/"*"$PORTAGE_BIN/portage-ext"*"builder"*"run" ]]
    hooks --role client --timer none
    grep -qF "$PORTAGE_BIN/portage-ext builds run" "$root/etc/init.d/portage-ext-builds"
    [ ! -e "$root/etc/cron.d/portage-ext-builds" ]
    hooks --uninstall --purge
    same_as_before
}

@test "a key that was made, and what was published, stay until --purge" {
    hooks --role binhost
    key=$(sed -n 's/^signing-key\t//p' "$root/var/lib/portage-ext/setup/choices")
    grep -q "^key = \"$key\"" "$root/etc/portage/portage-ext.toml"
    mkdir -p "$root/srv/binhost/packages/releases/1"
    ln -s releases/1 "$root/srv/binhost/packages/production"
    run -0 hooks --uninstall
    [[ $output == *"$root/var/lib/portage-ext/signing (the signing key)"* ]]
    gpg --homedir "$root/var/lib/portage-ext/signing" --batch --list-secret-keys "$key"
    gpgconf --homedir "$root/var/lib/portage-ext/signing" --kill all
    [ -L "$root/srv/binhost/packages/production" ]
    hooks --role binhost
    grep -q "^key = \"$key\"" "$root/etc/portage/portage-ext.toml"
    hooks --uninstall
    hooks --uninstall --purge
    same_as_before
}

@test "of several keys in its own home none is taken without a word" {
    local home=$root/var/lib/portage-ext/signing name
    mkdir -p "$home"
    chmod 0700 "$home"
    for name in one two; do
        gpg --homedir "$home" --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key "$name" ed25519 sign never
    done
    gpgconf --homedir "$home" --kill all
    run -1 hooks --role binhost
    [[ $output == *"there are several secret keys in $home; choose one with --signing-key FPR"* ]]
    gpgconf --homedir "$home" --kill all
}

@test "a keyring that was there gets its bytes back" {
    mkdir -m 0755 "$root/etc/portage/gnupg"
    echo lock-never >"$root/etc/portage/gnupg/gpg.conf"
    gpg --homedir "$root/etc/portage/gnupg" --batch --quiet --passphrase '' --pinentry-mode loopback \
        --quick-generate-key 'somebody else' ed25519 sign never 2>/dev/null
    gpgconf --homedir "$root/etc/portage/gnupg" --kill all
    # It takes its sockets away after it has answered.
    while compgen -G "$root/etc/portage/gnupg/S.*" >/dev/null; do sleep 0.02; done
    rm -f "$root"/etc/portage/gnupg/*~
    rm -r "$root.before" && cp -a "$root" "$root.before"
    hooks --role client "${client[@]}"
    gpg --homedir "$root/etc/portage/gnupg" --batch --no-autostart --list-keys "$FINGERPRINT"
    hooks --uninstall
    same_as_before
}

@test "portage-ext is removed before what it put in place" {
    installed both
    programs=$PLAIN_BIN:$PATH hooks --uninstall --purge
    same_as_before
}

@test "a file with two keys says nothing about which is meant" {
    gpg --homedir "$root" --batch --quiet --passphrase '' --pinentry-mode loopback --quick-generate-key other ed25519 sign never 2>/dev/null
    { cat "$KEYS/public.asc"; gpg --homedir "$root" --armor --export; } >"$work/two.asc"
    gpgconf --homedir "$root" --kill all
    rm -r "$root"
    cp -a "$root.before" "$root"
    run -2 hooks --role client --binhost http://127.0.0.1:9/x --key "$work/two.asc"
    [[ $output == *"does not hold one key"* ]]
    same_as_before
}

@test "the site file is one that nginx reads" {
    PATH=$PATH:/usr/sbin:/sbin
    command -v nginx || skip "nginx is not installed"
    mkdir -p "$root/etc/nginx/conf.d"
    hooks --role binhost "${binhost[@]}" --tree "/srv/my packages/amd64" --server-name packages.example
    printf 'pid %s/pid; events {} http { include "%s"; }\n' "$work" "$root/etc/nginx/conf.d/portage-ext.conf" >"$work/nginx.conf"
    sed -i 's/listen 80;/listen 127.0.0.1:18080;/; s/listen \[::\]:80;//' "$root/etc/nginx/conf.d/portage-ext.conf"
    nginx -t -q -c "$work/nginx.conf" -g 'error_log stderr;'
}

@test "not root" {
    as_user=()
    [[ $EUID != 0 ]] || as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    "${as_user[@]}" test -r "$CHECKOUT/setup_hooks.sh" || skip "other users cannot enter $CHECKOUT"
    run -1 "${as_user[@]}" env -u TMPDIR PATH="$PORTAGE_BIN:$PATH" HOME="$work" bash "$CHECKOUT/setup_hooks.sh" --role client "${client[@]}" --yes
    [[ $output == *"only root may write to /"* || $output == *"/etc/portage is not there"* ]]
    run -1 "${as_user[@]}" env -u TMPDIR PATH="$PORTAGE_BIN:$PATH" HOME="$work" bash "$CHECKOUT/setup_hooks.sh" --uninstall --yes
    [[ $output == *"only root may write to /"* ]]
}

# A PATH with everything but the program $1.
without() {
    local directory program others
    mkdir "$work/bin"
    for directory in /usr/local/bin /usr/bin /bin /usr/sbin /sbin; do
        others=()
        for program in "$directory"/*; do
            [[ ${program##*/} == "$1"* ]] || others+=("$program")
        done
        ln -sf -t "$work/bin" -- "${others[@]}"
    done
    programs=$PORTAGE_BIN:$work/bin
}

@test "missing gpg" {
    without gpg
    run -1 hooks --role client --binhost http://127.0.0.1:9/x --key "$FINGERPRINT"
    [[ $output == *"gpg is not installed"* ]]
    same_as_before
}

@test "no Portage, no portage-ext, and one that emerge does not load" {
    programs=$work/python:$PATH
    mkdir "$work/python"
    printf '#!/bin/sh\nexec %s -I "$@"\n' "$PORTAGE_BIN/python3" >"$work/python/python3"
    chmod +x "$work/python/python3"
    # -S: a Python without site-packages
    sed -i 's/-I/-I -S/' "$work/python/python3"
    run -1 hooks --role client "${client[@]}"
    [[ $output == *"has no Portage"* ]]
    same_as_before
    programs=$PLAIN_BIN:$PATH
    run -1 hooks --role client "${client[@]}"
    [[ $output == *"has a Portage, but no portage-ext"* ]]
    same_as_before
    PYTHONPATH=$CHECKOUT run -1 hooks --role client "${client[@]}"
    [[ $output == *"sync/modules has no portage_ext"* ]]
    same_as_before
}

@test "a Portage that is built otherwise" {
    mkdir -p "$work/patched"
    # somebody's patch of a function that the plugin relies on, put there as such patches are
    cat >"$work/patched/sitecustomize.py" <<'END'
import sys
from importlib.machinery import PathFinder
class Patch:
    def find_spec(self, name, path=None, target=None):
        if name != "portage.getbinpkg": return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            def read(self, pkgfile): pass
            module.PackageIndex.read = read
        spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, Patch())
END
    programs=$PORTAGE_BIN:$PATH
    PYTHONPATH=$work/patched run -1 hooks --role client "${client[@]}"
    [[ $output == *"read has been replaced by another program"* ]]
    same_as_before
}

@test "no Gentoo system" {
    rm "$root/etc/portage/make.conf"
    run -1 hooks --role client "${client[@]}"
    [[ $output == *"make.conf is not there"* ]]
    rm -r "$root/etc"
    run -1 hooks --role client "${client[@]}"
    [[ $output == *"/etc/portage is not there"* ]]
}

@test "words that do not go together" {
    run -2 hooks
    run -2 hooks --role server
    run -2 hooks --role
    run -2 hooks --role client --binhost http://127.0.0.1:9/x --key 1234ABCD
    [[ $output == *"neither a whole fingerprint"* ]]
    run -2 hooks --role client --key "$FINGERPRINT"
    run -2 hooks --role client "${client[@]}" --name 'a b'
    run -2 hooks --rolle client
    same_as_before
    run -0 hooks --uninstall
    run -1 hooks --status
    run -0 hooks --help
}

@test "a signing key that gpg does not have" {
    run -1 hooks --role binhost --signing-key 0123456789012345678901234567890123456789 --signing-home "$KEYS/home"
    [[ $output == *"has no secret key 0123456789012345678901234567890123456789"* ]]
    same_as_before
}

@test "nobody is there to ask" {
    run -1 env PATH="$PORTAGE_BIN:$PATH" HOME="$work" bash "$CHECKOUT/setup_hooks.sh" --root "$root" --role client "${client[@]}" </dev/null
    [[ $output == *"pass --yes"* ]]
    same_as_before
}

@test "-march=native of a binhost is spelled out" {
    printf 'CFLAGS="-O2 -march=native"\n' >"$root/etc/portage/make.conf"
    cp -a "$root/etc/portage/make.conf" "$root.before/etc/portage/"
    hooks --role binhost "${binhost[@]}"
    march=$(gcc -march=native -Q --help=target | awk '$1 == "-march=" { print $2; exit }')
    grep -qF "CFLAGS=\"\${CFLAGS} -march=$march\"" "$root/etc/portage/portage-ext/make.conf"
    hooks --uninstall
    same_as_before
}

@test "completion goes where its shell has a place for it, and a package's file stays" {
    mkdir -p "$root"/usr/share/{bash-completion,zsh/site-functions,fish}
    echo 'of a package' >"$root/usr/share/zsh/site-functions/_portage-ext"
    rm -r "$root.before" && cp -a "$root" "$root.before"
    hooks --role client "${client[@]}"
    cmp "$CHECKOUT/etc/completion/portage-ext" "$root/usr/share/bash-completion/completions/portage-ext"
    cmp "$CHECKOUT/etc/completion/portage-ext.fish" "$root/usr/share/fish/vendor_completions.d/portage-ext.fish"
    cmp "$CHECKOUT/etc/completion/olm" "$root/usr/share/bash-completion/completions/olm"
    cmp "$CHECKOUT/etc/completion/olm.fish" "$root/usr/share/fish/vendor_completions.d/olm.fish"
    [[ $(<"$root/usr/share/zsh/site-functions/_portage-ext") == 'of a package' ]]
    # the program itself lists the words
    run -0 env PATH="$PORTAGE_BIN:$PATH" bash -c "source '$root/usr/share/bash-completion/completions/portage-ext'
        COMP_WORDS=(portage-ext setup --un) COMP_CWORD=2; _portage_ext; echo \"\${COMPREPLY[@]}\"; complete -p portage-ext"
    [[ $output == "--uninstall"$'\n'"complete -o bashdefault -o default -F _portage_ext portage-ext" ]]
    hooks --status
    hooks --uninstall
    same_as_before
    # a package brings its own later
    hooks --role client "${client[@]}"
    echo 'of a package' >"$root/usr/share/bash-completion/completions/portage-ext"
    hooks --status
    run -0 hooks --uninstall --purge
    [[ $output != *kept* && $(<"$root/usr/share/bash-completion/completions/portage-ext") == 'of a package' ]]
}

@test "logrotate gets a file that it reads, where it has a place for one" {
    root="$work/a root"
    new_system "$root"
    mkdir "$root/etc/logrotate.d"
    rm -r "$root.before" && cp -a "$root" "$root.before"
    hooks --role client "${client[@]}"
    grep -qF "\"$root/var/log/portage-ext/runs.jsonl\"" "$root/etc/logrotate.d/portage-ext"
    if PATH=$PATH:/usr/sbin:/sbin command -v logrotate; then
        mkdir -p "$root/var/log/portage-ext"
        echo '{}' >"$root/var/log/portage-ext/runs.jsonl"
        chmod 644 "$root/etc/logrotate.d/portage-ext"
        PATH=$PATH:/usr/sbin:/sbin run -0 logrotate -d -f -s "$work/state" "$root/etc/logrotate.d/portage-ext"
        [[ $output != *error* && $output == *"considering log $root/var/log/portage-ext/runs.jsonl"* ]]
        PATH=$PATH:/usr/sbin:/sbin run -0 logrotate -f -s "$work/state" "$root/etc/logrotate.d/portage-ext"
        [[ $(<"$root/var/log/portage-ext/runs.jsonl.1") == '{}' ]]
    fi
    hooks --status
    hooks --uninstall
    same_as_before
}
