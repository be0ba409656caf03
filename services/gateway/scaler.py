"""The gateway as KEDA's scaler: a service that nobody calls may sleep, and a request that needs it wakes it and waits.

KEDA connects to `scaler_port` and asks about a ScaledObject, whose trigger says in its metadata

    callers       the services that the gateway calls and that lead to this one, itself among them: `llm,rag,voice`
    idleSeconds   how long nobody may have called before it may sleep (300)
    callsPerPod   calls under way that one pod is there for (8)
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from keda_compat import external_scaler_pb2 as pb
from keda_compat import external_scaler_pb2_grpc as rpc

from services.gateway.config import GatewayConfig
from services.gateway.demand import Demand
from services.kit.config import refuse
from services.kit.errors import InvalidInput

METRIC = "ledge-calls"
MAX_RPCS = 256
LOOK_EVERY_S = 5.0
"""How often a stream looks whether the time to be idle has passed; a call that begins is told at once."""


@dataclass(frozen=True)
class Trigger:
    """What a ScaledObject says of itself."""

    callers: frozenset[str]
    idle_s: float
    calls_per_pod: float

    @classmethod
    def of(cls, reference: pb.ScaledObjectRef, known: Demand) -> "Trigger":
        """Raises InvalidInput, naming the setting."""
        told = reference.scalerMetadata
        callers = frozenset(filter(None, (name.strip() for name in told["callers"].split(","))))
        if not callers or callers - set(known.roles):
            raise InvalidInput(
                f"ScaledObject {reference.name}: callers must be of {', '.join(sorted(known.roles))}, "
                f"comma-separated, not {told['callers']!r}"
            )
        return cls(callers, _number(reference, "idleSeconds", 300), _number(reference, "callsPerPod", 8))


def _number(reference: pb.ScaledObjectRef, name: str, default: float) -> float:
    text = reference.scalerMetadata[name] or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise InvalidInput(f"ScaledObject {reference.name}: {name} must be a number above 0, not {text!r}")
    return value


class Scaler(rpc.ExternalScalerServicer):
    """Answers KEDA from the demand that the gateway sees."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand

    async def IsActive(self, request: pb.ScaledObjectRef, context: Any) -> pb.IsActiveResponse:
        trigger = await self._trigger(request, context)
        return pb.IsActiveResponse(result=self._demand.is_wanted(trigger.callers, trigger.idle_s))

    async def StreamIsActive(self, request: pb.ScaledObjectRef, context: Any) -> AsyncIterator[pb.IsActiveResponse]:
        trigger = await self._trigger(request, context)
        told: bool | None = None
        while True:
            wanted = self._demand.is_wanted(trigger.callers, trigger.idle_s)
            if wanted is not told:
                told = wanted
                yield pb.IsActiveResponse(result=wanted)
            else:
                await self._demand.changed(LOOK_EVERY_S)

    async def GetMetricSpec(self, request: pb.ScaledObjectRef, context: Any) -> pb.GetMetricSpecResponse:
        trigger = await self._trigger(request, context)
        target = trigger.calls_per_pod
        spec = pb.MetricSpec(metricName=METRIC, targetSize=max(1, int(target)), targetSizeFloat=target)
        return pb.GetMetricSpecResponse(metricSpecs=[spec])

    async def GetMetrics(self, request: pb.GetMetricsRequest, context: Any) -> pb.GetMetricsResponse:
        trigger = await self._trigger(request.scaledObjectRef, context)
        calls = self._demand.calls(trigger.callers)
        value = pb.MetricValue(metricName=METRIC, metricValue=calls, metricValueFloat=calls)
        return pb.GetMetricsResponse(metricValues=[value])

    async def _trigger(self, reference: pb.ScaledObjectRef, context: Any) -> Trigger:
        try:
            return Trigger.of(reference, self._demand)
        except InvalidInput as error:
            await context.abort(error.code, error.message)
            raise


async def serve_scaler(demand: Demand, config: GatewayConfig) -> tuple[grpc.aio.Server, int]:
    """The started server and its port, in plaintext and without keys: for KEDA alone, by NetworkPolicy."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)], maximum_concurrent_rpcs=MAX_RPCS)
    rpc.add_ExternalScalerServicer_to_server(Scaler(demand), server)
    try:
        port = server.add_insecure_port(f"{config.host}:{config.scaler_port}")
    except RuntimeError:
        refuse([f"cannot listen on {config.host}:{config.scaler_port}: stop what uses it, or set LEDGE_SCALER_PORT"])
    await server.start()
    return server, port
