"""One pod at a time loads its model on a GPU: whoever loads holds a Lease of Kubernetes for it, and renews it.

Two engines that start on one GPU at once each measure its free memory while the other still fills it, and size
themselves wrongly. So a pod, before it loads:

    absent ──create──► mine        held by another, renewed ──look again──► …
    free, mine, or not renewed for as long as it says ──replace──► mine ──load──► given back (no holder)

Each write names the version it has read; where another was faster the API server refuses it (409), and the pod looks
again. As in client-go, whether a holder has died is judged by this pod's clock alone: from when it last saw the Lease
change. A holder that dies gives way when its Lease has run out. Off unless LEDGE_LOADING_LEASE names one.
"""

import asyncio
import contextlib
import logging
import os
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.kit.config import ServiceConfig
from services.kit.errors import LedgeError, NotReady
from services.kit.kubernetes_access import Access, connect, told

log = logging.getLogger("ledge.loading")
LEASE_S = 15
"""How long a Lease holds without being renewed."""
RENEW_EVERY_S = 4.0
LOOK_EVERY_S = 1.0
CALL_TIMEOUT_S = 5
_UUID = re.compile(r"(GPU|MIG)-[0-9A-Fa-f-]{8,}")


@dataclass
class Turn:
    """The turn at one Lease. `try_to_take` and `give_back` in one thread at a time; renewing is a thread of its own."""

    access: Access
    lease: str
    holder: str
    """This pod's name: its next container takes the Lease that its last one left."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the Lease, so that who removes the release finds it."""
    clock: Callable[[], float] = time.monotonic
    _seen_version: str = ""
    _seen_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _renewing: threading.Thread | None = None

    def try_to_take(self) -> str | None:
        """None when the Lease is this pod's now, else who holds it ("" where another was faster by a moment).

        Raises:
            NotReady: the cluster cannot be reached, or cannot now. EngineFailed: it does not let this pod.
        """
        held = self._read()
        if held is None:
            return None if self._write(self._spec(0), None) else ""
        spec, version = held.spec, str(held.metadata.resource_version)
        other = (spec.holder_identity or "") if spec else ""
        if other not in ("", self.holder) and not self._has_run_out(version, spec):
            return other
        transitions = (spec.lease_transitions or 0) if spec else 0
        return None if self._write(self._spec(transitions + 1), held) else ""

    def keep(self) -> None:
        """Renews it until it is given back."""
        self._renewing = threading.Thread(target=self._renew, name="loading-turn", daemon=True)
        self._renewing.start()

    def give_back(self) -> None:
        """Frees it for the next; where that fails it runs out by itself."""
        self._stop.set()
        if self._renewing is not None:
            self._renewing.join()
        try:
            held = self._read()
            if self._is_mine(held):
                held.spec.holder_identity = ""
                self._write(held.spec, held)
        except Exception as error:  # whatever it is: the model has loaded, and the service serves
            reason = error.message if isinstance(error, LedgeError) else repr(error)
            log.warning("the turn at loading could not be given back and will run out", extra={"reason": reason})

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_EVERY_S):
            try:
                held = self._read()
                if not self._is_mine(held):
                    log.warning("lost the turn at loading while loading", extra={"lease": self.lease})
                    return
                held.spec.renew_time = _now()
                self._write(held.spec, held)
            except LedgeError as error:
                log.warning("the turn at loading could not be renewed", extra={"reason": error.message})

    def _is_mine(self, held: Any) -> bool:
        return held is not None and held.spec is not None and bool(held.spec.holder_identity == self.holder)

    def _has_run_out(self, version: str, spec: Any) -> bool:
        now_s = self.clock()
        if version != self._seen_version:
            self._seen_version, self._seen_s = version, now_s
        return now_s - self._seen_s > (spec.lease_duration_seconds or LEASE_S)

    def _spec(self, transitions: int) -> Any:
        from kubernetes import client

        now = _now()
        return client.V1LeaseSpec(
            holder_identity=self.holder,
            lease_duration_seconds=LEASE_S,
            acquire_time=now,
            renew_time=now,
            lease_transitions=transitions,
        )

    def _read(self) -> Any:
        """The Lease; None where there is none."""
        with self._call("get") as api, _absent():
            return api.read_namespaced_lease(self.lease, self.access.namespace, _request_timeout=CALL_TIMEOUT_S)
        return None

    def _write(self, spec: Any, held: Any) -> bool:
        """False where another has written or deleted it since `held` was read."""
        from kubernetes import client
        from kubernetes.client.exceptions import ApiException

        metadata = client.V1ObjectMeta(
            name=self.lease, namespace=self.access.namespace, labels=dict(self.labels) or None
        )
        verb = "create" if held is None else "update"
        with self._call(verb) as api:
            try:
                if held is None:
                    body = client.V1Lease(metadata=metadata, spec=spec)
                    api.create_namespaced_lease(self.access.namespace, body, _request_timeout=CALL_TIMEOUT_S)
                else:
                    metadata.resource_version = held.metadata.resource_version
                    body = client.V1Lease(metadata=metadata, spec=spec)
                    api.replace_namespaced_lease(
                        self.lease, self.access.namespace, body, _request_timeout=CALL_TIMEOUT_S
                    )
            except ApiException as error:
                if error.status == 409 or (error.status == 404 and held is not None):
                    return False
                raise
        return True

    @contextlib.contextmanager
    def _call(self, verb: str) -> Iterator[Any]:
        from kubernetes import client

        with told(f"{verb} leases in {self.access.namespace}, which turns at loading need", self.access.host):
            yield client.CoordinationV1Api(self.access.client)


@contextlib.asynccontextmanager
async def loading_turn(config: ServiceConfig, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """The block runs while this pod alone may load on its GPUs; at once where no Lease is named.

    Args:
        tell: takes what is waited for, at once and when it changes.

    Raises:
        NotReady: the others took longer than `loading_wait_s`.
        EngineFailed: the cluster does not let this pod, or the package `kubernetes` is not installed.
    """
    if config.loading_lease is None:
        yield
        return
    access = await asyncio.to_thread(connect)
    names = lease_names(config.loading_lease, config.node_name, os.environ.get("NVIDIA_VISIBLE_DEVICES", ""))
    labels = {"app.kubernetes.io/instance": config.loading_release} if config.loading_release else {}
    ends_s = time.monotonic() + config.loading_wait_s
    taken: list[Turn] = []
    try:
        # In one order by everybody, so that nobody waits in a circle.
        for name in names:
            turn = Turn(access, name, socket.gethostname(), labels)
            await _take(turn, ends_s, config.loading_wait_s, tell)
            taken.append(turn)
            turn.keep()
        tell("loading")
        yield
    finally:
        for turn in taken:
            await asyncio.to_thread(turn.give_back)


async def _take(turn: Turn, ends_s: float, wait_s: float, tell: Callable[[str], None]) -> None:
    said = ""
    while True:
        try:
            other = await asyncio.to_thread(turn.try_to_take)
            reason = f"waits to load: {other or 'another pod'} loads on the same GPU ({turn.lease})"
        except NotReady as error:
            other, reason = "", f"waits to load: {error.message}"
        if other is None:
            return
        if reason != said:
            said = reason
            tell(reason)
        if time.monotonic() >= ends_s:
            raise NotReady(f"{reason}; gave up after {wait_s:.0f} s (LEDGE_LOADING_WAIT_S)")
        await asyncio.sleep(LOOK_EVERY_S)


def lease_names(prefix: str, node: str, visible_devices: str) -> Sequence[str]:
    """A Lease for each GPU, sorted: by its UUID where the pod is told it, else by node and number, else by node.

    Args:
        visible_devices: NVIDIA_VISIBLE_DEVICES, as NVIDIA's device plugin or the chart sets it.
    """
    place = f"{prefix}-{node}" if node else prefix
    names = set()
    for device in filter(None, (each.strip() for each in visible_devices.split(","))):
        if _UUID.fullmatch(device):
            names.add(f"{prefix}-{device.lower()}")
        elif device.isdecimal():
            names.add(f"{place}-{device}")
        else:  # all, void or none: which GPU it will be nobody says
            names.add(place)
    return sorted(names or {place})


def _now() -> datetime:
    # The API server takes times with six decimals alone, and Python leaves them out where they are all zero.
    now = datetime.now(UTC)
    return now.replace(microsecond=max(1, now.microsecond))


@contextlib.contextmanager
def _absent() -> Iterator[None]:
    """Passes over that it is not there."""
    from kubernetes.client.exceptions import ApiException

    try:
        yield
    except ApiException as error:
        if error.status != 404:
            raise
