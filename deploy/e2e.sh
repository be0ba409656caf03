#!/usr/bin/env bash
# The tests of tests/cluster on a real cluster: the one that KUBECONFIG names, or a test bed made for them and ended after.
# With a KUBECONFIG, nodes must have the images and a way to the models' hub, and the cluster a default storage class:
# the chart's Job takes the models into it, unless E2E_MODELS_CLASS names a class whose volume holds them already. What
# was measured is written to build/e2e.json.
#
#   E2E_IMAGES    an archive of images to test, in place of those that are built now
#   E2E_EARLIER   the revision from which the upgrade begins (default: deploy/e2e-earlier; empty: no upgrade); its images
#                 are built once
#   E2E_SETTINGS  further `--set` of every installation, with spaces between
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${LEDGE_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ledge/build}
prefix=ledge.local/earlier
if [ -n "${KUBECONFIG:-}" ]; then exec .venv/bin/pytest -m cluster tests/cluster "$@"; fi

testbed() { python3 deploy/testbed/testbed.py "$@"; }
testbed check
models=$(mktemp -d "${TMPDIR:-/tmp}/ledge-models.XXXXXX")
is_ours= too_large=
began=$(date +%s)
figure() { python3 -m tests.cluster.figures "$@"; }
step() {
  local seconds=$(( $(date +%s) - began ))
  printf '%s: %d s from the start\n' "$1" "$seconds"
  figure ended_after_s "$1" "$seconds"
}
end() {
  # Somebody else may have brought one up while images were built: what is not ours stays.
  if [ -n "$is_ours" ]; then step "tests have ended" || true; testbed down || true; step "all is down" || true; fi
  rm -rf "$models"
  git worktree prune 2>/dev/null || true
}
trap end EXIT
rm -f "${E2E_FIGURES:-build/e2e.json}"

images=(${E2E_IMAGES:-build/images/ledge-images.tar})
if [ -z "${E2E_IMAGES:-}" ]; then
  rm -f build/images/sizes.json
  # Sizes are told last: where they are, all is built and can be tested, and a budget that is not kept fails the end.
  if ! LEDGE_ENFORCE_SIZES=yes deploy/images.sh; then [ -f build/images/sizes.json ] || exit 1; too_large=yes; fi
  step "images are built"
  [ ! -f build/images/sizes.json ] || figure images sizes "$(cat build/images/sizes.json)"
fi
earlier=${E2E_EARLIER-$(cat deploy/e2e-earlier)}
if [ -z "$earlier" ]; then
  export E2E_EARLIER_MISSING="E2E_EARLIER is empty: nothing to upgrade from"
elif ! commit=$(git rev-parse --verify --quiet --short=12 "$earlier^{commit}"); then
  export E2E_EARLIER_MISSING="the revision $earlier is not in this clone, so nothing is there to upgrade from"
  printf '\n!!! %s; fetch it, or name another by E2E_EARLIER\n\n' "$E2E_EARLIER_MISSING" >&2
else
  from=$cache/earlier-$commit
  if [ ! -d "$from" ]; then
    tree=$models/tree
    git worktree add --quiet --detach "$tree" "$commit"
    (cd "$tree" && PYTHON="$OLDPWD/.venv/bin/python" LEDGE_IMAGE_PREFIX=$prefix deploy/images.sh)
    rm -rf "$from.partial" && mkdir -p "$from.partial"
    mv "$tree/build/images/ledge-images.tar" "$from.partial/images.tar"
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
testbed check
is_ours=yes
testbed up --images "${images[@]}" --models "$models/store"
step "the cluster is up"
E2E_MODELS_CLASS=testbed-models testbed run .venv/bin/pytest -m cluster tests/cluster "$@"
[ -z "$too_large" ] || { echo "images weigh more than their budgets: see OVER above" >&2; exit 1; }
