"""The one way to call another service: a channel that balances, retries what may be retried, and passes the call on.

Round robin over all addresses of a name, looked up again when a connection ends, up to
once a second (gRPC's own 30 s fail hundreds of calls in a rolling restart). Servers end
old connections (`LEDGE_CONNECTION_AGE_S`), so that replicas that were added are found. Unary calls that the contract
marks idempotent are retried on UNAVAILABLE. Deadline, request id, tenant, label and
trace of the call being served travel with every call made for it; cancelling the task
cancels the calls below it. Where calls wait for a peer, its health is watched, so none
goes to one that loads or drains.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from services.kit import refused_uploads
from services.kit.config import ServiceConfig
from services.kit.context import DONE_WITHOUT_KEY, LOCAL_ONLY_KEY, REQUEST_ID_KEY, TENANT_KEY, current_call
from services.kit.telemetry import outgoing_trace

refused_uploads.mend()

RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


class _Outgoing:
    """Wraps one multi-callable of a channel: fills in timeout and metadata, then calls it."""

    def __init__(self, call: Any, channel: "Channel", method: str) -> None:
        self._call = call
        self._channel = channel
        self._method = method

    def __call__(self, request: Any = None, *, timeout: float | None = None, metadata: Any = (), **kwargs: Any) -> Any:
        if request is not None:
            kwargs["request"] = request
        kwargs.setdefault("wait_for_ready", self._channel.waits)
        call = self._call(timeout=self._channel.timeout_s(timeout), metadata=self._channel.metadata(metadata), **kwargs)
        self._channel.follow(self._method, call)
        return call


class _OutgoingStream:
    """The same where the client streams: its first argument is an iterator."""

    def __init__(self, call: Any, channel: "Channel", method: str) -> None:
        self._call = call
        self._channel = channel
        self._method = method

    def __call__(
        self, request_iterator: Any = None, *, timeout: float | None = None, metadata: Any = (), **kwargs: Any
    ) -> Any:
        kwargs.setdefault("wait_for_ready", self._channel.waits)
        call = self._call(
            request_iterator,
            timeout=self._channel.timeout_s(timeout),
            metadata=self._channel.metadata(metadata),
            **kwargs,
        )
        self._channel.follow(self._method, call)
        return call


class Channel(grpc.aio.Channel):
    """A gRPC channel whose calls belong to the call being served in the same task. Share one per peer."""

    def __init__(
        self, channel: grpc.aio.Channel, api_key: str | None, cap_s: float | None, slack_s: float, wait_s: float = 0
    ) -> None:
        """Args:
        wait_s: how long after nobody was found there calls still wait, within their deadline; then they fail at once.
        """
        self._wait_s = wait_s
        self._away_since_s: float | None = None
        self.watch: Callable[[str, Any], None] | None = None
        """Told of every call as it begins: its method, `/package.Service/Method`, and the call."""
        self._channel = channel
        self._authorization = [("authorization", f"Bearer {api_key}")] if api_key else []
        self._cap_s = cap_s
        self._slack_s = slack_s

    @property
    def waits(self) -> bool:
        """Whether a call that begins now waits, within its deadline, should nobody be there."""
        if not self._wait_s:
            return False
        if self._look():
            return True
        now_s = time.monotonic()
        if self._away_since_s is None:
            self._away_since_s = now_s
        return now_s - self._away_since_s < self._wait_s

    def follow(self, method: str, call: Any) -> None:
        """Of every call as it begins."""
        if self._away_since_s is not None:
            # No channel is connected before its first call; its end tells whether somebody was there.
            call.add_done_callback(self._look)
        if self.watch is not None:
            self.watch(method, call)

    def _look(self, *_: Any) -> bool:
        """Whether somebody is there."""
        if self._channel.get_state() is not grpc.ChannelConnectivity.READY:
            return False
        self._away_since_s = None
        return True

    def timeout_s(self, asked_s: float | None) -> float | None:
        """Seconds for a call: the least of what is asked, the cap, and what the call being served has left."""
        call = current_call()
        remaining_s = None if call is None else call.remaining_s()
        if remaining_s is not None:
            remaining_s = max(0.001, remaining_s - self._slack_s)
        bounds = [bound for bound in (asked_s, self._cap_s, remaining_s) if bound is not None]
        return min(bounds) if bounds else None

    def metadata(self, metadata: Any) -> list[tuple[str, str | bytes]]:
        """What travels with a call: key, request id, tenant, label, trace, and the caller's own."""
        pairs: list[tuple[str, str | bytes]] = [*self._authorization, *(metadata or ()), *outgoing_trace().items()]
        call = current_call()
        if call is not None:
            pairs.append((REQUEST_ID_KEY, call.request_id))
            if call.tenant:
                pairs.append((TENANT_KEY, call.tenant))
            if call.local_only:
                pairs.append((LOCAL_ONLY_KEY, "true"))
        return pairs

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Outgoing(self._channel.unary_unary(method, *args, **kwargs), self, method)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Outgoing(self._channel.unary_stream(method, *args, **kwargs), self, method)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _OutgoingStream(self._channel.stream_unary(method, *args, **kwargs), self, method)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _OutgoingStream(self._channel.stream_stream(method, *args, **kwargs), self, method)

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._channel.channel_ready()


async def done_without(call: Any) -> tuple[str, ...]:
    """What the answer of a stream is made without, as its service says; for when its first message has come."""
    return tuple(str(value) for key, value in await call.initial_metadata() if key == DONE_WITHOUT_KEY)


def connect(address: str, config: ServiceConfig, *contracts: FileDescriptor, dispensable: bool = False) -> Channel:
    """Opens a channel to a peer. Returns at once; the connection is made with the first call.

    Args:
        address: `host:port`, or any gRPC target.
        config: TLS, key and limits of the calling service.
        contracts: descriptors of the peer's proto files; they say which calls may be retried.
        dispensable: work goes on without this peer, so it is not waited for unless the config names its address.
    """
    wait_s = math.inf if address in config.awaited_peers else 0.0 if dispensable else config.peer_wait_s
    key = config.peer_api_key.get_secret_value() if config.peer_api_key else None
    channel = open_channel(
        address,
        ca=config.tls_ca_file.read_bytes() if config.tls_ca_file else None,
        certificate=config.tls_cert_file.read_bytes() if config.tls_cert_file else None,
        private_key=config.tls_key_file.read_bytes() if config.tls_key_file else None,
        max_message_bytes=config.max_message_bytes,
        contracts=contracts,
        health_watched=wait_s > 0,
    )
    return Channel(channel, key, config.call_timeout_s, config.deadline_slack_s, wait_s)


def open_channel(
    address: str,
    *,
    ca: bytes | None = None,
    certificate: bytes | None = None,
    private_key: bytes | None = None,
    max_message_bytes: int = 16 * 2**20,
    contracts: Sequence[FileDescriptor] = (),
    health_watched: bool = False,
) -> grpc.aio.Channel:
    """The bare channel under `connect`, for programs that serve no call themselves. `ca` given: TLS."""
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", service_config(*contracts, health_watched=health_watched)),
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # In truth the time a connection may take to be made: a peer may be busy. It does not delay the next attempt.
        ("grpc.min_reconnect_backoff_ms", 5000),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
    ]
    if ca is None:
        return grpc.aio.insecure_channel(address, options=options)
    credentials = grpc.ssl_channel_credentials(ca, private_key, certificate)
    return grpc.aio.secure_channel(address, credentials, options=options)


def service_config(*contracts: FileDescriptor, health_watched: bool = False) -> str:
    """gRPC's service config as JSON: round robin, and the retry policy for each idempotent unary call.

    Args:
        health_watched: calls go only to servers whose health says that they serve the first contract's first service.
    """
    names = [
        {"service": service.full_name, "method": method.name}
        for contract in contracts
        for service in contract.services_by_name.values()
        for method in service.methods
        if may_retry(method)
    ]
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if names:
        config["methodConfig"] = [{"name": names, "retryPolicy": RETRY_POLICY}]
    if health_watched:
        config["healthCheckConfig"] = {"serviceName": next(iter(contracts[0].services_by_name.values())).full_name}
    return json.dumps(config)


def may_retry(method: MethodDescriptor) -> bool:
    """Whether the contract lets a unary call be sent twice."""
    level = method.GetOptions().idempotency_level
    unary = not method.client_streaming and not method.server_streaming
    return unary and level != MethodOptions.IDEMPOTENCY_UNKNOWN
