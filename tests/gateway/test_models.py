import httpx
import pytest
from openai import NotFoundError, OpenAI


def test_the_list_holds_the_models_of_the_services_that_are_up_and_their_aliases(openai: OpenAI) -> None:
    models = {model.id: model for model in openai.models.list()}
    assert models.keys() == {"scripted", "gpt-4"}
    assert all(model.object == "model" and model.owned_by == "ledge" for model in models.values())
    assert models["gpt-4"].model_extra is not None
    assert models["gpt-4"].model_extra["root"] == "scripted"


@pytest.mark.parametrize("model", ["scripted", "gpt-4"])
def test_one_model(openai: OpenAI, model: str) -> None:
    assert openai.models.retrieve(model).id == model


@pytest.mark.parametrize("model", ["no-such-model", "a/b", "x" * 900])
def test_a_model_that_is_not_served_is_not_found(openai: OpenAI, model: str) -> None:
    with pytest.raises(NotFoundError) as missing:
        openai.models.retrieve(model)
    assert "is not served" in missing.value.message


async def test_health_tells_of_the_services_behind_when_asked(http: httpx.AsyncClient) -> None:
    plain = await http.get("/v1/health")
    assert plain.json() == {"status": "ready", "message": "gateway is ready"}
    asked = (await http.get("/v1/health", params={"check_dependencies": "true"})).json()
    assert asked["dependencies"] == {
        "ledge.llm.v1.LlmService": "SERVING",
        "ledge.embedding.v1.EmbeddingService": "SERVING",
        "ledge.reranking.v1.RerankingService": "SERVING",
        "ledge.rag.v1.RagService": "UNAVAILABLE",
        "ledge.asr.v1.AsrService": "SERVING",
        "ledge.tts.v1.TtsService": "SERVING",
        "ledge.translation.v1.TranslationService": "SERVING",
    }
    assert asked["status"] == "degraded"


async def test_the_management_surface_is_that_of_every_service(http: httpx.AsyncClient) -> None:
    for path in ("metadata", "version", "manifest", "license", "metrics", "health/live", "health/ready"):
        assert (await http.get(f"/v1/{path}")).status_code == 200
    settings = (await http.get("/v1/manifest")).json()["settings"]
    assert settings["api_keys"] == "(set)"
    assert settings["peer_api_key"] == "(set)"
    schema = (await http.get("/v1/openapi.json")).json()
    assert {"/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/health"} <= schema["paths"].keys()
    for page in ("/docs", "/redoc", "/openapi.json"):
        assert (await http.get(page)).status_code == 404


async def test_head_and_options_are_answered_without_a_body(http: httpx.AsyncClient) -> None:
    for path in ("/v1/health", "/v1/health/live", "/v1/health/ready"):
        head = await http.head(path)
        assert (head.status_code, head.content) == (200, b"")
    options = await http.options("/v1/chat/completions")
    assert options.status_code == 405
    assert options.headers["allow"] == "POST"
    assert not [name for name in options.headers if name.startswith("access-control")]


async def test_nims_metadata_tells_the_models_of_the_whole_suite(http: httpx.AsyncClient) -> None:
    told = (await http.get("/v1/metadata")).json()
    assert {model["shortName"] for model in told["modelInfo"]} == {"scripted"}
    assert told["service"] == "gateway"
    licences = (await http.get("/v1/license")).json()
    assert told["licenseInfo"] == licences
    assert licences["name"] == "Apache-2.0"
    assert "scripted" in licences["models"]
