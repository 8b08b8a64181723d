#!/bin/bash
# This machine with a Portage at /, in a mount namespace of its own: an overlay in memory takes every change, and goes with it.
# usage: unshare -m bash real_root.sh PREFIX-OF-PORTAGE TOOLCHAIN REPOSITORY MAKE.CONF WORK [--beside] COMMAND...
# With --beside the command does not run in it, but beside it, as on the machine that builds an image; $image is where it is.
set -euo pipefail
prefix=$1 toolchain=$2 repository=$3 configuration=$4 work=$5
shift 5
mkdir "$work/overlay"
mount -t tmpfs tmpfs "$work/overlay"
mkdir "$work"/overlay/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/overlay/upper,workdir=$work/overlay/work" "$work/overlay/root"
root=$work/overlay/root
for directory in /proc /dev /tmp; do
    ! mountpoint -q "$directory" || mount --rbind "$directory" "$root$directory"
done
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root"/{run/lock,share/portage/config,etc/portage,srv,var/db/pkg,var/cache/{distfiles,binpkgs,edb},var/lib/portage,var/tmp}
for name in make.globals sets binrepos.conf; do
    ln -s "$prefix/share/portage/config/$name" "$root/share/portage/config/$name"
done
ln -s "$repository/profiles/default/linux/amd64" "$root/etc/portage/make.profile"
printf '[DEFAULT]\nmain-repo = tiny\n[tiny]\nlocation = %s\n' "$repository" >"$root/etc/portage/repos.conf"
cp -- "$configuration" "$root/etc/portage/make.conf"
enter=(chroot "$root")
if [[ $1 == --beside ]]; then
    shift
    ln -s "$prefix/bin/emerge" "$root/usr/bin/emerge"
    mount --bind "$work" "$root$work"
    enter=()
fi
exec "${enter[@]}" env -i image="$root" PATH="$prefix/bin:$toolchain:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/ LANG=C.UTF-8 TERM=dumb NO_COLOR=1 \
    PORTAGE_OVERRIDE_EPREFIX= "$@"
