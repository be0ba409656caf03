"""Fixes an entry that ships without sums to one revision of its repository, with the sum of every file.

The hub's API tells the revision's commit and the sha256 of large files; small ones are fetched and summed. The result
joins `pinned.yaml` beside the models, which is read on top of the shipped catalogue: from then on every pull, on every
machine that has that file, is of these bytes or none.
"""

import fnmatch
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import yaml

from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models.catalog import CatalogEntry, ModelFile
from services.kit.models.disk import replace_durably
from services.kit.models.fetch import Network
from services.kit.models.source import HubSource, parse_source
from services.kit.models.web import web_client

PINNED = "pinned.yaml"
MAX_SUMMED_BYTES = 64 * 2**20
"""A larger file whose sum the hub does not tell is not fetched twice."""
MAX_LISTED = 10_000


def pin(entry: CatalogEntry, store: Path, network: Network) -> CatalogEntry:
    """The entry with its files; also written into the store's `pinned.yaml`.

    Raises:
        InvalidInput: there is nothing to pin.
        EngineFailed: the hub cannot be asked, or has not what the entry wants.
    """
    hubs = [source for source in map(parse_source, entry.sources) if isinstance(source, HubSource)]
    if not entry.unpinned or not hubs:
        raise InvalidInput(f"model {entry.id!r} has its sums already")
    if network.offline:
        raise InvalidInput("LEDGE_OFFLINE is set: pin where there is a connection, and bring pinned.yaml along")
    token = network.hub_token
    headers = {"authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    with web_client() as client:
        commit, files = _listed(client, hubs[0], entry, network.hub_endpoint, headers)
    source = f"hf://{hubs[0].repository}@{commit}" + (f"#{hubs[0].folder}" if hubs[0].folder else "")
    told = entry.model_dump(mode="json", exclude_none=True) | {
        "files": [file.model_dump() for file in files],
        "sources": [source],
        "unpinned": [],
    }
    pinned = CatalogEntry.model_validate(told)
    _write(store / PINNED, pinned)
    return pinned


def _listed(
    client: httpx.Client, hub: HubSource, entry: CatalogEntry, endpoint: str, headers: dict[str, str]
) -> tuple[str, list[ModelFile]]:
    address = f"{endpoint.rstrip('/')}/api/models/{hub.repository}/revision/{quote(hub.revision, safe='')}?blobs=true"
    told = _get(client, address, headers, entry).json()
    try:
        commit, siblings = str(told["sha"]), told["siblings"][:MAX_LISTED]
        folder = f"{hub.folder}/" if hub.folder else ""
        chosen = {
            str(one["rfilename"]).removeprefix(folder): one
            for one in siblings
            if one["rfilename"].startswith(folder)
            and any(fnmatch.fnmatchcase(one["rfilename"].removeprefix(folder), wanted) for wanted in entry.unpinned)
        }
        for wanted in entry.unpinned:
            if not any(fnmatch.fnmatchcase(path, wanted) for path in chosen):
                raise EngineFailed(f"{hub.repository} has no file {wanted}")
        at = HubSource(hub.repository, commit, hub.folder)
        return commit, [
            ModelFile(
                path=path, size_bytes=int(one["size"]), sha256=_sum(client, at, path, one, endpoint, headers, entry)
            )
            for path, one in sorted(chosen.items())
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise EngineFailed(f"the hub tells of {hub.repository} in a form that is not known here: {error}") from error


def _sum(
    client: httpx.Client,
    hub: HubSource,
    path: str,
    told: dict[str, Any],
    endpoint: str,
    headers: dict[str, str],
    entry: CatalogEntry,
) -> str:
    if isinstance(large := told.get("lfs"), dict):
        return str(large["sha256"])
    if int(told["size"]) > MAX_SUMMED_BYTES:
        raise EngineFailed(f"the hub tells no sum of {path}, and it is large")
    content = _get(client, hub.url(endpoint, path), headers, entry).content
    if len(content) != int(told["size"]):
        raise EngineFailed(f"{path} came with {len(content)} bytes instead of {told['size']}")
    return hashlib.sha256(content).hexdigest()


def _get(client: httpx.Client, address: str, headers: dict[str, str], entry: CatalogEntry) -> httpx.Response:
    try:
        response = client.get(address, headers=headers)
    except httpx.HTTPError as error:
        raise EngineFailed(f"the hub cannot be asked about model {entry.id!r}: {error}") from error
    if response.status_code in (401, 403):
        raise EngineFailed(f"the hub refuses {entry.id!r}: accept its licence there, and set HF_TOKEN")
    if response.status_code != httpx.codes.OK:
        raise EngineFailed(f"the hub answers HTTP {response.status_code} about model {entry.id!r}")
    return response


def _write(path: Path, entry: CatalogEntry) -> None:
    there = yaml.safe_load(path.read_text())["models"] if path.exists() else []
    kept = [one for one in there if one["id"] != entry.id]
    told = entry.model_dump(mode="json", exclude_none=True)
    temporary = path.with_suffix(".partial")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(
        "# Written by `ledge models pin`: revisions and sums as the hub told them then.\n"
        + yaml.safe_dump({"models": [*kept, told]}, sort_keys=False)
    )
    replace_durably(temporary, path)
