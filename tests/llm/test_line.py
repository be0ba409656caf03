"""Who is next in line: the invariants of the order, for any arrivals."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.engine import Job, TextPrompt
from services.llm.engines.vllm_order import place
from services.llm.line import GRACE_S, MAX_KNOWN_TENANTS, SLACK, Line, Waiting

lengths = st.lists(st.integers(1, 1000), min_size=1, max_size=80)


def emptied(line: Line, now_s: float = 0.0) -> list[Waiting]:
    """Everybody, in the order in which they are served at one moment."""
    served = []
    while (one := line.take(now_s)) is not None:
        served.append(one)
    return served


@given(lengths)
def test_who_came_together_is_served_shortest_first_and_then_by_arrival(tokens: list[int]) -> None:
    line, waiting = Line(), [Waiting(length, 0.0) for length in tokens]
    for one in waiting:
        line.add(one)
    assert len(line) == len(tokens)
    assert emptied(line) == sorted(waiting, key=lambda one: one.predicted_tokens)
    assert len(line) == 0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=80))
def test_without_guesses_it_is_first_come_first_served(gaps: list[float]) -> None:
    line, now_s, waiting = Line(), 0.0, []
    for gap_s in gaps:
        now_s += gap_s
        waiting.append(Waiting(0.0, now_s))
        line.add(waiting[-1])
    assert emptied(line, now_s) == waiting


@dataclass
class Crowd:
    """A full queue into which somebody shorter comes whenever somebody is served, for ever."""

    line: Line
    size: int

    def wait_of(self, one: Waiting, turns: int, newcomer: int) -> int:
        """How many are served before `one`, a turn a second."""
        for number in range(self.size):
            self.line.add(Waiting(newcomer, 0.0, tenant=one.tenant if number % 2 else ""))
        self.line.add(one)
        for turn in range(turns):
            if self.line.take(float(turn)) is one:
                return turn
            self.line.add(Waiting(newcomer, float(turn), tenant="" if turn % 2 else one.tenant))
        raise AssertionError(f"starved for {turns} turns")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 500), st.sampled_from(["", "a tenant"]), st.integers(0, 3))
def test_no_answer_starves_however_many_shorter_ones_come(size: int, longer: int, tenant: str, priority: int) -> None:
    long_one = Waiting(1.0 + longer, 0.0, tenant=tenant, priority=priority)
    patience_s = 60.0
    waited = Crowd(Line(patience_s), size).wait_of(long_one, turns=2000, newcomer=1)
    # By its turn first-come would have served everybody before it: the slack, and its share among tenants and classes.
    bound = (SLACK * (size + 1) + GRACE_S + 2) * (2 if tenant else 1)
    if priority:
        bound = 2 * (bound + patience_s + size + 1)
    assert waited <= bound


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.floats(0, 3)), min_size=2, max_size=150), st.floats(0.2, 3))
def test_nobody_waits_much_longer_than_the_unluckiest_of_first_come(
    arrivals: list[tuple[int, float]], turn_s: float
) -> None:
    def waits(shortest: bool) -> list[float]:
        line, now_s, served_s, found = Line(), 0.0, 0.0, []
        coming = []
        for tokens, gap_s in arrivals:
            now_s += gap_s
            coming.append(Waiting(float(tokens) if shortest else 0.0, now_s))
        while coming or len(line):
            if not len(line):
                served_s = max(served_s, coming[0].arrived_s)
            while coming and coming[0].arrived_s <= served_s:
                line.add(coming.pop(0))
            one = line.take(served_s)
            assert one is not None
            found.append(served_s - one.arrived_s)
            served_s += turn_s
        return found

    # The rule may lag a turn; several who are overdue together are served one a turn.
    first_come = max(waits(shortest=False))
    overdue_together = SLACK * first_come + GRACE_S
    assert max(waits(shortest=True)) <= 2 * overdue_together + 2 * turn_s


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.lists(st.integers(1, 300), min_size=60, max_size=60), st.integers(1, 10))
def test_tenants_get_the_same_tokens_however_much_one_asks_for(tenants: int, tokens: list[int], greed: int) -> None:
    line = Line()
    for number, length in enumerate(tokens):
        for tenant in range(tenants):
            for _ in range(greed if tenant == 0 else 1):
                line.add(Waiting(length, number * 1e-3, tenant=str(tenant)))
    had = dict.fromkeys(map(str, range(tenants)), 0.0)
    left = {tenant: len(tokens) for tenant in had}
    while min(left.values()) > 1:
        one = line.take(1.0)
        assert one is not None
        had[one.tenant] += one.predicted_tokens
        left[one.tenant] -= 1
        assert max(had.values()) - min(had.values()) <= max(tokens)


def test_who_makes_its_answers_look_short_pays_for_what_they_took() -> None:
    line = Line()
    for number in range(40):
        line.add(Waiting(1.0, number * 1e-3, tenant="liar"))
        line.add(Waiting(100.0, number * 1e-3, tenant="honest"))
    served = {"liar": 0, "honest": 0}
    for _ in range(40):
        one = line.take(0.1)
        assert one is not None
        served[one.tenant] += 1
        line.served(one, 100.0)
    assert abs(served["liar"] - served["honest"]) <= 2


def test_who_comes_back_has_no_claim_to_what_it_did_not_ask_for() -> None:
    line = Line()
    for _ in range(100):
        line.add(Waiting(10.0, 0.0, tenant="steady"))
    for _ in range(50):
        line.take(0.0)
    for _ in range(50):
        line.add(Waiting(10.0, 0.0, tenant="back"))
    first = [one.tenant for one in emptied(line)[:20]]
    assert first.count("back") in (9, 10, 11)


def test_a_lower_priority_number_is_served_first_but_not_for_ever() -> None:
    line = Line(patience_s=10)
    later = Waiting(1.0, 0.0, priority=5)
    line.add(later)
    urgent = [Waiting(1.0, 0.0, priority=-5) for _ in range(8)]
    for one in urgent:
        line.add(one)
    assert [line.take(1.0) for _ in range(3)] == urgent[:3]
    # Past its patience it has every other turn.
    assert later in [line.take(11.0), line.take(11.0)]


def test_a_deadline_that_can_still_be_held_is_held() -> None:
    line = Line()
    due = Waiting(100.0, 0.0, deadline_s=10.0)
    line.add(due)
    for _ in range(5):
        line.add(Waiting(1.0, 0.0))
    # A second a turn and 50 ms a token: at 4 s it must begin, and before it need not.
    assert line.take(0.1, token_s=0.05, turn_s=1.0) is not due
    assert line.take(4.2, token_s=0.05, turn_s=1.0) is due


def test_a_deadline_that_is_lost_pushes_nobody_aside() -> None:
    line = Line()
    lost = Waiting(100.0, 0.0, deadline_s=0.2)
    short = Waiting(1.0, 0.0)
    line.add(lost)
    line.add(short)
    assert line.take(0.1, token_s=0.05, turn_s=1.0) is short


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "take", "remove"]), st.integers(0, 50), st.sampled_from("xyz"), st.integers(-1, 1)
        ),
        max_size=120,
    )
)
def test_everybody_leaves_once_by_being_served_or_giving_up(steps: list[tuple[str, int, str, int]]) -> None:
    line, waiting, now_s = Line(), [], 0.0
    for step, number, tenant, priority in steps:
        now_s += number / 10
        if step == "add":
            deadline_s = now_s + number if number % 3 else None
            waiting.append(Waiting(float(number), now_s, tenant, priority, deadline_s))
            line.add(waiting[-1])
        elif step == "take":
            one = line.take(now_s, token_s=0.01, turn_s=0.5)
            assert (one is None) == (not waiting)
            if one is not None:
                waiting.remove(one)
        elif waiting:
            gone = waiting.pop(number % len(waiting))
            line.remove(gone)
            line.remove(gone)
        assert len(line) == len(waiting)
    assert set(map(id, emptied(line, now_s))) == set(map(id, waiting))


def test_what_is_remembered_of_tenants_is_bounded() -> None:
    line = Line()
    for number in range(3 * MAX_KNOWN_TENANTS):
        line.add(Waiting(1.0, float(number), tenant=str(number)))
        assert line.take(float(number)) is not None
    (of_class,) = line._classes.values()
    assert len(of_class.served) <= MAX_KNOWN_TENANTS + 1


@pytest.mark.parametrize(("first", "second"), [
    (Job(TextPrompt("x"), priority=-1, predicted_tokens=9000), Job(TextPrompt("x"), predicted_tokens=1)),
    (Job(TextPrompt("x"), predicted_tokens=10), Job(TextPrompt("x"), predicted_tokens=300)),
])  # fmt: skip
def test_vllms_order_is_priority_then_length(first: Job, second: Job) -> None:
    assert place(first, 1000.0) < place(second, 1000.0)


def test_vllms_order_ages() -> None:
    long_one, short = Job(TextPrompt("x"), predicted_tokens=1000), Job(TextPrompt("x"), predicted_tokens=10)
    assert place(long_one, 100.0) < place(short, 200.0)
    assert place(Job(TextPrompt("x")), 100.0) < place(Job(TextPrompt("x")), 100.1)
