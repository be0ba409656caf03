"""What `helm install` tells when it is done, and that development builds what the chart runs."""

import re
import subprocess

import pytest
import yaml

from tests.helm.chart import CHART, NAMESPACE, RELEASE, ROOT, helm_program


def notes(*arguments: str) -> str:
    done = subprocess.run(
        [helm_program(), "install", RELEASE, str(CHART), "-n", NAMESPACE, "--dry-run=client", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]


def test_the_notes_say_what_is_awaited_who_calls_whom_and_what_to_do_next() -> None:
    told = notes()
    assert "Models: all-minilm-l6-v2, smollm2-135m-instruct" in told
    assert re.search(r"rag +→ embedding, retrieval, reranking, llm", told)
    assert "helm -n site test ledge" in told
    assert "calls need no key" in told


def test_the_notes_name_the_commands_and_the_call_that_is_answered() -> None:
    told = notes()
    assert "ledge status --cluster -n site --watch" in told
    assert "ledge connect -n site " in told
    assert "curl http://127.0.0.1:8000/v1/models" in told
    secured = notes("--set", "auth.existingSecret=k,tls.enabled=true,tls.existingSecret=c,fullnameOverride=edge")
    assert "get secret c -o jsonpath='{.data.ca\\.crt}' | base64 -d > ca.crt" in secured
    assert (
        'curl -H "Authorization: Bearer $key" --cacert ca.crt --connect-to edge-gateway:8000:127.0.0.1:8000 '
        "https://edge-gateway:8000/v1/models" in secured
    )


def test_the_notes_say_where_images_of_no_registry_come_from() -> None:
    assert "deploy/images.sh builds these images" in notes()
    assert "deploy/images.sh" not in notes("--set", "global.imageRegistry=registry.example.com/ai")


def test_an_ingress_before_tls_is_told_of() -> None:
    annotation = "ingress.annotations.nginx\\.ingress\\.kubernetes\\.io/backend-protocol=HTTPS"
    told = notes("--set", f"ingress.enabled=true,tls.enabled=true,tls.existingSecret=c,{annotation}")
    assert "the Ingress' controller must be told to" in told


def test_the_notes_print_the_ledger_of_the_gpus() -> None:
    told = notes("-f", str(CHART / "values-gpu-24g.yaml"))
    assert "llm           19073 MiB × 1 GPU × 1 pod =   19073 MiB" in told
    assert "22410 MiB of 1 × 22888 = 22888 MiB, 478 free" in told


def test_the_notes_warn_of_documents_that_are_kept_nowhere() -> None:
    assert "documents are gone when its pod is" in notes("--set", "services.retrieval.persistence.enabled=false")


def test_the_notes_tell_of_folders_that_every_node_may_have() -> None:
    folder = ("--set", "services.retrieval.persistence.hostPath=/srv/documents")
    assert "keeps its data in /srv/documents of whichever node" in notes(*folder)
    assert "whichever node" not in notes(*folder, "--set", "services.retrieval.persistence.hostNode=edge-1")


def test_offline_the_notes_say_that_nothing_is_fetched() -> None:
    assert "Nothing is fetched" in notes("-f", str(CHART / "values-airgap.yaml"))


def test_skaffold_builds_every_image_that_the_default_release_runs_and_names_it_in_the_values() -> None:
    config = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    built = {artifact["image"].removeprefix("ledge/"): artifact["docker"] for artifact in config["build"]["artifacts"]}
    services = yaml.safe_load((CHART / "values.yaml").read_text())["services"]
    assert set(built) == {name for name, service in services.items() if service["enabled"]} | {"cli"}
    (release,) = config["deploy"]["helm"]["releases"]
    for name in built:
        place = "cli" if name == "cli" else f"services.{name}"
        assert release["setValueTemplates"][f"{place}.image.repository"] == f"{{{{.IMAGE_REPO_ledge_{name}}}}}"
        assert release["setValueTemplates"][f"{place}.image.tag"] == f"{{{{.IMAGE_TAG_ledge_{name}}}}}"
    dockerfile = ROOT / "deploy" / "Dockerfile"
    if not dockerfile.exists():
        pytest.skip("there is no Dockerfile yet")
    targets = re.findall(r"^FROM \S+ AS (\S+)$", dockerfile.read_text(), re.MULTILINE)
    assert [name for name, docker in built.items() if docker["target"] not in targets] == []
