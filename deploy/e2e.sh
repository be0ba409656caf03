#!/usr/bin/env bash
# The tests of tests/cluster on a real cluster: the one that KUBECONFIG names, or a test bed made for them and ended after.
# With a KUBECONFIG, nodes must have the images (LEDGE_IMAGE_TAG) and the cluster a default storage class.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${KUBECONFIG:-}" ]; then exec .venv/bin/pytest -m cluster tests/cluster "$@"; fi

models=$(mktemp -d "${TMPDIR:-/tmp}/ledge-models.XXXXXX")
trap 'python3 deploy/testbed/testbed.py down; rm -rf "$models"' EXIT
deploy/images.sh
# The chart's pods read models as the user of the images, and its Job locks what it verifies.
LEDGE_MODELS_DIR=$models .venv/bin/ledge models pull --profile embedded-cpu
chown -R 10001:10001 "$models" && chmod 0755 "$models"
python3 deploy/testbed/testbed.py up --images build/images/ledge-images.tar --models "$models"
E2E_MODELS_CLASS=testbed-models python3 deploy/testbed/testbed.py run .venv/bin/pytest -m cluster tests/cluster "$@"
