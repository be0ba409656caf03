"""TLS and mutual TLS: who is let in, and what stays readable for probes."""

import ssl
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from ledge.llm.v1 import llm_pb2 as pb
from ledge.llm.v1 import llm_pb2_grpc as rpc
from pydantic import ValidationError

from services.kit.client import connect
from services.kit.config import ServiceConfig
from tests.kit.probe import ask
from tests.kit.serving import SERVING, failure_of, health, serving


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("localhost", "client"):
        certificate = ca.issue_cert(name)
        certificate.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
    return ca


async def test_mtls_lets_in_only_who_shows_a_certificate_and_health_has_a_plain_port(
    authority: trustme.CA, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    server = {
        "tls_cert_file": tmp_path / "localhost.pem",
        "tls_key_file": tmp_path / "localhost.key",
        "tls_client_ca_file": ca,
        "health_port": 0,
    }
    client = ServiceConfig(tls_ca_file=ca, tls_cert_file=tmp_path / "client.pem", tls_key_file=tmp_path / "client.key")
    async with serving(**server) as probe:
        address = f"localhost:{probe.server.port}"
        async with connect(address, client, pb.DESCRIPTOR) as channel:
            response = await rpc.LlmServiceStub(channel).Chat(ask("echo secret"), timeout=10)
            assert response.choices[0].message.content == "secret"
        credentials = grpc.ssl_channel_credentials(ca.read_bytes())
        async with grpc.aio.secure_channel(address, credentials) as stranger:
            error = await failure_of(rpc.LlmServiceStub(stranger).Chat(ask("echo x"), timeout=10))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        async with grpc.aio.insecure_channel(f"127.0.0.1:{probe.server.health_port}") as plain:
            assert await health(plain) == SERVING
            error = await failure_of(rpc.LlmServiceStub(plain).Chat(ask("echo x"), timeout=10))
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("encrypted", [False, True])
async def test_the_management_surface_is_plain_for_probes_unless_told_otherwise(
    authority: trustme.CA, tmp_path: Path, encrypted: bool
) -> None:
    server = {
        "tls_cert_file": tmp_path / "localhost.pem",
        "tls_key_file": tmp_path / "localhost.key",
        "tls_client_ca_file": tmp_path / "ca.pem",
        "ops_tls": encrypted,
    }
    without_certificate = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with serving(**server) as probe, httpx.AsyncClient(verify=without_certificate) as http:
        path = f"localhost:{probe.server.ops_port}/v1/health/ready"
        speaks, other = ("https", "http") if encrypted else ("http", "https")
        assert (await http.get(f"{speaks}://{path}")).status_code == 200
        with pytest.raises(httpx.TransportError):
            await http.get(f"{other}://{path}")


def test_an_encrypted_management_surface_needs_a_certificate() -> None:
    with pytest.raises(ValidationError, match="LEDGE_TLS_CERT_FILE"):
        ServiceConfig(ops_tls=True)
