"""A budget never gives more than it has, in whatever order it is drawn on."""

from hypothesis import given
from hypothesis import strategies as st
from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.budget import Allowance, Budget
from services.rag.answer.effort import EFFORTS

FAST = EFFORTS[pb.FAST].allowance
DRAWS = st.lists(st.one_of(st.just("step"), st.integers(0, 100), st.floats(0, 10)), max_size=60)


@given(
    allowance=st.builds(Allowance, st.integers(0, 10), st.integers(0, 200), st.floats(0, 20)),
    draws=DRAWS,
)
def test_steps_tokens_and_time_never_go_below_zero(allowance: Allowance, draws: list[str | int | float]) -> None:
    now_s = 100.0
    budget = Budget(allowance, clock=lambda: now_s)
    granted = refused = 0
    for draw in draws:
        if draw == "step":
            if budget.take_step():
                granted += 1
                assert budget.remaining_s > 0
            else:
                refused += 1
        elif isinstance(draw, int):
            budget.take_tokens(draw)
        else:
            now_s += float(draw)
        assert budget.tokens >= 0
        assert budget.remaining_s >= 0
        assert budget.exhausted == (refused > 0)
    assert granted <= allowance.steps


def test_a_request_bounds_what_it_names_and_leaves_the_rest() -> None:
    assert FAST.at_most(None, 7, None) == Allowance(FAST.steps, 7, FAST.wall_time_s)
