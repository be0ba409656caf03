"""What HTTP clients say of the two models, and what they are told was decided, on every OpenAI door."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.suite import NO_PEERS
from tests.hybrid.conftest import Pair, hybrid_over
from tests.processes import ServiceProcess, service

PLACES = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
SECRET = "patient-4712-has-gout"


@pytest.fixture(scope="module")
def door(hybrid: ServiceProcess) -> Iterator[ServiceProcess]:
    with service("gateway", **{**NO_PEERS, "LEDGE_LLM_ADDRESS": hybrid.address}) as gateway:
        yield gateway


def body_of(place: str, text: str, **fields: Any) -> dict[str, Any]:
    match place:
        case "/v1/completions":
            return {"prompt": text, "max_tokens": 32, **fields}
        case "/v1/responses":
            return {"input": text, **fields}
        case _:
            return {"messages": [{"role": "user", "content": text}], **fields}


def told(response: httpx.Response) -> dict[str, str]:
    response.raise_for_status()
    start = "ledge-hybrid-"
    return {name.removeprefix(start): value for name, value in response.headers.items() if name.startswith(start)}


async def post(door: ServiceProcess, place: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://{door.address}", timeout=30) as http:
        return await http.post(place, json=body, headers=headers)


@STREAMED
@pytest.mark.parametrize("place", PLACES)
async def test_the_headers_tell_what_was_decided_and_why(door: ServiceProcess, place: str, stream: bool) -> None:
    by_default = told(await post(door, place, body_of(place, "short", stream=stream)))
    assert by_default == {"mode": "local", "answered-by": "little", "why": "default"}
    asked = told(await post(door, place, body_of(place, "short", stream=stream, hybrid={"mode": "cloud"})))
    assert (asked["mode"], asked["answered-by"], asked["why"]) == ("cloud", "big", "request")
    routed = told(
        await post(door, place, body_of(place, "short", stream=stream, hybrid={"mode": "route", "threshold": 100}))
    )
    assert (routed["mode"], routed["answered-by"], routed["why"]) == ("route", "little", "router")
    assert float(routed["score"]) < 100


@STREAMED
@pytest.mark.parametrize("place", PLACES)
async def test_a_label_in_the_body_is_above_the_mode(
    door: ServiceProcess, pair: Pair, place: str, stream: bool
) -> None:
    before = len(pair.wire.up)
    label = {"mode": "cloud", "local_only": True}
    said = told(await post(door, place, body_of(place, SECRET, stream=stream, hybrid=label)))
    assert said == {"mode": "local", "answered-by": "little", "why": "local-only"}
    assert SECRET.encode() not in pair.wire.up[before:]


@STREAMED
async def test_a_big_model_that_is_down_is_told_before_the_first_word(pair: Pair, stream: bool) -> None:
    with (
        hybrid_over(pair.little.address, "127.0.0.1:1", LEDGE_MODE="cloud") as process,
        service("gateway", **{**NO_PEERS, "LEDGE_LLM_ADDRESS": process.address}) as gateway,
    ):
        body = body_of(PLACES[0], "short", stream=stream)
        assert told(await post(gateway, PLACES[0], body)) == {
            "mode": "cloud", "answered-by": "little", "why": "big-down",
        }  # fmt: skip


@STREAMED
async def test_what_both_wrote_is_said_to_be_of_both(door: ServiceProcess, stream: bool) -> None:
    guide = {"mode": "guide", "guide_tokens": 4}
    said = told(await post(door, PLACES[0], body_of(PLACES[0], "tell me", stream=stream, hybrid=guide)))
    assert (said["mode"], said["answered-by"]) == ("guide", "both")
    assert said["guide-tokens"] == "4"


async def test_prompts_that_were_decided_differently_are_told_one_by_one(door: ServiceProcess) -> None:
    choice = {"mode": "route", "threshold": 0.0}
    body = {"prompt": ["a", "b", "a"], "max_tokens": 4, "hybrid": choice}
    said = told(await post(door, "/v1/completions", body))
    assert said["mode"] == "route"
    assert set(said["answered-by"].split(", ")) <= {"little", "big"}
    assert len(said["score"].split(", ")) == len(set(said["score"].split(", ")))


async def test_one_model_alone_tells_of_no_choice(pair: Pair) -> None:
    with service("gateway", **{**NO_PEERS, "LEDGE_LLM_ADDRESS": pair.little.address}) as gateway:
        for stream in (False, True):
            body = body_of(PLACES[0], "short", stream=stream, hybrid={"local_only": True})
            assert told(await post(gateway, PLACES[0], body)) == {}


@pytest.mark.parametrize(
    "choice",
    [{"mode": "both"}, {"guide_tokens": 0}, {"fallback_threshold": 1.5}, {"rollback_threshold": -1}, "cloud"],
    ids=str,
)
@pytest.mark.parametrize("place", PLACES)
async def test_a_choice_out_of_range_is_the_callers_fault(door: ServiceProcess, place: str, choice: Any) -> None:
    response = await post(door, place, body_of(place, "short", hybrid=choice))
    assert response.status_code in (400, 422)
    assert "hybrid" in response.text


@pytest.mark.parametrize("place", [PLACES[0], PLACES[2]])
async def test_answers_from_documents_take_the_label_and_no_mode(door: ServiceProcess, place: str) -> None:
    response = await post(door, place, body_of(place, "short", model="ledge-rag", hybrid={"mode": "cloud"}))
    assert response.status_code == 400
    assert "local_only" in response.text
    # The label is taken; there is nobody behind this gateway who could answer.
    response = await post(door, place, body_of(place, "short", model="ledge-rag", hybrid={"local_only": True}))
    assert response.status_code == 503
