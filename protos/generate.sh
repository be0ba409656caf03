#!/bin/sh
# Generates protos/gen from the contracts, with the Python that has the `dev` extra.
set -eu
cd "$(dirname "$0")"
python="${PYTHON:-../.venv/bin/python}"
out="${1:-gen}"
mkdir -p "$out"
find ledge riva_compat keda_compat -name '*.proto' | LC_ALL=C sort | xargs env PATH="$(dirname "$python"):$PATH" "$python" -m grpc_tools.protoc -I . \
  --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" --mypy_grpc_out="$out"
# Every folder is a package.
find "$out/ledge" "$out/riva_compat" "$out/keda_compat" -type d ! -name __pycache__ -exec touch {}/__init__.py \;
