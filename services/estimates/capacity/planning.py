"""From a model, a machine and its users: throughput, latency, memory, what binds, and the settings to serve with."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.estimates.capacity.arithmetic import (
    Lengths,
    Machine,
    Step,
    cache_tokens,
    ceiling_tokens_per_s,
    most_sequences,
    prompt_s,
    step,
)
from services.estimates.capacity.platforms import CPU, GPU, MEMORY_SHARE
from services.kit.errors import InvalidInput

MAX_USERS = 1_000_000
GPU_SHARE = "LEDGE_GPU_MEMORY_SHARE"
BATCHES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 200, 256, 320, 400, 512, 640, 800, 1024)


@dataclass(frozen=True)
class Objective:
    """What each user is to get."""

    user_tokens_per_s: float = 0.0
    """At least."""
    first_token_s: float | None = None
    """At most; None: not asked for."""


@dataclass(frozen=True)
class Service:
    """A number of users at work at once, and what they get."""

    users: int
    served: int
    """Side by side; the others wait for a seat."""
    step: Step
    first_token_s: float
    ceiling_tokens_per_s: float
    """By bandwidth alone."""

    def holds(self, objective: Objective) -> bool:
        fast = self.step.user_tokens_per_s >= objective.user_tokens_per_s
        return fast and (objective.first_token_s is None or self.first_token_s <= objective.first_token_s)


@dataclass(frozen=True)
class Plan:
    """What a machine does with a load."""

    machine: Machine
    lengths: Lengths
    asked: Service
    curve: Sequence[Service]
    """As the batch grows, to the largest that fits."""
    fits: int
    """Answers side by side whose cache fits."""
    cache_tokens: int
    weights_bytes: float
    largest: int
    """The most users who all get the objective; 0: not even one."""
    binding: str
    """What keeps it from serving more."""


def plan(machine: Machine, lengths: Lengths, users: int, objective: Objective | None = None) -> Plan:
    """Raises InvalidInput for users out of range, and for a model that does not fit the machine."""
    if not 1 <= users <= MAX_USERS:
        raise InvalidInput(f"{users} users; the range is 1 to {MAX_USERS}")
    objective = objective or Objective()
    fits = most_sequences(machine, lengths)
    weights_bytes = machine.shape.weights_bytes(machine.format)
    if fits < 1:
        usable = machine.platform.memory_bytes * MEMORY_SHARE
        needed = weights_bytes + lengths.whole_tokens * machine.shape.cache_bytes_per_token(machine.format)
        raise InvalidInput(
            f"{machine.shape.name} in {machine.format.name} and one answer of {lengths.whole_tokens} tokens take "
            f"{needed / 1e9:.1f} GB; {machine.platform.name} has {usable / 1e9:.1f} GB for them: "
            f"more accelerators, or fewer bits"
        )
    asked = serve(machine, lengths, users, fits)
    batches = sorted({batch for batch in BATCHES if batch <= fits} | {fits, min(users, fits)})
    largest = _largest(machine, lengths, fits, objective)
    return Plan(
        machine=machine,
        lengths=lengths,
        asked=asked,
        curve=[serve(machine, lengths, batch, fits) for batch in batches],
        fits=fits,
        cache_tokens=cache_tokens(machine),
        weights_bytes=weights_bytes,
        largest=largest,
        binding=_binding(machine, lengths, asked, largest, fits, objective),
    )


def serve(machine: Machine, lengths: Lengths, users: int, fits: int) -> Service:
    """So many users who ask again as soon as they are answered."""
    served = min(users, fits)
    one = step(machine, lengths, served)
    own_s = prompt_s(machine, lengths.prompt_tokens)
    # Prompts come one after the other, and so queue for the time that prompts take of all: the wait of a queue with
    # even service. Who has no seat waits until one comes free besides.
    busy = min(0.95, one.prompts_s / one.seconds)
    seats_per_s = served / (lengths.answer_tokens * one.seconds + own_s)
    first_token_s = own_s * (1 + busy / (2 * (1 - busy))) + one.seconds + (users - served) / seats_per_s
    return Service(users, served, one, first_token_s, ceiling_tokens_per_s(machine, lengths, served))


def _largest(machine: Machine, lengths: Lengths, fits: int, objective: Objective) -> int:
    """Both tokens per second and first token get worse with each user, so the border is found by halving."""
    low, high = 0, fits
    while low < high:
        middle = (low + high + 1) // 2
        if serve(machine, lengths, middle, fits).holds(objective):
            low = middle
        else:
            high = middle - 1
    return low


def _binding(machine: Machine, lengths: Lengths, asked: Service, largest: int, fits: int, objective: Objective) -> str:
    if largest == fits:
        if fits == machine.platform.max_batch:
            return f"the {fits} sequences a step that its software allows"
        return f"memory: the attention cache of {fits} answers of {lengths.whole_tokens} tokens"
    first_beyond = serve(machine, lengths, largest + 1, fits)
    what = first_beyond.step.binding
    if first_beyond.step.user_tokens_per_s < objective.user_tokens_per_s:
        return f"{objective.user_tokens_per_s:g} tokens/s for each user, by {what}"
    return f"a first token within {objective.first_token_s:g} s, by {what}"


def settings(found: Plan) -> dict[str, str]:
    """Environment of the llm service for this plan."""
    slots = max(1, min(found.largest or 1, found.fits))
    # A context of a little more than was asked for: lengths are means, and answers past them must not fail.
    context = -(-found.lengths.whole_tokens * 5 // 4 // 256) * 256
    if found.machine.platform.kind is CPU:
        # llama.cpp holds memory for the whole context of each slot, used or not.
        slots = max(1, min(slots, found.cache_tokens // max(256, context)))
    chosen = {
        "LEDGE_SLOTS": str(min(1024, slots)),
        "LEDGE_CONTEXT_TOKENS": str(max(256, context)),
        "LEDGE_QUEUE_CALLS": str(min(100_000, max(16, 2 * slots, found.asked.users - slots))),
    }
    if found.machine.platform.kind is GPU:
        chosen[GPU_SHARE] = f"{MEMORY_SHARE:g}"
        if found.machine.platform.chips > 1:
            chosen["LEDGE_TENSOR_PARALLEL"] = str(found.machine.platform.chips)
        if found.machine.format.name.startswith("fp8"):
            chosen["LEDGE_QUANTIZATION"] = "fp8"
    return chosen


def explain(machine: Machine, lengths: Lengths, users: int, tokens_per_s: float) -> Sequence[str]:
    """How a throughput that somebody claims is made up; sentences."""
    if not tokens_per_s > 0:
        raise InvalidInput("a throughput must be above 0")
    found = serve(machine, lengths, users, most_sequences(machine, lengths) or users)
    steps_per_s = tokens_per_s / found.served
    weights = machine.shape.step_weights_bytes(machine.format)
    all_weights = machine.shape.parameters * machine.format.weight_bytes
    cache = found.served * lengths.mean_context_tokens * machine.shape.cache_bytes_per_token(machine.format)
    bandwidth = machine.platform.bandwidth_bytes_per_s
    ceiling = found.ceiling_tokens_per_s
    return (
        f"{tokens_per_s:,.0f} tokens/s for {found.served} users are {steps_per_s:.1f} steps a second: "
        f"each step makes a token for every user.",
        f"One by one, that many tokens would read the {all_weights / 1e9:.2f} GB of weights each: "
        f"{tokens_per_s * all_weights / 1e12:.0f} TB/s, where the data sheet has {bandwidth / 1e12:.2f}.",
        f"In steps the weights are read {steps_per_s:.1f} times a second: "
        f"{steps_per_s * all_weights / 1e12:.2f} TB/s, {steps_per_s * all_weights / bandwidth:.0%} of it; "
        f"{all_weights / found.served / 1e6:.0f} MB a token.",
        f"The attention cache of all of them adds {cache / 1e9:.1f} GB a step: "
        f"together {steps_per_s * (weights + cache) / 1e12:.2f} TB/s.",
        f"Bandwidth alone would allow {ceiling:,.0f} tokens/s; {tokens_per_s:,.0f} are {tokens_per_s / ceiling:.0%} "
        f"of that, and this planner expects {found.step.tokens_per_s:,.0f}.",
        "More than bandwidth allows: fewer bits or shorter answers than assumed, or speculation."
        if tokens_per_s > ceiling
        else "Batching explains it; nothing needs speculation.",
    )
