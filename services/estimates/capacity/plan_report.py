"""A plan for programs and for the chart: units in the names, and the same to the command and to the gateway."""

from typing import Any

import yaml

from services.estimates.capacity.planning import GPU_SHARE, Plan, Service, settings


def chart_values(found: Plan) -> str:
    """Values for the chart, to lay over those of a profile: the llm service's settings."""
    head = (
        f"# {found.machine.shape.name} in {found.machine.format.name} on {found.machine.platform.name}, "
        f"{found.lengths.prompt_tokens} tokens in, {found.lengths.answer_tokens} out.\n"
        f"# Made by `ledge plan`; an expectation until `ledge bench llm` has measured it.\n"
    )
    environment = dict(settings(found))
    # The chart makes it from the pod's part of the GPU, and refuses more.
    if share := environment.pop(GPU_SHARE, ""):
        head += f"# It counts on {share} of each GPU's memory; services.llm.gpu.memoryMiB is what the pod has.\n"
    return head + yaml.safe_dump({"services": {"llm": {"env": environment}}}, sort_keys=False)


def as_json(found: Plan) -> dict[str, Any]:
    """The plan for programs, units in the names."""
    return {
        "model": found.machine.shape.name,
        "format": found.machine.format.name,
        "platform": found.machine.platform.name,
        "efficiency": found.machine.platform.efficiency,
        "efficiency_is_measured": found.machine.platform.fitted,
        "weights_bytes": round(found.weights_bytes),
        "cache_tokens": found.cache_tokens,
        "fitting_answers": found.fits,
        "largest_users_within_objective": found.largest,
        "binding": found.binding,
        "asked": _service_json(found.asked),
        "curve": [_service_json(service) for service in found.curve],
        "environment": settings(found),
    }


def _service_json(service: Service) -> dict[str, Any]:
    return {
        "users": service.users,
        "served": service.served,
        "token_ms": round(service.step.seconds * 1000, 3),
        "user_tokens_per_s": round(service.step.user_tokens_per_s, 2),
        "tokens_per_s": round(service.step.tokens_per_s, 1),
        "first_token_s": round(service.first_token_s, 4),
        "ceiling_tokens_per_s": round(service.ceiling_tokens_per_s, 1),
        "binding": service.step.binding,
    }
