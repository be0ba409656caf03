#!/usr/bin/env bash
# A base image from Debian's packages alone, for where no registry is reachable: Debian 12 with Python 3.11, without a
# compiler and without pip. `base.sh DIRECTORY` leaves base-HASH.tar there, an archive of its root, and prints its path;
# the name holds what it was made from, so it is made once.
set -euo pipefail
release=bookworm
packages=python3,python3-venv,ca-certificates
epoch=${SOURCE_DATE_EPOCH:-0}
directory=${1:?say where the archive is kept}
mirror=${DEBIAN_MIRROR:-}  # none: the one that debootstrap takes by itself

name=$(printf '%s\n' "$release" "$packages" "$(sha256sum < "$0")" | sha256sum | cut -c1-12)
archive=$directory/base-$name.tar
if [ -f "$archive" ]; then echo "$archive"; exit; fi
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap (as root)" >&2; exit 1; }

mkdir -p "$directory"
root=$(mktemp -d "$directory/root.XXXXXX")
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include="$packages" "$release" "$root" ${mirror:+"$mirror"} > "$directory/debootstrap.log" 2>&1 \
  || { echo "debootstrap failed; its last lines:" >&2; tail -5 "$directory/debootstrap.log" >&2; exit 1; }

# pip comes with the package venv as two wheels inside, and nothing in the image installs anything.
rm -rf "$root"/usr/share/python-wheels "$root"/usr/lib/python3*/EXTERNALLY-MANAGED "$root"/usr/lib/python3*/test
# Caches, logs and pages for people: what differs from one run to the next, and what a container never shows.
rm -rf "$root"/var/cache/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/dev/* \
  "$root"/usr/share/{doc-base,man,info,lintian,locale} "$root"/etc/machine-id "$root"/etc/{hostname,resolv.conf}
find "$root"/usr/share/doc -mindepth 2 ! -type d ! -name copyright -delete
find "$root"/usr/share/doc -type d -empty -delete
find "$root"/usr/lib/python3* -name __pycache__ -prune -exec rm -rf {} +
# Compiled with a hash that nobody checks: the times of files are set below, which would make others look stale.
chroot "$root" env PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash \
  -x '/(idlelib|lib2to3|ensurepip|turtledemo)/' /usr/lib/python3.11
mkdir -p "$root"/var/cache/apt/archives/partial "$root"/var/log/apt
ln -sf python3 "$root"/usr/bin/python

# In one order, with one time and one owner: the same packages give the same bytes.
tar --create --file "$archive.partial" --directory "$root" --sort=name --mtime="@$epoch" --numeric-owner .
mv "$archive.partial" "$archive"
echo "$archive"
