#!/usr/bin/env python3
"""A real Kubernetes on this machine, for tests: `testbed.py up`, `testbed.py run helm list`, `testbed.py down`.

Needs root, Debian's packages (it says which), and Go for the first time. README.md beside this file says more.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from binaries import build_all, cache_directory
from place import Place
from starting import Starting, refuse_a_second
from stopping import bring_down


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring the cluster up")
    up.add_argument("--images", type=Path, nargs="*", default=[], help="archives of images to load")
    up.add_argument("--models", type=Path, help="a model store, offered as a volume of the class testbed-models")
    load = commands.add_parser("load", help="load archives of images")
    load.add_argument("images", type=Path, nargs="+")
    run = commands.add_parser("run", help="run a command in the cluster's network, as its administrator")
    run.add_argument("words", nargs=argparse.REMAINDER)
    commands.add_parser("down", help="end it, leaving nothing")
    commands.add_parser("build", help="build its programs, so that `up` finds them")
    commands.add_parser("check", help="say why none can be brought up now, if so")
    chosen = parser.parse_args()

    place = Place.from_environment()
    match chosen.command:
        case "build":
            build_all()
        case "check":
            refuse_a_second(place)
            _needs_root()
        case "up":
            _needs_root()
            Starting(place).bring_up(chosen.images, chosen.models)
            print(f"the cluster is up: {Path(__file__)} run kubectl get pods -A")
        case "load":
            for archive in chosen.images:
                Starting(place).load(archive)
        case "run":
            if not chosen.words:
                raise SystemExit("say what to run: testbed.py run kubectl get nodes")
            if not place.kubeconfig.exists():
                raise SystemExit("no test bed is up: `testbed.py up`")
            path = f"{place.programs}:{cache_directory().parent / 'bin'}:{os.environ.get('PATH', os.defpath)}"
            environment = {**os.environ, "KUBECONFIG": str(place.kubeconfig), "PATH": path}
            words = place.inside(["env", f"PATH={path}", *chosen.words])
            os.execvpe(words[0], words, environment)  # noqa: S606
        case "down":
            _needs_root()
            began_s = time.monotonic()
            left = bring_down(place)
            print(f"down in {time.monotonic() - began_s:.1f} s")
            if left:
                sys.exit("left: " + "; ".join(left))


def _needs_root() -> None:
    if os.geteuid() != 0:
        raise SystemExit("network namespaces and containers need root")


if __name__ == "__main__":
    main()
