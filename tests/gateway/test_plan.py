"""The planner over HTTP: the figures of `ledge plan`, for the page that draws them."""

import httpx
import pytest

Asked = dict[str, str | int]
EIGHT_B: Asked = {
    "model": "llama-3.1-8b",
    "platform": "h100",
    "users": 200,
    "prompt_tokens": 1000,
    "answer_tokens": 1000,
}


async def test_the_curve_has_its_units_and_its_settings(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/plan", params=EIGHT_B)
    assert response.status_code == 200
    told = response.json()
    assert told["asked"]["users"] == 200
    assert told["largest_users_within_objective"] == 213
    for one in told["curve"]:
        assert one["token_ms"] * one["user_tokens_per_s"] == pytest.approx(1000, rel=0.01)
        assert one["tokens_per_s"] == pytest.approx(one["served"] * one["user_tokens_per_s"], rel=0.01)
    assert told["environment"]["LEDGE_SLOTS"] == "213"
    assert "LEDGE_SLOTS: '213'" in told["chart_values"]


async def test_whatever_can_be_chosen_can_be_planned(http: httpx.AsyncClient) -> None:
    choices = (await http.get("/v1/plan/choices")).json()
    for one in choices["platforms"]:
        small = {"model": "smollm2-135m", "platform": one["name"], "prompt_tokens": 100, "answer_tokens": 100}
        assert (await http.get("/v1/plan", params=small)).status_code == 200, one
    for model in choices["models"]:
        answer = await http.get("/v1/plan", params={"model": model, "platform": "h200", "count": 16})
        assert answer.status_code == 200, model


@pytest.mark.parametrize(
    "wrong",
    [
        {"platform": "abacus"},
        {"model": "eliza"},
        {"format": "roman"},
        {"count": 0},
        {"count": 65},
        {"users": 0},
        {"users": "many"},
        {"prompt_tokens": 10**9},
        {"user_tokens_per_s": "nan"},
        {"model": "llama-3.1-405b"},
    ],
)
async def test_what_cannot_be_planned_is_the_callers_fault(http: httpx.AsyncClient, wrong: Asked) -> None:
    response = await http.get("/v1/plan", params=EIGHT_B | wrong)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


async def test_the_page_is_there(http: httpx.AsyncClient) -> None:
    page = await http.get("/plan")
    assert page.status_code == 200
    assert 'src="page/plan.js"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
