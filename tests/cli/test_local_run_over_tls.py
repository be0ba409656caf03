"""The local run where calls are encrypted and both sides show certificates, by the settings that services read."""

from pathlib import Path

import trustme

from tests.cli.conftest import LIGHT_PROFILE
from tests.ledge_command import Ledge

GATEWAY = """
  gateway:
    budget: { memory_bytes: 100_000_000, cpu_cores: 0.1 }
"""


def test_up_and_status_speak_mutual_tls(tmp_path: Path) -> None:
    profile = tmp_path / "light.yaml"
    profile.write_text(LIGHT_PROFILE + GATEWAY)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "cert.pem").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    settings = {
        "LEDGE_TLS_CERT_FILE": str(tmp_path / "cert.pem"),
        "LEDGE_TLS_KEY_FILE": str(tmp_path / "key.pem"),
        "LEDGE_TLS_CA_FILE": str(tmp_path / "ca.pem"),
        "LEDGE_TLS_CLIENT_CA_FILE": str(tmp_path / "ca.pem"),
    }
    ledge = Ledge(tmp_path / "state", LEDGE_PROFILE=str(profile), **settings)
    try:
        ledge.run("up", "--no-ingest")
        services = {service["name"]: service for service in ledge.json("status")["services"]}
        assert all(service["ready"] for service in services.values())
        assert services["gateway"]["ops_url"].startswith("https://")
        # Without a certificate of its own nobody is let in.
        stranger = ledge.json("status", code=1, LEDGE_TLS_CERT_FILE="", LEDGE_TLS_KEY_FILE="")
        assert not any(service["ready"] for service in stranger["services"])
    finally:
        ledge.close()


def test_a_certificate_that_is_not_there_is_told_by_its_variable(ledge: Ledge) -> None:
    refused = ledge.run("ask", "what?", code=2, LEDGE_TLS_CA_FILE="/no/such/ca.pem")
    assert "LEDGE_TLS_CA_FILE: /no/such/ca.pem" in refused.stderr
