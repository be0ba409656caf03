#!/usr/bin/env bash
# Writes go.mod for another release of Kubernetes: `gen.sh v1.36.2`, then `go mod tidy`. Kubernetes' own go.mod points at
# folders of its repository, which a module that requires it has to replace with their published versions.
set -euo pipefail
cd "$(dirname "$0")"
version=${1:?say which release}
staging=v0.${version#v1.}
theirs=$(cd / && go list -m -f '{{.GoMod}}' "k8s.io/kubernetes@$version")
{
  printf 'module ledge/testbed/kube\n\n'
  grep -E '^(go|godebug) ' "$theirs"
  printf '\nrequire k8s.io/kubernetes %s\n\nreplace (\n' "$version"
  sed -nE "s#^\s*(k8s.io/[a-z-]+) => ./staging/src/.*#\t\1 => \1 $staging#p" "$theirs"
  printf ')\n'
} > go.mod
