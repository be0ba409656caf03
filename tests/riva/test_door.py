"""What holds for every service holds for the door too: health under each name, reflection, the management surface."""

from typing import Any

import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.processes import ServiceProcess

NAMES = {
    "nvidia.riva.asr.RivaSpeechRecognition",
    "nvidia.riva.tts.RivaSpeechSynthesis",
    "nvidia.riva.nmt.RivaTranslation",
}


async def test_each_of_its_services_is_healthy_and_listed(channel: Any) -> None:
    for name in ("", *NAMES):
        checked = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
        assert checked.status == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    listed = {service.name async for answer in call for service in answer.list_services_response.service}
    assert listed >= NAMES


async def test_it_is_managed_as_every_service(door: ServiceProcess) -> None:
    async with httpx.AsyncClient(base_url=door.ops_url) as http:
        assert (await http.get("/v1/health/ready")).status_code == 200
        assert (await http.get("/v1/models")).json()["data"] == []
        settings = (await http.get("/v1/manifest")).json()["settings"]
        assert settings["strict_names"] is False
        assert 'ledge_calls_in_flight{service="riva"}' in (await http.get("/v1/metrics")).text
