#!/usr/bin/env bash
# The tests of tests/cluster on a real cluster: the one that KUBECONFIG names, or a test bed made for them and ended after.
# With a KUBECONFIG, nodes must have the images and the cluster a default storage class. What was measured is written to
# build/e2e.json.
#
#   E2E_IMAGES    an archive of images to test, in place of those that are built now
#   E2E_EARLIER   the revision from which the upgrade begins (default: the last tag); its images are built once
#   E2E_SETTINGS  further `--set` of every installation, with spaces between
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${LEDGE_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ledge/build}
prefix=ledge.local/earlier
if [ -n "${KUBECONFIG:-}" ]; then exec .venv/bin/pytest -m cluster tests/cluster "$@"; fi

models=$(mktemp -d "${TMPDIR:-/tmp}/ledge-models.XXXXXX")
began=$(date +%s)
step() { printf '%s: %d s from the start\n' "$1" "$(( $(date +%s) - began ))"; }
trap 'step "tests have ended"; python3 deploy/testbed/testbed.py down; rm -rf "$models"; step "all is down"' EXIT

images=(${E2E_IMAGES:-build/images/ledge-images.tar})
[ -n "${E2E_IMAGES:-}" ] || { deploy/images.sh; step "images are built"; }
earlier=${E2E_EARLIER:-$(git describe --tags --abbrev=0 2>/dev/null || true)}
if [ -n "$earlier" ]; then
  from=$cache/earlier-$(git rev-parse --short=12 "$earlier^{commit}")
  if [ ! -d "$from" ]; then
    tree=$models/tree
    git worktree add --quiet --detach "$tree" "$earlier"
    (cd "$tree" && PYTHON="$OLDPWD/.venv/bin/python" LEDGE_IMAGE_PREFIX=$prefix deploy/images.sh)
    mkdir -p "$from.partial" && mv "$tree/build/images/ledge-images.tar" "$from.partial/images.tar"
    cp -rL "$tree/helm" "$from.partial/helm" && mv "$from.partial" "$from"
    git worktree remove --force "$tree"
    step "images of $earlier are built"
  fi
  images+=("$from/images.tar")
  export E2E_EARLIER_CHART=$from/helm/ledge E2E_EARLIER_SETTINGS=image.prefix=$prefix
fi
# The chart's pods read models as the user of the images, and its Job locks what it verifies.
mkdir "$models/store"
LEDGE_MODELS_DIR=$models/store .venv/bin/ledge models pull --profile embedded-cpu
chown -R 10001:10001 "$models/store" && chmod 0755 "$models" "$models/store"
python3 deploy/testbed/testbed.py up --images "${images[@]}" --models "$models/store"
step "the cluster is up"
E2E_MODELS_CLASS=testbed-models python3 deploy/testbed/testbed.py run .venv/bin/pytest -m cluster tests/cluster "$@"
