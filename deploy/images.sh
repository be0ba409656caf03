#!/usr/bin/env bash
# Builds the images and prints what they weigh: `images.sh [TARGET…]`, by default all that run on a CPU.
#
# With a Docker engine: built by it, on the official Python image, and left there. Without one: built by buildah, on a
# base of Debian's packages (images/base.sh), and left in build/images: `oci`, a layout that shares layers, and
# `ledge-images.tar`, the same in one file, which `ctr images import` and k3s take as it is. A build of some images keeps
# the others of the same version there, a build of all begins anew; either says what stays and what goes.
#
# With LEDGE_ENFORCE_SIZES it fails where, all being built, one weighs more than its budget.
#
# Twice the same: wheels and time are fixed, so the same commit on the same base gives the same layers (deploy/README.md).
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${LEDGE_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ledge/build}
prefix=${LEDGE_IMAGE_PREFIX:-ledge.local/ledge}  # what the chart asks for: `global.imageRegistry`, `image.prefix`
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
tag=${LEDGE_IMAGE_TAG:-$version}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# One time for all layers, so that a layer that did not change stays the same from release to release.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1767225600}
all=$(sed -n 's/^FROM .* AS \([a-z-]*\)$/\1/p' deploy/Dockerfile | grep -Ev '^(tools|kit|numeric|encoder|app)$|-gpu$')
targets=${*:-$all}
others=$([ $# = 0 ] && echo anew || echo keep)
say() { printf '%s\n' "$*" >&2; }
seconds() { say "$1: $(( $(date +%s) - $2 )) s"; }

# Fetched once for each set of versions, outside of the checkout; the build then needs no package index.
wheels() {
  local extras wanted key folder started
  extras=$(sed -n '/--unpinned/d; s/.*install.py //p' deploy/Dockerfile | grep -o -e '--extra [a-z-]*' | cut -d' ' -f2 | sort -u)
  # shellcheck disable=SC2086
  wanted=$("$python" deploy/images/requirements.py pyproject.toml $extras; printf '%s\n' 'pip>=26' 'setuptools>=80')
  key=$({ echo "$wanted"; cat constraints.txt; } | sha256sum | cut -c1-12)
  tools=$({ echo "$key"; cat deploy/images/*.py; } | sha256sum | cut -c1-12)
  folder=$cache/wheels-$key
  if [ ! -d "$folder" ]; then
    started=$(date +%s)
    [ "$("$python" -c 'import sys; print(*sys.version_info[:2], sep=".")')" = 3.11 ] || {
      say "wheels are fetched by Python 3.11, the images' own: say which with PYTHON=…"; exit 1; }
    rm -rf "$folder.partial" && mkdir -p "$folder.partial"
    echo "$wanted" > "$folder.partial/requirements.txt"
    "$python" -m pip --disable-pip-version-check --no-input --quiet wheel --wheel-dir "$folder.partial" \
      -c constraints.txt -r "$folder.partial/requirements.txt"
    mv "$folder.partial" "$folder"
    seconds "wheels fetched" "$started"
  fi
  rm -rf build/wheels && mkdir -p build && cp -rl "$folder" build/wheels 2>/dev/null || cp -r "$folder" build/wheels
}

with_docker() {
  local target
  for target in $targets; do
    docker buildx build --file deploy/Dockerfile --target "$target" --tag "$prefix/$target:$tag" \
      --build-arg SOURCE_DATE_EPOCH ${BASE:+--build-arg BASE="$BASE"} --load \
      --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$revision" .
  done
  docker image ls --filter "reference=$prefix/*:$tag"
}

with_buildah() {
  local target started base layout=build/images/oci
  storage=(--root "$cache/buildah" --runroot "${TMPDIR:-/tmp}/ledge-buildah-$(id -u)" --storage-driver overlay)
  # One build at a time: whoever comes later waits. What a killed one left mounted stands in the way of this one's
  # layers; what else it left is removed with this one's own.
  mkdir -p "$cache" && exec 9> "$cache/lock" && flock 9
  awk -v under="$cache/buildah/overlay/" 'index($2, under) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs -rn1 umount
  trap 'buildah "${storage[@]}" rm --all >/dev/null 2>&1; umount "$cache/buildah/overlay" 2>/dev/null || true' EXIT
  if [ -z "${BASE:-}" ]; then
    started=$(date +%s)
    archive=$(deploy/images/base.sh "$cache")
    BASE=localhost/ledge-${archive##*/}; BASE=${BASE%.tar}
    if ! buildah "${storage[@]}" inspect --type image "$BASE" >/dev/null 2>&1; then
      container=$(buildah "${storage[@]}" from scratch)
      buildah "${storage[@]}" add -q "$container" "$archive" / >/dev/null
      buildah "${storage[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
      buildah "${storage[@]}" commit -q --timestamp "$SOURCE_DATE_EPOCH" --rm "$container" "$BASE" >/dev/null
      seconds "base made" "$started"
    fi
  fi
  mkdir -p "$layout"
  if [ "$others" = keep ] && [ ! -f "$layout/index.json" ] && [ -f build/images/ledge-images.tar ]; then
    tar --extract --file build/images/ledge-images.tar --directory "$layout"
  fi
  # shellcheck disable=SC2086
  "$python" deploy/images/layout/kept.py "$others" "$layout" "$prefix" "$tag" $targets >&2
  for target in $targets; do
    started=$(date +%s)
    # No registry is asked, the build's network is the machine's own, and no daemon is needed.
    buildah "${storage[@]}" bud --quiet --layers --isolation chroot --network host --pull-never --format oci \
      --timestamp "$SOURCE_DATE_EPOCH" --build-arg BASE="$BASE" --build-arg TOOLS="$tools" --ignorefile .dockerignore \
      --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$revision" \
      --file deploy/Dockerfile --target "$target" --tag "$prefix/$target:$tag" . >/dev/null
    buildah "${storage[@]}" push --quiet "$prefix/$target:$tag" "oci:$layout:$prefix/$target:$tag"
    seconds "$target" "$started"
  done
  "$python" deploy/images/layout/same_history.py "$layout"
  "$python" deploy/images/names.py "$layout"
  tar --create --file build/images/ledge-images.tar.partial --directory "$layout" --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner oci-layout index.json blobs
  mv build/images/ledge-images.tar.partial build/images/ledge-images.tar
  "$python" deploy/images/sizes.py "$layout" --json build/images/sizes.json ${LEDGE_ENFORCE_SIZES:+--enforce} \
    --base-layers "$(buildah "${storage[@]}" inspect --type image --format '{{len .OCIv1.RootFS.DiffIDs}}' "$BASE")"
}

wheels
if docker info >/dev/null 2>&1; then with_docker
elif command -v buildah >/dev/null; then with_buildah
else say "neither a Docker engine nor buildah is here: on Debian, as root, apt-get install buildah debootstrap"; exit 1; fi
