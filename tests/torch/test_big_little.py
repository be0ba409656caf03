"""Big Little decoding over models of transformers: a real one, and a little one cut from it."""

import pytest

from services.hybrid.bild.decoding import Policy
from services.hybrid.bild.in_process import InProcessVerifier, greedy, run

pytestmark = [pytest.mark.torch, pytest.mark.timeout(400)]
TOKENS = 12
QUESTION = "What is a water tower for?"


@pytest.fixture(scope="module")
def model() -> "object":
    pytest.importorskip("torch")
    import torch

    from services.cli.bench.cut_model import CutModel

    # The machine is shared: a thread that waits for a busy core spins.
    torch.set_num_threads(1)
    return CutModel("smollm2-135m-instruct", "cpu")


def decoded(model: "object", dropped: int, policy: Policy) -> "tuple[tuple[int, ...], int, int]":
    prompt = model.prompt(QUESTION)  # type: ignore[attr-defined]
    little, ends = model.without(dropped)(), model.ends  # type: ignore[attr-defined]
    verifier = InProcessVerifier(model.context(), prompt, policy.rollback, ends)  # type: ignore[attr-defined]
    told = run(little, verifier, prompt, policy, TOKENS, ends)
    return told.tokens, told.counts.rollbacks, told.counts.big_calls


def own(model: "object") -> "tuple[int, ...]":
    return greedy(model.context(), model.prompt(QUESTION), TOKENS, model.ends)  # type: ignore[attr-defined]


def test_identical_models_never_roll_back(model: "object") -> None:
    tokens, rollbacks, big_calls = decoded(model, 0, Policy(0.0, 1.0, 4))
    assert tokens == own(model)
    assert rollbacks == 0
    assert big_calls < len(tokens)


@pytest.mark.parametrize("dropped", [1, 8])
def test_rollback_at_zero_is_the_big_models_own_answer(model: "object", dropped: int) -> None:
    tokens, _, _ = decoded(model, dropped, Policy(0.2, 0.0, 4))
    assert tokens == own(model)


def test_a_context_is_rolled_back_as_if_it_had_never_gone_on(model: "object") -> None:
    prompt = model.prompt(QUESTION)  # type: ignore[attr-defined]
    context, fresh = model.context(), model.context()  # type: ignore[attr-defined]
    context.eval([*prompt, 5, 6, 7], 1)
    context.rollback(len(prompt))
    again, anew = context.eval([9], 1), fresh.eval([*prompt, 9], 1)
    assert context.length == len(prompt) + 1
    assert abs(again - anew).max() < 1e-3
