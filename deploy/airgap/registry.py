"""Pushes the images of an archive to a registry, by OCI's distribution protocol; what is there is not sent again.

Credentials are those of `docker login` or `podman login`, or LEDGE_REGISTRY_USER and LEDGE_REGISTRY_PASSWORD. They,
and tokens given for them, go by TLS, or to this machine itself.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlencode, urljoin, urlsplit

from oci_archive import Blob, Image, OciArchive
from refusal import RefusedError

TIMEOUT_S = 60
MAX_ANSWER_BYTES = 1 << 20
PLACE = re.compile(r"([\w.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)((?:/[a-z0-9][a-z0-9._-]*)*)", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """What a registry said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Registry:
    """A registry and the folder of it that images go to, `registry.example.com:5000/ai`."""

    def __init__(self, place: str, plain_http: bool = False, authority: Path | None = None) -> None:
        match = PLACE.fullmatch(place)
        if match is None:
            raise RefusedError(f"{place!r} is no registry: name it like registry.example.com:5000/ai")
        self.host, self.folder = match[1], match[2].strip("/")
        self._scheme = "http" if plain_http else "https"
        self._tls = ssl.create_default_context(cafile=str(authority) if authority else None)
        self._authorization: dict[str, str] = {}

    def push(self, archive: OciArchive, image: Image) -> str:
        """Returns the name under which the image is there. Raises RefusedError."""
        repository, tag = self._name(image)
        for blob in image.blobs:
            self._push_blob(archive, repository, blob)
        with archive.open(image.manifest.digest) as content:
            text = content.read()
        headers = {"Content-Type": image.media_type}
        answer = self._call("PUT", f"/v2/{repository}/manifests/{tag}", repository, headers, text)
        self._expect(answer, {201}, f"{repository}:{tag}")
        return f"{self.host}/{repository}:{tag}"

    def _name(self, image: Image) -> tuple[str, str]:
        """In the folder given, without the registry that the archive names."""
        name, _, tag = image.name.rpartition(":")
        first, _, rest = name.partition("/")
        name = rest if "." in first or ":" in first or first == "localhost" else name
        return "/".join(part for part in (self.folder, name) if part), tag

    def _push_blob(self, archive: OciArchive, repository: str, blob: Blob) -> None:
        if self._call("HEAD", f"/v2/{repository}/blobs/{blob.digest}", repository).status == 200:
            return
        answer = self._call("POST", f"/v2/{repository}/blobs/uploads/", repository, {"Content-Length": "0"})
        self._expect(answer, {202}, f"the upload of {blob.digest}")
        where = urlsplit(urljoin(f"{self._origin}/", answer.headers.get("location", "")))
        if where.netloc != self.host:
            raise RefusedError(f"{self.host} wants uploads sent to {where.netloc}: push to that registry by name")
        query = "&".join(part for part in (where.query, urlencode({"digest": blob.digest})) if part)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size_bytes)}
        with archive.open(blob.digest) as content:
            answer = self._call("PUT", f"{where.path}?{query}", repository, headers, content)
        self._expect(answer, {201}, blob.digest)

    def _call(
        self,
        method: str,
        path: str,
        repository: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | IO[bytes] | None = None,
    ) -> Answer:
        answer = self._send(self._origin, method, path, {**(headers or {}), **self._authorization}, body)
        if answer.status == 401 and not isinstance(body, bytes | None):
            raise RefusedError(f"{self.host} does not let these credentials write to {repository}")
        if answer.status == 401:
            self._authorization = self._authorized(answer.headers.get("www-authenticate", ""), repository)
            answer = self._send(self._origin, method, path, {**(headers or {}), **self._authorization}, body)
        return answer

    def _authorized(self, challenge: str, repository: str) -> dict[str, str]:
        """As the registry asks for it: the password itself, or a token that another server gives for it."""
        basic = _credentials(self.host)
        if basic:
            _refuse_if_overheard(self._origin)
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic" and basic:
            return {"Authorization": f"Basic {basic}"}
        if kind.lower() == "bearer":
            asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
            realm = urlsplit(asked.get("realm", ""))
            if realm.scheme in ("https", self._scheme) and realm.netloc:
                where = f"{realm.scheme}://{realm.netloc}"
                if basic:
                    _refuse_if_overheard(where)
                query = urlencode({"service": asked.get("service", ""), "scope": f"repository:{repository}:pull,push"})
                headers = {"Authorization": f"Basic {basic}"} if basic else {}
                answer = self._send(where, "GET", f"{realm.path}?{query}", headers, None)
                if answer.status == 200:
                    told = json.loads(answer.body)
                    return {"Authorization": f"Bearer {told.get('token') or told['access_token']}"}
        raise RefusedError(
            f"{self.host} asks who pushes to {repository}: run `docker login {self.host}`, or set LEDGE_REGISTRY_USER "
            "and LEDGE_REGISTRY_PASSWORD"
        )

    def _send(
        self, origin: str, method: str, path: str, headers: Mapping[str, str], body: bytes | IO[bytes] | None
    ) -> Answer:
        scheme, _, host = origin.partition("://")
        connection = (
            http.client.HTTPConnection(host, timeout=TIMEOUT_S)
            if scheme == "http"
            else http.client.HTTPSConnection(host, timeout=TIMEOUT_S, context=self._tls)
        )
        try:
            connection.request(method, path, body=body, headers=dict(headers))
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read(MAX_ANSWER_BYTES))
        except (OSError, http.client.HTTPException) as error:
            raise RefusedError(f"{host} cannot be reached, or broke off: {error!r}; run the same again") from None
        finally:
            connection.close()

    def _expect(self, answer: Answer, statuses: set[int], what: str) -> None:
        if answer.status not in statuses:
            told = answer.body.decode(errors="replace").strip()[:300]
            raise RefusedError(f"{self.host} does not take {what}: {answer.status} {told}")

    @property
    def _origin(self) -> str:
        return f"{self._scheme}://{self.host}"


def _refuse_if_overheard(origin: str) -> None:
    """Before a password or what was given for it is sent there."""
    where = urlsplit(origin)
    if where.scheme == "https":
        return
    name = where.hostname or ""
    try:
        is_here = name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise RefusedError(
            f"{where.netloc} asks who pushes, and by HTTP whoever is on the way would read the password: give that "
            "registry TLS (--authority names its certificate authority) and leave --plain-http off"
        )


def _credentials(host: str) -> str:
    """User and password in base64, or nothing."""
    user, password = os.environ.get("LEDGE_REGISTRY_USER"), os.environ.get("LEDGE_REGISTRY_PASSWORD")
    if user and password:
        return base64.b64encode(f"{user}:{password}".encode()).decode()
    for folder in (os.environ.get("DOCKER_CONFIG"), os.environ.get("XDG_RUNTIME_DIR"), Path.home() / ".docker"):
        if folder is None:
            continue
        for file in (Path(folder) / "config.json", Path(folder) / "containers" / "auth.json"):
            try:
                return str(json.loads(file.read_text(encoding="utf-8"))["auths"][host]["auth"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return ""
