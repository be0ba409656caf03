"""The planner's arithmetic: its units, its bounds, and every point that others have published."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.estimates.capacity.arithmetic import Lengths, Machine, cache_tokens, ceiling_tokens_per_s, step
from services.estimates.capacity.calibration import WITHIN, fit
from services.estimates.capacity.measured import Measurement, calibrated
from services.estimates.capacity.planning import Objective, explain, plan, settings
from services.estimates.capacity.platforms import MEMORY_SHARE, PLATFORMS, Platform, platform
from services.estimates.capacity.published import POINTS, Point
from services.estimates.capacity.shapes import FORMATS, SHAPES, format_, shape
from services.estimates.capacity.tiers import TIERS
from services.kit.errors import InvalidInput

KNOWN_MISSES = {
    # Its cache-bound neighbour fits, and this one is better than the bandwidth that fits it says.
    "llama-3.1-8b on gh200, 100 users, 2000 tokens",
    # A small model is bound by the launches of its kernels, of which the arithmetic for Tenstorrent knows nothing.
    "llama-3.2-1b on n150, 32 users, 256 tokens",
}
H100_8B = Machine(shape("llama-3.1-8b"), format_("bf16"), platform("h100"))
LONG = Lengths(1000, 1000)


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.name}-{point.user_tokens_per_s:.0f}")
def test_every_published_point_is_within_15_percent_or_named_a_miss(point: Point) -> None:
    missed = abs(point.error()) > WITHIN
    assert missed == (point.name in KNOWN_MISSES), f"{point.error():+.0%}"


@pytest.mark.parametrize("name", dict.fromkeys(point.platform for point in POINTS))
def test_a_platforms_one_efficiency_is_the_one_that_its_points_give(name: str) -> None:
    fitted = fit([point.error for point in POINTS if point.platform == name])
    assert PLATFORMS[name].efficiency == pytest.approx(fitted, abs=0.0051)
    assert PLATFORMS[name].fitted


def test_a_platform_without_a_published_point_says_so() -> None:
    published = {point.platform for point in POINTS}
    assert {one.name for one in PLATFORMS.values() if not one.fitted} == set(PLATFORMS) - published


def test_6372_tokens_per_s_of_200_users_are_batching_and_nothing_else() -> None:
    sentences = " ".join(explain(H100_8B, LONG, 200, 6372))
    for fact in ("31.9 steps a second", "102 TB/s", "0.51 TB/s, 15%", "80 MB a token", "39.3 GB a step", "12,332"):
        assert fact in sentences
    assert sentences.endswith("Batching explains it; nothing needs speculation.")
    assert "More than bandwidth allows" in " ".join(explain(H100_8B, LONG, 200, 20_000))


def test_the_sizes_are_those_of_the_models_cards() -> None:
    bf16 = FORMATS["bf16"]
    assert shape("llama-3.1-8b").cache_bytes_per_token(bf16) == 131_072
    assert shape("llama-3.1-70b").cache_bytes_per_token(bf16) == 327_680
    assert shape("llama-3.2-1b").cache_bytes_per_token(bf16) == 32_768
    assert shape("smollm2-135m").cache_bytes_per_token(bf16) == 23_040
    assert shape("Llama-3.1-8B-Instruct").weights_bytes(bf16) == pytest.approx(16.06e9, rel=0.001)


def test_the_cache_that_fits_an_n150_is_the_context_that_its_maker_states() -> None:
    n150 = Machine(shape("llama-3.1-8b"), format_("bfp4-bfp8"), platform("n150"))
    assert cache_tokens(n150) == pytest.approx(65_536, rel=0.02)


def test_device_edge_and_cloud_have_a_ceiling_and_a_realistic_column() -> None:
    assert [round(tier.ceiling_tokens_per_s) for tier in TIERS] == [36, 62, 54, 49, 66]
    assert [round(tier.realistic_tokens_per_s) for tier in TIERS] == [18, 31, 27, 25, 33]


machines = st.builds(
    Machine, st.sampled_from(list(SHAPES.values())), st.sampled_from(list(FORMATS.values())),
    st.sampled_from(list(PLATFORMS.values())),
)  # fmt: skip
lengths = st.builds(Lengths, st.integers(1, 20_000), st.integers(1, 20_000))


@given(machines, lengths, st.integers(1, 2000))
def test_nothing_is_faster_than_bandwidth_allows(machine: Machine, asked: Lengths, sequences: int) -> None:
    found = step(machine, asked, sequences)
    assert 0 < found.tokens_per_s <= ceiling_tokens_per_s(machine, asked, sequences) * (1 + 1e-9)


@given(machines, lengths, st.integers(1, 2000))
def test_a_larger_batch_never_makes_a_user_faster_nor_all_of_them_slower_than_one(
    machine: Machine, asked: Lengths, sequences: int
) -> None:
    fewer, more = step(machine, asked, sequences), step(machine, asked, sequences + 1)
    assert more.user_tokens_per_s <= fewer.user_tokens_per_s
    assert more.tokens_per_s > 0


@given(machines, lengths, st.integers(1, 5000), st.floats(0, 200))
def test_one_user_more_than_the_plan_says_breaks_the_objective_or_the_memory(
    machine: Machine, asked: Lengths, users: int, tokens_per_s: float
) -> None:
    objective = Objective(tokens_per_s)
    try:
        found = plan(machine, asked, users, objective)
    except InvalidInput:
        room = machine.platform.memory_bytes * MEMORY_SHARE - machine.shape.weights_bytes(machine.format)
        assert room < asked.whole_tokens * machine.shape.cache_bytes_per_token(machine.format)
        return
    assert found.largest <= found.fits
    if found.largest:
        assert step(machine, asked, found.largest).user_tokens_per_s >= tokens_per_s
    if found.largest < found.fits:
        assert step(machine, asked, found.largest + 1).user_tokens_per_s < tokens_per_s
    assert found.asked.served == min(users, found.fits)
    chosen = settings(found)
    assert 1 <= int(chosen["LEDGE_SLOTS"]) <= 1024
    assert int(chosen["LEDGE_CONTEXT_TOKENS"]) >= asked.whole_tokens


def test_the_first_token_can_be_what_binds() -> None:
    found = plan(H100_8B, LONG, 200, Objective(1, first_token_s=0.05))
    assert 1 < found.largest < 200
    assert found.binding.startswith("a first token within 0.05 s")


def test_who_has_no_seat_waits_for_one() -> None:
    crowd = plan(H100_8B, LONG, 1000)
    assert crowd.asked.served == crowd.fits < 1000
    assert crowd.asked.first_token_s > 10 * plan(H100_8B, LONG, crowd.fits).asked.first_token_s


def test_a_model_that_does_not_fit_is_told_with_both_sizes() -> None:
    with pytest.raises(InvalidInput, match=r"141\.\d GB; h100 has 72\.0 GB"):
        plan(replace(H100_8B, shape=shape("llama-3.1-70b")), LONG, 1)


def test_two_gpus_hold_what_one_does_not() -> None:
    two = Machine(shape("llama-3.1-70b"), format_("fp8"), platform("h100", 2))
    found = plan(two, LONG, 50)
    assert settings(found)["LEDGE_TENSOR_PARALLEL"] == "2"
    assert settings(found)["LEDGE_QUANTIZATION"] == "fp8"


@pytest.mark.parametrize("true_efficiency", [0.3, 0.55, 0.9])
def test_ones_own_measurements_recalibrate(true_efficiency: float) -> None:
    def truth(streams: int) -> float:
        return Measurement(streams, 1.0).predicted(H100_8B, true_efficiency)

    found = calibrated(H100_8B, [Measurement(streams, truth(streams)) for streams in (1, 16, 64)])
    assert found.platform.efficiency == pytest.approx(true_efficiency, abs=0.006)


@pytest.mark.parametrize("many", [0, 65])
def test_accelerators_out_of_range_are_the_callers_fault(many: int) -> None:
    with pytest.raises(InvalidInput):
        platform("h100", many)


def test_every_platform_has_the_units_of_its_kind() -> None:
    for one in PLATFORMS.values():
        assert isinstance(one, Platform)
        assert 1e10 <= one.bandwidth_bytes_per_s <= 1e14, one.name
        assert 5e9 <= one.memory_bytes <= 1e12, one.name
        assert one.bf16_flops <= one.fp8_flops, one.name
        assert 0 < one.efficiency <= 1, one.name
        assert one.default_format in FORMATS, one.name
