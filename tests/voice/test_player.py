"""Property tests of the player: whatever is made, stopped, resumed and reported, on a clock that nobody waits for."""

import asyncio

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.voice.speaking.player import KEPT_MS, MAX_WAITING_MS, STEP_MS, Player
from tests.voice.virtual_time import run

AHEAD_MS = 3000
SAMPLE_BYTES = 4
"""Each sample tells its own place, so that it is known what was sent."""
NEAR_MS = 0.01
Happening = tuple[str, int]
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("made"), st.sampled_from([1, 40, 260, 5000])),
        st.tuples(st.just("heard"), st.sampled_from([0, 37, 100, 900, 4000])),
        st.tuples(st.just("heard less"), st.sampled_from([30, 150, 2000, 9000])),
        st.tuples(st.just("time goes by"), st.sampled_from([3, 90, 1000, 7000])),
        st.tuples(st.sampled_from(["start", "halt", "heard all"]), st.just(0)),
    ),
    max_size=30,
)


class Witness:
    """A client of one player, which checks all that it is sent."""

    def __init__(self, samples_per_ms: float) -> None:
        self.samples_per_ms = samples_per_ms
        self.bytes_per_ms = samples_per_ms * SAMPLE_BYTES
        clock = asyncio.get_running_loop().time
        self.player = Player(self.bytes_per_ms, SAMPLE_BYTES, AHEAD_MS, self.take, clock)
        self.made = 0
        """Samples; so is all that follows but what has a unit."""
        self.largest_ms = 0
        self.covered = 0
        self.sent_ms = 0.0
        self.most_heard_ms = 0.0
        self.gone_ms = 0.0
        """Where it was resumed last."""
        self.is_halted = True
        self.resumed_at_ms: float | None = None
        self.resumed = 0
        self.faults: list[AssertionError] = []

    async def take(self, audio: bytes, offset_ms: int) -> None:
        # The player's own task would keep what it raises to itself.
        try:
            self._check(audio, offset_ms)
        except AssertionError as fault:
            self.faults.append(fault)

    def _check(self, audio: bytes, offset_ms: int) -> None:
        assert not self.is_halted, "nothing is sent while it is halted"
        samples = np.frombuffer(audio, "<u4")
        first, behind = int(samples[0]), int(samples[-1]) + 1
        assert behind - first == len(samples), "nothing is left out within a message"
        assert len(audio) <= STEP_MS * self.bytes_per_ms
        # Where it goes on it begins with a whole sample.
        assert abs(first / self.samples_per_ms - offset_ms) <= 0.5 + (self.resumed + 1) / self.samples_per_ms
        assert first <= self.covered, "nothing is left out between messages"
        if self.resumed_at_ms is not None:
            begins_ms = first / self.samples_per_ms
            # A client that tells of less than it can be sent again is sent what there is.
            latest_ms = max(self.resumed_at_ms, self.most_heard_ms - KEPT_MS)
            assert begins_ms <= latest_ms + NEAR_MS, "what was not heard is sent again"
            assert begins_ms >= self.resumed_at_ms - (self.resumed + 1) / self.samples_per_ms, "what was heard is not"
            self.resumed_at_ms = None
        self.covered = max(self.covered, behind)
        self.sent_ms = behind / self.samples_per_ms
        self.most_heard_ms = max(self.most_heard_ms, self.player.heard_ms())
        assert self.player.unheard_ms <= AHEAD_MS + STEP_MS, "no more is sent ahead than is wanted"

    def look(self) -> None:
        for fault in self.faults:
            raise fault
        player = self.player
        slack_ms = (self.resumed + 1) / self.samples_per_ms
        assert 0 <= player.heard_ms() <= self.sent_ms + slack_ms, "nothing is heard that was not sent"
        self.most_heard_ms = max(self.most_heard_ms, player.heard_ms())
        waiting_ms = player.made_ms - self.sent_ms
        assert waiting_ms <= MAX_WAITING_MS + self.largest_ms + AHEAD_MS + KEPT_MS + STEP_MS, "what waits is bounded"

    async def make(self, length_ms: int) -> None:
        length = round(length_ms * self.samples_per_ms)
        audio = np.arange(self.made, self.made + length, dtype="<u4").tobytes()
        self.made += length
        self.largest_ms = max(self.largest_ms, length_ms)
        await self.player.add(audio)

    def start(self) -> None:
        if not self.is_halted:
            self.player.start()
            return
        self.resumed_at_ms = max(self.player.heard_ms(), self.gone_ms)
        self.is_halted = False
        self.resumed += 1
        self.player.start()
        self.gone_ms = self.player.heard_ms()

    async def happen(self, what: str, how_much: int) -> None:
        match what:
            case "heard":
                self.player.report(how_much, ended=False)
            case "heard less":
                self.player.report(max(0.0, self.player.heard_ms() - how_much), ended=False)
            case "heard all":
                self.player.report(0, ended=True)
            case "time goes by":
                await asyncio.sleep(how_much / 1000)
            case "start":
                self.start()
            case "halt":
                self.player.halt()
                self.is_halted = True
        if self.is_halted:
            self.resumed_at_ms = None
        await asyncio.sleep(0)
        self.look()


async def played(happenings: list[Happening], samples_per_ms: float) -> None:
    witness = Witness(samples_per_ms)
    wanted: asyncio.Queue[int | None] = asyncio.Queue()
    making = asyncio.create_task(_make(witness, wanted))
    for what, how_much in happenings:
        if what == "made":
            wanted.put_nowait(how_much)
        await witness.happen(what, how_much)
    wanted.put_nowait(None)
    witness.start()
    async with asyncio.timeout(3600):
        await making
        await witness.player.drain()
        await witness.player.played_out()
    witness.look()
    assert witness.covered == witness.made, "nothing is lost"
    await witness.player.aclose()


async def _make(witness: Witness, wanted: "asyncio.Queue[int | None]") -> None:
    """One piece after the other, as a voice speaks."""
    while (length_ms := await wanted.get()) is not None:
        await witness.make(length_ms)


LATE = [("made", 5000), ("start", 0), ("time goes by", 1000), ("heard less", 150), ("halt", 0)]
"""A client whose loudspeaker is later than the clock."""


@settings(max_examples=300, deadline=None)
@example(LATE, 24.0)
@given(HAPPENINGS, st.sampled_from([1.0, 8.0, 24.0, 44.1]))
def test_nothing_is_lost_nor_sent_while_it_is_halted_nor_too_far_ahead(
    happenings: list[Happening], samples_per_ms: float
) -> None:
    run(played(happenings, samples_per_ms))
