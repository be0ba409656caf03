"""A whole installation in one folder, for a site without a connection: made, verified, installed by one command each.

    python3 deploy/airgap make ledge-bundle --profile cpu          # where there is a connection, in a checkout
    python3 ledge-bundle/airgap verify                             # anywhere, without a network
    python3 ledge-bundle/airgap install                            # at the site

Verifying and installing need Python 3.10 and nothing else of Python; the bundle carries this program.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

# A bundle that was read stays as it was: nothing is compiled into it.
sys.dont_write_bytecode = True

from refusal import RefusedError  # noqa: E402

HERE = Path(__file__).resolve().parent
CARRIED = HERE.parent
"""The bundle that this program lies in, where it lies in one."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="airgap", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _make_options(commands.add_parser("make", help="put everything into a folder"))
    verifying = commands.add_parser("verify", help="read every byte of a bundle")
    installing = commands.add_parser("install", help="verify, then images, models, chart")
    for each in (verifying, installing):
        each.add_argument("bundle", type=Path, nargs="?", default=CARRIED)
        each.add_argument("--key", type=Path, help="public key (PEM) of whoever must have signed the bundle")
    _install_options(installing)
    signing = commands.add_parser("sign", help="sign a bundle that was made, where the key is")
    signing.add_argument("bundle", type=Path)
    signing.add_argument("key", type=Path, help="private key (PEM; RSA, P-256 or Ed25519)")
    pushing = commands.add_parser("push", help="images that were built here to a registry, without a bundle")
    pushing.add_argument("images", type=Path, help="what deploy/images.sh left: build/images/ledge-images.tar")
    pushing.add_argument("registry", metavar="HOST/FOLDER")
    _registry_options(pushing)
    chosen = parser.parse_args()
    try:
        {"make": _make, "verify": _verify, "install": _install, "sign": _sign, "push": _push}[chosen.command](chosen)
    except RefusedError as error:
        sys.exit(f"airgap: {error}")
    except OSError as error:
        sys.exit(f"airgap: {error.filename or 'the machine'}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit("airgap: broken off; run the same again, it goes on where it was")


def _make_options(parser: argparse.ArgumentParser) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ledge"
    parser.add_argument("bundle", type=Path, help="the folder to make, or to go on with")
    parser.add_argument("--profile", default="embedded-cpu", help="whose values and models (default: embedded-cpu)")
    parser.add_argument(
        "--images", type=Path, default=HERE.parent.parent / "build" / "images" / "ledge-images.tar", metavar="FILE",
        help="images, as deploy/images.sh leaves them",
    )  # fmt: skip
    parser.add_argument(
        "--models-dir", type=Path, default=Path(os.environ.get("LEDGE_MODELS_DIR") or cache / "models"), metavar="DIR",
        help="the model store (`ledge models pull --profile …` fills it)",
    )  # fmt: skip
    parser.add_argument(
        "--values", type=Path, action="append", default=[], metavar="FILE", help="the site's own values"
    )
    parser.add_argument("--helm", type=Path, help="default: what `make helm` built, or that of the PATH")
    parser.add_argument("--without-helm", action="store_true", help="do not carry helm itself")
    parser.add_argument("--wheels", action="store_true", help="carry the `ledge` command for a desk, as wheels")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="private key (PEM; RSA, P-256 or Ed25519)")


def _install_options(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--k3s", type=Path, nargs="?", const=Path(), metavar="DIR", help="images into k3s' folder")
    where.add_argument("--containerd", type=Path, metavar="SOCKET", help="images into this containerd")
    where.add_argument("--registry", metavar="HOST/FOLDER", help="images to this registry, from which nodes pull")
    _registry_options(parser)
    parser.add_argument("--models-dir", type=Path, help="models into this folder of the node (hostPath), not a claim")
    parser.add_argument("--only", choices=("images", "models", "chart"), action="append", help="these steps alone")
    parser.add_argument("--name", default="ledge", help="of the release")
    parser.add_argument("--namespace", default="ledge")
    parser.add_argument("--storage-class", default="", help="of the models' claim")
    parser.add_argument("--values", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--kubectl", default="kubectl", help="the command for the cluster, `k3s kubectl`")


def _registry_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plain-http", action="store_true", help="the registry speaks HTTP")
    parser.add_argument("--authority", type=Path, help="certificate authority (PEM) of the registry")


def _tell(line: str) -> None:
    print(line, flush=True)


def _make(chosen: argparse.Namespace) -> None:
    from making import Choice, make

    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ledge" / "bin" / "helm"
    helm = chosen.helm or (cached if cached.exists() else None) or shutil.which("helm")
    if helm is None:
        raise RefusedError("helm is not here: `make helm` builds it, or name one with --helm")
    choice = Choice(
        chosen.profile, chosen.images, chosen.models_dir, Path(helm).resolve(), tuple(chosen.values),
        not chosen.without_helm, chosen.wheels, chosen.sign,
    )  # fmt: skip
    made = make(chosen.bundle, choice, _tell)
    _tell(f"{chosen.bundle}: {len(made.files)} files, {made.size_bytes / 1e6:.0f} MB, for {made.architecture}")


def _verify(chosen: argparse.Namespace) -> None:
    from verifying import verify

    found = verify(chosen.bundle, chosen.key, _tell)
    _tell(f"{chosen.bundle}: whole: {len(found.images)} images, {len(found.models)} models, {found.architecture}")


def _sign(chosen: argparse.Namespace) -> None:
    from signing import sign
    from verifying import verify

    verify(chosen.bundle, None, lambda line: None)
    sign(chosen.bundle, chosen.key)
    _tell(f"{chosen.bundle}: whole, and signed")


def _push(chosen: argparse.Namespace) -> None:
    import nodes
    from registry import Registry

    nodes.to_registry(chosen.images, Registry(chosen.registry, chosen.plain_http, chosen.authority), _tell)


def _install(chosen: argparse.Namespace) -> None:
    import nodes
    from model_archive import fill, give_to_images
    from registry import Registry
    from release import Release
    from verifying import IMAGES, MODELS, told_of_signature, verify

    registry = Registry(chosen.registry, chosen.plain_http, chosen.authority) if chosen.registry else None
    k3s = nodes.K3S_IMAGES if chosen.k3s in (None, Path()) else chosen.k3s
    manifest = verify(chosen.bundle, chosen.key, lambda line: None)
    _tell(
        f"{chosen.bundle}: every byte is as its manifest says, which is {told_of_signature(chosen.bundle, chosen.key)}"
    )
    steps = chosen.only or ["images", "models", "chart"]
    if registry is None:
        nodes.refuse_another_architecture(manifest)
    if "images" in steps:
        if registry is not None:
            nodes.to_registry(chosen.bundle / IMAGES, registry, _tell)
        elif chosen.containerd:
            nodes.to_containerd(chosen.bundle, manifest, chosen.containerd, _tell)
        elif chosen.k3s is not None or k3s.parent.is_dir():
            nodes.to_k3s(chosen.bundle, k3s, _tell)
        else:
            raise RefusedError("say where images go: --k3s, --containerd SOCKET or --registry HOST/FOLDER")
    release = Release(
        chosen.bundle, manifest, chosen.name, chosen.namespace, chosen.registry, chosen.storage_class, chosen.values,
        chosen.set, shlex.split(chosen.kubectl),
    )  # fmt: skip
    if "chart" in steps or ("models" in steps and manifest.models and not chosen.models_dir):
        release.prepare(_tell)
    if "models" in steps and chosen.models_dir and manifest.models:
        folder = chosen.models_dir.absolute()
        written = fill(chosen.bundle / MODELS, folder)
        pinned = chosen.bundle / "models" / "pinned.yaml"
        if pinned.is_file():
            shutil.copyfile(pinned, folder / "pinned.yaml")
            give_to_images(folder / "pinned.yaml")
        _tell(f"{folder}: {written} files written, the others were there")
    elif "models" in steps:
        release.fill_models(_tell)
    if "chart" in steps:
        release.install(chosen.models_dir and chosen.models_dir.absolute(), _tell)


if __name__ == "__main__":
    main()
