# shellcheck shell=bash
# shellcheck disable=SC2154  # root, store: set by setup_hooks.sh
# What was put into the system, and how: nothing is put in place, and no directory made, before the manifest says so.
# A line of it is: kind TAB BLAKE2B or "-" TAB path. Kinds: file (ours), part (our lines in a person's file; the digest is that of
# these lines, markers included), dir (we made it). Paths are relative to the root; one outside it, of another --config-root, is
# absolute. While a file is being replaced it has two lines; either digest is ours. (docs/adr/0602)

declare -a m_kind=() m_digest=() m_path=()
m_unwritten=
readonly MARK_BEGIN='# >>> portage-ext >>>' MARK_END='# <<< portage-ext <<<'
readonly TEMPORARY='.portage-ext.setup.'

# Where the manifest's path $1 really is.
real() {
    case $1 in
        /*) printf '%s' "$1" ;;
        *) printf '%s' "$root/$1" ;;
    esac
}

# The BLAKE2B of standard input.
digest() {
    local line
    line=$(b2sum)
    printf '%s' "${line%% *}"
}

read_manifest() {
    local kind sum path
    m_kind=() m_digest=() m_path=()
    [[ -f $store/manifest ]] || return 0
    while IFS=$'\t' read -r kind sum path; do
        m_kind+=("$kind") m_digest+=("$sum") m_path+=("$path")
    done <"$store/manifest"
}

write_manifest() {
    local index temporary=$store/${TEMPORARY}manifest
    for index in "${!m_path[@]}"; do
        printf '%s\t%s\t%s\n' "${m_kind[index]}" "${m_digest[index]}" "${m_path[index]}"
    done >"$temporary"
    settle "$temporary" "$store/manifest"
    m_unwritten=
}

# Let the manifest say, once it is written: kind $1, digest $2, path $3.
note() {
    says "$@" && return 0
    m_kind+=("$1") m_digest+=("$2") m_path+=("$3") m_unwritten=yes
}

# Let the manifest on the disk say it, and all that was noted before.
record() {
    note "$@"
    [[ -z $m_unwritten ]] || write_manifest
}

# Whether the manifest says: kind $1, digest $2, path $3; an empty word stands for any.
says() {
    local index
    for index in "${!m_path[@]}"; do
        if [[ ${m_path[index]} == "$3" && ${1:-${m_kind[index]}} == "${m_kind[index]}" &&
            ${2:-${m_digest[index]}} == "${m_digest[index]}" ]]; then
            return 0
        fi
    done
    return 1
}

# Forget what is no longer so: lines of path $1 with another digest than $2.
supersede() {
    local index changed=
    for index in "${!m_path[@]}"; do
        if [[ ${m_path[index]} == "$1" && ${m_digest[index]} != "$2" ]]; then
            unset -v "m_kind[index]" "m_digest[index]" "m_path[index]"
            changed=yes
        fi
    done
    [[ -z $changed ]] || write_manifest
}

# The temporary file $1 becomes $2, in one step and on the disk.
settle() {
    sync -- "$1"
    mv -fT -- "$1" "$2"
    sync -- "${2%/*}"
}

# The store, with a manifest that names the store itself, appears in one step too.
make_store() {
    local temporary lines=$'dir\t-\tvar/lib/portage-ext/setup\n'
    [[ -d $store ]] && return 0
    temporary=$(mktemp -d -- "$root/var/lib/${TEMPORARY}XXXXXX")
    chmod 0755 -- "$temporary"
    mkdir -- "$temporary/setup"
    if [[ -d ${store%/*} ]]; then
        printf '%s' "$lines" >"$temporary/setup/manifest"
        settle "$temporary/setup" "$store"
        rmdir -- "$temporary"
    else
        printf 'dir\t-\tvar/lib/portage-ext\n%s' "$lines" >"$temporary/setup/manifest"
        settle "$temporary" "${store%/*}"
    fi
}

# The store is the last thing to go; of an interrupted removal, what is left of it.
remove_store() {
    local own=
    [[ -d $store ]] || return 0
    if [[ ! -e $store/manifest ]] || says dir - var/lib/portage-ext; then
        own=yes
    fi
    find "$store" -mindepth 1 ! -path "$store/manifest" -delete
    rm -f -- "$store/manifest"
    if [[ $own && -z $(find "${store%/*}" -mindepth 1 -maxdepth 1 ! -name setup -print -quit) ]]; then
        (cd -- "$root/var/lib" && rmdir -p -- portage-ext/setup)
    else
        rmdir -- "$store"
    fi
}

# Temporary files of a run that was killed lie beside what it was about to put in place.
clean_leftovers() {
    local path
    rm -rf -- "$root/var/lib/$TEMPORARY"*
    for path in "${m_path[@]}"; do
        path=$(real "$path")
        rm -f -- "${path%/*}/$TEMPORARY"*
    done
}

# Make the directory $1 (a path of the manifest), with the mode $2, and those above it that are not there.
make_directory() {
    local place
    place=$(real "$1")
    [[ -d $place ]] && return 0
    [[ $1 != */* ]] || note_directories "${1%/*}"
    record dir - "$1"
    [[ -d ${place%/*} ]] || mkdir -p -- "${place%/*}"
    mkdir -m "${2:-0755}" -- "$place"
}

# Note the directory $1 and those above it, as far as they are not there.
note_directories() {
    [[ -d $(real "$1") ]] && return 0
    [[ $1 != */* ]] || note_directories "${1%/*}"
    note dir - "$1"
}

# $2 becomes the file $1 (a path of the manifest), with the mode $3.
lay_file() {
    local target temporary sum
    target=$(real "$1")
    sum=$(digest <"$2")
    note_directories "${1%/*}"
    record file "$sum" "$1"
    [[ -d ${target%/*} ]] || mkdir -p -- "${target%/*}"
    temporary=$(mktemp -- "${target%/*}/${TEMPORARY}XXXXXX")
    cat -- "$2" >"$temporary"
    chmod "$3" -- "$temporary"
    settle "$temporary" "$target"
    supersede "$1" "$sum"
}

# The symbolic link $1 (a path of the manifest) to $2; the manifest has the digest of what it leads to.
lay_link() {
    local target temporary
    target=$(real "$1")
    make_directory "${1%/*}"
    record file "$(digest <"${target%/*}/$2")" "$1"
    temporary=${target%/*}/${TEMPORARY}link
    ln -sfT -- "$2" "$temporary"
    mv -fT -- "$temporary" "$target"
    sync -- "${target%/*}"
}

# Offer $2 for the file $1, which somebody has changed, in the manner of CONFIG_PROTECT.
offer_file() {
    local number name candidate
    name=${1##*/}
    for ((number = 0; number < 10000; number++)); do
        candidate=$(printf '%s/._cfg%04d_%s' "${1%/*}" "$number" "$name")
        if [[ ! -e $(real "$candidate") ]]; then
            lay_file "$candidate" "$2" "$3"
            offered=$candidate
            return 0
        elif cmp -s -- "$2" "$(real "$candidate")"; then
            offered=$candidate
            return 0
        fi
    done
}

# Whether $2 was offered for the file $1 before, and what is there now is the answer.
was_offered() {
    local index sum
    sum=$(digest <"$2")
    [[ ${choice[finished]-} ]] || return 1
    for index in "${!m_path[@]}"; do
        if [[ ${m_path[index]} == "${1%/*}/._cfg"[0-9][0-9][0-9][0-9]"_${1##*/}" && ${m_digest[index]} == "$sum" ]]; then
            return 0
        fi
    done
    return 1
}

# The lines of ours in the file $1.
block_of() {
    sed -n "/^$MARK_BEGIN/,/^$MARK_END/p" -- "$1"
}

# The file $1 without them.
without_block() {
    sed "/^$MARK_BEGIN/,/^$MARK_END/d" -- "$1"
}

# Whether the file $1 has the markers once, in order, or not at all: otherwise nobody can say which lines are ours.
markers_are_whole() {
    local found
    found=$(grep -e "^$MARK_BEGIN" -e "^$MARK_END" -- "$1" | cut -c 1-5 | tr '\n' ' ') || true
    [[ -z $found || $found == '# >>> # <<< ' ]]
}

# The file $1 as it will be with the lines $2 of ours.
with_block() {
    if [[ ! -e $1 ]]; then
        cat -- "$2"
    elif grep -q "^$MARK_BEGIN" -- "$1"; then
        sed "/^$MARK_BEGIN/,/^$MARK_END/{
            /^$MARK_BEGIN/r $2
            d
        }" -- "$1"
    else
        sed '$a\' -- "$1"
        cat -- "$2"
    fi
}

# The lines $2 of ours go into the file $1 (a path of the manifest); a copy of a person's file is kept first.
lay_part() {
    local target temporary sum
    target=$(realpath -m -- "$(real "$1")")
    sum=$(digest <"$2")
    make_directory "${1%/*}"
    if [[ -e $target ]] && ! says part '' "$1"; then
        keep "$1" "$target"
    fi
    record part "$sum" "$1"
    temporary=$(mktemp -- "${target%/*}/${TEMPORARY}XXXXXX")
    chmod 0644 -- "$temporary"
    [[ ! -e $target ]] || cp -p -- "$target" "$temporary"
    with_block "$target" "$2" >"$temporary"
    settle "$temporary" "$target"
    supersede "$1" "$sum"
}

# Keep a copy of the person's file $2 under the name $1.
keep() {
    local copy=$store/kept/${1#/}
    mkdir -p -- "${copy%/*}"
    cp -p -- "$2" "$store/${TEMPORARY}kept"
    settle "$store/${TEMPORARY}kept" "$copy"
}

# Take line number $1 of the manifest back. What a person has changed stays, and is named; with --purge it goes, too.
withdraw() {
    local path=${m_path[$1]} target
    target=$(real "$path")
    case ${m_kind[$1]} in
        file)
            if [[ -L $target ]]; then
                rm -f -- "$target"
            elif [[ -f $target ]]; then
                if [[ $path == *etc/portage/env/* && $(lines_that_name "${path##*/}") ]]; then
                    # Without it every emerge would complain about package.env; with it Portage does what it always does.
                    named+=("$target")
                elif says file "$(digest <"$target")" "$path" || [[ $purge && $path != usr/* ]]; then
                    rm -f -- "$target"
                elif [[ $path != usr/* ]]; then  # a package has put a file of its own there since
                    left+=("$target")
                fi
            fi
            ;;
        part) [[ ! -f $target ]] || withdraw_part "$path" "$(realpath -- "$target")" ;;
        dir) rmdir --ignore-fail-on-non-empty -- "$target" 2>/dev/null || [[ ! -d $target ]] ;;
        *) refuse "$store/manifest: ${m_kind[$1]} is no kind that this version knows" ;;
    esac
}

# Take our lines out of the file $2, which is $1 in the manifest. Without them it is what it was, to the byte, if nobody changed it.
withdraw_part() {
    local kept=$store/kept/${1#/} temporary
    grep -q "^$MARK_BEGIN" -- "$2" || return 0
    if ! markers_are_whole "$2" || { [[ -z $purge ]] && ! says part "$(block_of "$2" | digest)" "$1"; }; then
        left+=("$2")
        return 0
    fi
    if [[ ! -e $kept && -z $(without_block "$2") ]]; then
        rm -f -- "$2"
        return 0
    fi
    temporary=$(mktemp -- "${2%/*}/${TEMPORARY}XXXXXX")
    if [[ -e $kept ]] && cmp -s <(sed '$a\' -- "$kept") <(without_block "$2"); then
        cp -p -- "$kept" "$temporary"
    else
        cp -p -- "$2" "$temporary"
        without_block "$2" >"$temporary"
    fi
    settle "$temporary" "$2"
}
