#!/bin/bash
# Makes an overlay that emerge can use from this checkout: the ebuild, and the tarball that it wants with its Manifest.
# usage: packaging/make_overlay.sh OVERLAY DISTDIR
set -euo pipefail

overlay=${1:?usage: make_overlay.sh OVERLAY DISTDIR}
distdir=${2:?usage: make_overlay.sh OVERLAY DISTDIR}
checkout=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/..")
mkdir -p -- "$overlay" "$distdir"
cp -r -- "$checkout/packaging/overlay/." "$overlay/"
package=$overlay/app-portage/portage-ext
: >"$package/Manifest"
for ebuild in "$package"/*.ebuild; do
    name=$(basename -- "$ebuild" .ebuild)
    archive=$distdir/$name.tar.gz
    # The same bytes from the same files, whoever makes it and when.
    git -C "$checkout" ls-files -z --cached --others --exclude-standard -- ':!packaging' |
        tar -C "$checkout" --null --files-from=- --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
            --transform="s|^|$name/|" -cf - | gzip -n9 >"$archive"
    printf 'DIST %s %s BLAKE2B %s SHA512 %s\n' "$name.tar.gz" "$(stat -c %s -- "$archive")" \
        "$(b2sum <"$archive" | cut -d' ' -f1)" "$(sha512sum <"$archive" | cut -d' ' -f1)" >>"$package/Manifest"
done
