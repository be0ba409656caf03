"""A budget never gives more than it has, in whatever order it is drawn on."""

from hypothesis import given
from hypothesis import strategies as st
from ledge.rag.v1 import rag_pb2 as pb

from services.rag.answer.budget import Allowance, Budget
from services.rag.answer.effort import EFFORTS

FAST = EFFORTS[pb.FAST].allowance
DRAWS = st.lists(st.one_of(st.sampled_from(("step", "guard")), st.integers(0, 100), st.floats(0, 10)), max_size=60)


@given(
    allowance=st.builds(Allowance, st.integers(0, 10), st.integers(0, 200), st.floats(0, 20)),
    draws=DRAWS,
    for_guards=st.integers(0, 6),
)
def test_steps_tokens_and_time_never_go_below_zero(
    allowance: Allowance, draws: list[str | int | float], for_guards: int
) -> None:
    now_s = 100.0
    budget = Budget(allowance, clock=lambda: now_s, for_guards=for_guards)
    granted = refused = 0
    for draw in draws:
        if draw == "step":
            if budget.take_step():
                granted += 1
                assert budget.remaining_s > 0
            else:
                refused += 1
        elif draw == "guard":
            if budget.take_guard_step():
                granted += 1
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


def test_other_steps_leave_the_guards_theirs() -> None:
    budget = Budget(Allowance(8, 0, 10.0), for_guards=3)
    assert [budget.take_step() for _ in range(6)] == [True] * 5 + [False]
    assert [budget.take_guard_step() for _ in range(4)] == [True] * 3 + [False]
    assert budget.steps_taken == 8


def test_guards_leave_the_other_steps_half_of_a_small_budget() -> None:
    budget = Budget(Allowance(3, 0, 10.0), for_guards=4)
    assert [budget.take_step() for _ in range(3)] == [True, True, False]
    assert budget.take_guard_step()
