#!/usr/bin/env bash
# Prints the path of helm; builds it from its Go module where the cache has it not: `get-helm.sh [VERSION]`.
#
# No registry of binaries is asked. It takes some two minutes on two cores, once a version: what is built lies in the
# user's cache, outside of the checkout. Go older than helm wants fetches a newer one, which is a Go module as well.
# Exit 3: there is no Go here.
set -euo pipefail
default=v4.2.4
version=${1:-$default}
cache=${LEDGE_BIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ledge/bin}
helm=$cache/helm-$version
# Under its plain name for whoever has that folder in the PATH; the default version alone.
name() { [ "$version" != "$default" ] || ln -sfn "helm-$version" "$cache/helm"; echo "$helm"; }
[ ! -x "$helm" ] || { name; exit 0; }
command -v go >/dev/null || { echo "helm is built with Go, which is not here: on Debian, as root, apt-get install golang" >&2; exit 3; }
case $version in v3.*) module=helm.sh/helm/v3/cmd/helm ;; *) module=helm.sh/helm/v4/cmd/helm ;; esac
mkdir -p "$cache"
building=$(mktemp -d "$cache/.building-XXXXXX")
trap 'rm -rf "$building"' EXIT
echo "building helm $version, once" >&2
go=go
if ! go version | grep -Eq 'go1\.(2[1-9]|[3-9][0-9])'; then
  # Older than the switching of toolchains, so it is fetched by hand; a module's files lose their modes.
  toolchain=v0.0.1-go1.26.0.$(go env GOOS)-$(go env GOARCH)
  folder=$(cd "$building" && go mod download -json "golang.org/toolchain@$toolchain" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
  chmod -R u+w "$folder" && chmod +x "$folder"/bin/* "$folder"/pkg/tool/*/*
  go=$folder/bin/go
fi
GOTOOLCHAIN=auto GOBIN=$building CGO_ENABLED=0 nice -n 19 "$go" install -trimpath -ldflags='-s -w' "$module@$version" >&2
mv "$building/helm" "$helm"
name
