"""Big Little decoding switches itself off where it loses, and only there."""

from services.hybrid.bild.cost import OFF_S, ROUNDS_TO_JUDGE, CostModel


def told(rounds: int, *, draft_s: float, round_trip_s: float, compute_s: float, tokens: int = 3) -> CostModel:
    cost = CostModel()
    for number in range(rounds):
        # Every third round has no draft, from which the big model's own step is known.
        drafted = 0 if number % 3 == 0 else tokens
        cost.note(draft_s, round_trip_s, compute_s, drafted, tokens)
    return cost


def test_a_rack_with_a_slow_big_model_keeps_it_on() -> None:
    cost = told(100, draft_s=0.012, round_trip_s=0.026, compute_s=0.025)
    assert cost.is_on(0)
    assert 0.012 < cost.bild_token_s < 0.013
    assert 0.0249 < cost.big_token_s < 0.0251


def test_a_far_away_big_model_switches_it_off() -> None:
    cost = told(100, draft_s=0.012, round_trip_s=0.105, compute_s=0.025)
    assert not cost.is_on(0)


def test_a_few_rounds_are_no_ground_to_judge_on() -> None:
    assert told(ROUNDS_TO_JUDGE - 1, draft_s=1, round_trip_s=1, compute_s=0.001).is_on(0)
    assert not told(ROUNDS_TO_JUDGE, draft_s=1, round_trip_s=1, compute_s=0.001).is_on(0)


def test_what_is_off_is_tried_again_later_and_judged_anew() -> None:
    cost = told(100, draft_s=1, round_trip_s=1, compute_s=0.001)
    assert not cost.is_on(1000)
    assert not cost.is_on(1000 + OFF_S - 1)
    assert cost.is_on(1000 + OFF_S)
    assert cost.rounds == 0


def test_the_past_fades() -> None:
    cost = told(100, draft_s=0.1, round_trip_s=0.1, compute_s=0.01)
    for number in range(200):
        cost.note(0.001, 0.011, 0.010, number % 3, 3)
    assert cost.bild_token_s < 0.005
    assert cost.is_on(0)
