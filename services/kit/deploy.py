"""Where the data files that ship with Ledge lie: the catalogue, the profiles, the sample documents."""

import os
from pathlib import Path

import services


def deploy_directory() -> Path:
    """`LEDGE_DEPLOY_DIR`, else the folder `deploy` beside the package `services`, in a checkout and installed alike."""
    override = os.environ.get("LEDGE_DEPLOY_DIR")
    if override:
        return Path(override).expanduser()
    return Path(next(iter(services.__path__))).parent / "deploy"
