"""`GET /v1/plan`: how many users a machine serves, modelled; what the page `/plan` draws."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from services.estimates.capacity.arithmetic import Lengths, Machine
from services.estimates.capacity.plan_report import as_json, chart_values
from services.estimates.capacity.planning import MAX_USERS, Objective, plan
from services.estimates.capacity.platforms import PLATFORMS, platform
from services.estimates.capacity.shapes import FORMATS, SHAPES, format_, shape

router = APIRouter()
Tokens = Annotated[int, Query(ge=1, le=1_000_000)]


@router.get("/v1/plan")
async def planned(
    model: str = "llama-3.1-8b",
    platform_name: Annotated[str, Query(alias="platform")] = "h100",
    count: Annotated[int, Query(ge=1, le=64)] = 1,
    number_format: Annotated[str, Query(alias="format")] = "",
    users: Annotated[int, Query(ge=1, le=MAX_USERS)] = 200,
    prompt_tokens: Tokens = 1000,
    answer_tokens: Tokens = 1000,
    user_tokens_per_s: Annotated[float, Query(ge=0, le=1e6, allow_inf_nan=False)] = 20.0,
    first_token_s: Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)] = None,
) -> Response:
    """Throughput and latency as the batch grows, memory, what binds, and values for the chart. Nothing is measured."""
    on = platform(platform_name, count)
    machine = Machine(shape(model), format_(number_format or on.default_format), on)
    found = plan(machine, Lengths(prompt_tokens, answer_tokens), users, Objective(user_tokens_per_s, first_token_s))
    return JSONResponse({**as_json(found), "chart_values": chart_values(found)})


@router.get("/v1/plan/choices")
async def choices() -> Response:
    """The models, platforms and number formats that can be planned for."""
    known: dict[str, Any] = {
        "models": list(SHAPES),
        "platforms": [
            {"name": one.name, "format": one.default_format, "published": one.fitted} for one in PLATFORMS.values()
        ],
        "formats": list(FORMATS),
    }
    return JSONResponse(known)
