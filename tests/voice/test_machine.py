"""Property tests of the machine: whatever happens in whatever order, on a clock that only the test moves."""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.voice.turns import effects as do
from services.voice.turns import inputs as on
from services.voice.turns.effects import Effect, Refusal, State
from services.voice.turns.inputs import Input, Rules, Timer, Words
from services.voice.turns.machine import step
from services.voice.turns.standing import Machine
from services.voice.turns.turn_steps import MAX_TURN_CHARACTERS

ANY_RULES = st.builds(
    Rules,
    silence_ms=st.sampled_from([100, 500]),
    longest_silence_ms=st.sampled_from([500, 4000]),
    ends_turns=st.booleans(),
    answers=st.booleans(),
    interrupts=st.booleans(),
    answers_silence=st.booleans(),
    idle_timeout_ms=st.sampled_from([None, 5000]),
    speculates=st.booleans(),
    stable_ms=st.sampled_from([None, 0, 250]),
    one_word_interrupts=st.booleans(),
)
RULES = st.one_of(st.just(Rules()), ANY_RULES)
EPOCHS = st.integers(0, 6)
USUAL = st.sampled_from(
    [
        "somebody speaks",
        "somebody speaks and is heard",
        "somebody speaks slowly",
        "what is heard stays the same",
        "what was said is known",
        "silence lasts",
        "the answer sounds",
    ]
)
UNUSUAL = st.one_of(
    st.just("speech begins"),
    st.just("a timer rings"),
    st.just("the answer sounds"),
    st.just("the answer ends"),
    st.just("the answer ends and plays on"),
    st.just("it is played out"),
    st.builds(on.SpeechGoesOn, st.integers(0, 5000)),
    st.builds(on.PartlyHeard, st.sampled_from(Words), st.sampled_from(["", "how", "how tall"]), st.booleans()),
    st.builds(on.SpeechPaused, st.integers(0, 5000), st.integers(0, 300)),
    st.builds(on.Heard, st.sampled_from(["", "mm", "how tall"]), st.sampled_from(Words), st.booleans(), st.booleans()),
    st.just(on.TurnEnded()),
    st.just(on.TurnHeard()),
    st.just(on.TurnLost()),
    st.just(on.ResponseWanted()),
    st.just(on.ResponseUnwanted()),
    st.builds(on.AudioBegan, EPOCHS),
    st.builds(on.AnswerEnded, EPOCHS, st.booleans()),
    st.builds(on.PlayedOut, EPOCHS),
    st.builds(on.TimedOut, st.sampled_from(Timer), st.integers(0, 20)),
    st.builds(on.RulesChanged, RULES),
)
# Half of what happens is usual, or no story would get far; mapped, because `one_of` would take them for one list.
HAPPENINGS = st.one_of(USUAL, UNUSUAL.map(lambda happening: happening))
WAITS_MS = st.sampled_from([0, 30, 200, 600, 5000])


@dataclass
class Witness:
    """Sees all effects, and what must not be."""

    machine: Machine
    now_ms: int = 0
    audio_ms: int = 0
    begun: dict[int, str] = field(default_factory=dict)
    """Epoch → held, told, done, gone."""
    spoken: dict[int, str] = field(default_factory=dict)
    """Turn → started, stopped."""
    committed: set[int] = field(default_factory=set)
    transcribed: set[int] = field(default_factory=set)
    asked: dict[int, str] = field(default_factory=dict)
    """Epoch → what a speculative answer was begun for."""
    said: str = ""
    """The last transcript."""
    timers: list[tuple[int, do.SetTimer]] = field(default_factory=list)
    state: State = State.IDLE
    closed: int = 0

    def happen(self, event: Input) -> list[Effect]:
        self.machine, effects = step(self.machine, event, self.now_ms)
        assert not (self.closed and effects), "nothing is done after the end"
        for effect in effects:
            self.see(effect)
        assert self.state is self.machine.state
        live = [epoch for epoch, fate in self.begun.items() if fate != "gone"]
        assert len(live) <= 1, "one answer at a time"
        return effects

    def see(self, effect: Effect) -> None:
        match effect:
            case do.Begin(epoch, text):
                assert epoch > max(self.begun, default=0)
                self.begun[epoch] = "told" if text is None else "held"
                self.asked[epoch] = text or ""
            case do.Release(epoch):
                assert self.begun[epoch] == "held"
                assert self.asked[epoch] == self.said, "it answers what was said"
                self.begun[epoch] = "told"
            case do.Discard(epoch):
                assert self.begun[epoch] == "held", "what was told is not taken back"
                self.begun[epoch] = "gone"
            case do.EndResponse(epoch):
                assert self.begun[epoch] == "told", "one response.done for each response.created"
                self.begun[epoch] = "gone"
            case do.CompleteResponse(epoch):
                assert self.begun[epoch] == "told", "one response.done for each response.created"
                self.begun[epoch] = "done"
            case do.CutShort(epoch) | do.Retire(epoch):
                assert self.begun[epoch] == "done"
                self.begun[epoch] = "gone"
            case do.Duck(epoch) | do.Halt(epoch) | do.Resume(epoch):
                assert self.begun[epoch] in ("told", "done"), "nobody hears what was not told"
            case do.TellSpeechStarted(turn):
                assert turn not in self.spoken
                self.spoken[turn] = "started"
            case do.TellSpeechStopped(turn):
                assert self.spoken[turn] == "started"
                self.spoken[turn] = "stopped"
            case do.CommitTurn(turn):
                assert turn not in self.committed
                assert self.spoken.get(turn) != "started", "speech_stopped comes before the item"
                self.committed.add(turn)
            case do.TellTranscript(turn, text):
                self.said = text
                assert turn in self.committed
                assert turn not in self.transcribed
                self.transcribed.add(turn)
            case do.ShowState(state, previous):
                assert previous is self.state
                assert state is not previous
                self.state = state
            case do.SetTimer():
                self.timers.append((self.now_ms + effect.after_ms, effect))
            case do.Close():
                self.closed += 1

    def tell(self, happening: str | Input) -> None:
        answer = self.machine.answer
        epoch = answer.epoch if answer is not None else 0
        match happening:
            case "speech begins":
                self.audio_ms += 400
                self.happen(on.SpeechBegan(self.audio_ms))
            case "somebody speaks" | "somebody speaks and is heard":
                self.audio_ms += 400
                self.happen(on.SpeechBegan(self.audio_ms))
                self.happen(on.PartlyHeard(Words.NONE))
                self.audio_ms += 1000
                self.happen(on.SpeechPaused(self.audio_ms, 190))
                if happening == "somebody speaks and is heard":
                    self.happen(on.Heard(f"words at {self.audio_ms}", Words.SPEECH))
            case "somebody speaks slowly":
                self.audio_ms += 400
                self.happen(on.SpeechBegan(self.audio_ms))
                for _ in range(2):
                    self.now_ms += 300
                    self.audio_ms += 300
                    self.happen(on.PartlyHeard(Words.SPEECH, "how tall", sounds_finished=True))
            case "what is heard stays the same" if self.machine.turn is not None:
                self.now_ms += 300
                self.happen(on.PartlyHeard(Words.SPEECH, self.machine.turn.partial, sounds_finished=True))
            case "what was said is known" if self.machine.turn is not None:
                words = self.machine.turn.partial
                self.happen(on.SpeechPaused(self.audio_ms, 190))
                self.happen(on.Heard(words, Words.SPEECH if words else Words.NONE))
            case "silence lasts":
                self.now_ms += 4000
                self.happen(on.TimedOut(Timer.COMMIT, self.machine.commit_serial))
            case "a timer rings" if self.timers:
                due_ms, timer = min(self.timers, key=lambda entry: entry[0])
                self.timers.remove((due_ms, timer))
                self.now_ms = max(self.now_ms, due_ms)
                self.happen(on.TimedOut(timer.timer, timer.serial))
            case "the answer sounds" if answer is not None and answer.is_told:
                self.happen(on.AudioBegan(epoch))
            case "the answer ends" if answer is not None and answer.is_told:
                self.happen(on.AnswerEnded(epoch, plays_on=False))
            case "the answer ends and plays on" if answer is not None and answer.is_told:
                self.happen(on.AnswerEnded(epoch, plays_on=True))
            case "it is played out":
                self.happen(on.PlayedOut(epoch))
            case str():
                pass
            case event:
                # An answer that nobody was told of sends nothing.
                held = answer is not None and not answer.is_told
                if not (held and isinstance(event, on.AudioBegan | on.AnswerEnded | on.PlayedOut)):
                    self.happen(event)


@settings(max_examples=600, deadline=None)
@given(RULES, st.lists(st.tuples(HAPPENINGS, WAITS_MS), max_size=60))
def test_whatever_happens_every_response_ends_once_and_every_start_of_speech_has_its_stop(
    rules: Rules, happenings: list[tuple[str | Input, int]]
) -> None:
    witness = Witness(Machine(rules=rules))
    for happening, wait_ms in happenings:
        witness.now_ms += wait_ms
        witness.tell(happening)
    # The client half-closes; what was said is heard to its end, and answers end in their turn.
    witness.happen(on.InputEnded())
    if witness.machine.turn is not None and witness.machine.turn.awaits_words:
        witness.happen(on.Heard("how tall", Words.SPEECH))
    witness.happen(on.AllHeard())
    for _ in range(4):
        witness.tell("the answer ends")
    assert witness.closed == 1
    assert witness.state is State.CLOSING
    assert "told" not in witness.begun.values()
    assert "held" not in witness.begun.values()
    assert "started" not in witness.spoken.values()
    assert witness.transcribed <= witness.committed
    assert not witness.machine.wants_answer, "who had to wait was answered"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(HAPPENINGS, WAITS_MS), max_size=40))
def test_what_comes_from_an_older_epoch_changes_nothing(happenings: list[tuple[str | Input, int]]) -> None:
    witness = Witness(Machine(rules=Rules()))
    for happening, wait_ms in happenings:
        witness.now_ms += wait_ms
        witness.tell(happening)
        current = witness.machine.answer.epoch if witness.machine.answer is not None else None
        for stale in (epoch for epoch in range(witness.machine.epoch + 1) if epoch != current):
            for event in (on.AudioBegan(stale), on.AnswerEnded(stale, plays_on=True), on.PlayedOut(stale)):
                before = witness.machine
                assert step(before, event, witness.now_ms) == (before, [])


def talk(machine: Machine, *events: Input | int) -> tuple[Machine, list[Effect]]:
    """Takes events, waiting the milliseconds between them; all effects but those that show the state."""
    now_ms, effects = 0, list[Effect]()
    for event in events:
        if isinstance(event, int):
            now_ms += event
        else:
            machine, done = step(machine, event, now_ms)
            effects += done
    return machine, [effect for effect in effects if not isinstance(effect, do.ShowState)]


SPOKEN = (on.SpeechBegan(300), 2000, on.SpeechPaused(2000, 190), on.Heard("how tall is it", Words.SPEECH))
ANSWERED = (*SPOKEN, 310, on.TimedOut(Timer.COMMIT, 3))
HEARD = (*ANSWERED, on.AudioBegan(1), 2000)
BARGE = on.SpeechBegan(6000)


def test_an_answer_is_begun_at_the_soft_end_and_told_when_the_turn_has_ended() -> None:
    machine, effects = talk(Machine(), *SPOKEN)
    assert effects[-1] == do.Begin(1, "how tall is it")
    timer = next(effect for effect in reversed(effects) if isinstance(effect, do.SetTimer))
    assert timer.after_ms == 310, "500 ms of silence, of which 190 were heard"
    _, effects = talk(machine, 310, on.TimedOut(Timer.COMMIT, timer.serial))
    assert effects == [
        do.TellSpeechStopped(1, 2000),
        do.CommitTurn(1),
        do.TellTranscript(1, "how tall is it"),
        do.Release(1),
    ]


def test_speech_that_goes_on_throws_away_what_was_begun_and_joins_the_turn() -> None:
    machine, _ = talk(Machine(), *SPOKEN)
    machine, effects = talk(machine, on.SpeechBegan(2300), on.PartlyHeard(Words.SPEECH))
    assert do.Discard(1) in effects
    more = (on.SpeechPaused(3500, 190), on.Heard("and how old", Words.SPEECH))
    machine, effects = talk(machine, *more)
    assert effects[-1] == do.Begin(3, "how tall is it and how old")
    assert machine.turn is not None
    assert machine.turn.discarded == 1


def test_a_cough_after_the_soft_end_keeps_what_was_begun() -> None:
    machine, _ = talk(Machine(), *SPOKEN)
    _, effects = talk(machine, on.SpeechBegan(2300), on.SpeechPaused(2400, 190), on.Heard("", Words.NONE))
    assert [effect for effect in effects if isinstance(effect, do.Discard | do.Begin)] == []


def test_a_turn_is_answered_speculatively_twice_at_most() -> None:
    machine = Machine()
    began = 0
    for at_ms in range(0, 5000, 1000):
        said = (on.SpeechBegan(at_ms), on.SpeechPaused(at_ms + 700, 190), on.Heard("one more", Words.SPEECH))
        machine, effects = talk(machine, *said)
        began += sum(isinstance(effect, do.Begin) for effect in effects)
    assert began == 2


STEADY = on.PartlyHeard(Words.SPEECH, "how tall is it", sounds_finished=True)
EARLY = (on.SpeechBegan(300), 900, STEADY, 300, STEADY)


def speculated(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, do.Begin | do.Discard | do.Release)]


def test_words_that_stay_the_same_are_answered_while_somebody_still_speaks_and_once() -> None:
    machine, effects = talk(Machine(), *EARLY)
    assert speculated(effects) == [do.Begin(1, "how tall is it")]
    assert machine.state is State.USER_SPEAKING
    heard = on.Heard("How tall is it?", Words.SPEECH)
    machine, effects = talk(machine, STEADY, on.SpeechPaused(2000, 190), heard)
    assert speculated(effects) == [], "capitals and punctuation make no other question"
    _, effects = talk(machine, 400, on.TimedOut(Timer.COMMIT, machine.commit_serial))
    assert do.TellTranscript(1, "How tall is it?") in effects
    assert speculated(effects) == [do.Release(1)]


def test_words_that_have_just_changed_or_sound_unfinished_are_not_answered_yet() -> None:
    shorter, unfinished = replace(STEADY, text="how tall"), replace(STEADY, sounds_finished=False)
    for said in ((shorter, 300, STEADY, 200, STEADY), (unfinished, 900, unfinished), (replace(STEADY, text=""),) * 2):
        _, effects = talk(Machine(), on.SpeechBegan(300), *said)
        assert speculated(effects) == []


def test_where_nobody_wants_it_answers_are_begun_at_soft_ends_only() -> None:
    for rules in (Rules(stable_ms=None), Rules(speculates=False), Rules(answers=False), Rules(ends_turns=False)):
        _, effects = talk(Machine(rules=rules), *EARLY, 5000, STEADY)
        assert speculated(effects) == []


def test_one_more_word_throws_away_what_was_begun_early_and_the_soft_end_begins_again() -> None:
    machine, _ = talk(Machine(), *EARLY)
    more = replace(STEADY, text="how tall is it today")
    machine, effects = talk(machine, more, 300, more)
    assert speculated(effects) == [do.Discard(1)], "once a turn"
    heard = on.Heard("how tall is it today", Words.SPEECH)
    machine, effects = talk(machine, on.SpeechPaused(2600, 190), heard)
    assert speculated(effects) == [do.Begin(3, "how tall is it today")]
    assert machine.turn is not None
    assert machine.turn.discarded == 1


def test_what_was_begun_early_is_thrown_away_where_nothing_was_said_after_all() -> None:
    for heard in (on.Heard("", Words.NONE), on.Heard("how tall is it", Words.ECHO)):
        machine, _ = talk(Machine(), *EARLY)
        machine, effects = talk(machine, on.SpeechPaused(2000, 190), heard)
        assert speculated(effects) == [do.Discard(1)]
        assert machine.state is State.IDLE


def test_what_was_begun_in_another_language_is_begun_again() -> None:
    machine, _ = talk(Machine(), *EARLY)
    heard = on.Heard("how tall is it", Words.SPEECH, is_another_language=True)
    _, effects = talk(machine, on.SpeechPaused(2000, 190), heard)
    assert speculated(effects) == [do.Discard(1), do.Begin(3, "how tall is it")]


def test_one_word_is_taken_for_a_misheard_nod_unless_more_follow_or_it_is_long() -> None:
    word = (BARGE, on.SpeechGoesOn(6240), on.PartlyHeard(Words.WORD, "kaye"))
    machine, _ = talk(Machine(), *HEARD)
    machine, effects = talk(machine, *word, on.SpeechPaused(6400, 190), on.Heard("kaye", Words.WORD))
    assert effects[-1] == do.Resume(1)
    assert not [effect for effect in effects if isinstance(effect, do.EndResponse | do.CommitTurn)]
    for follows in (
        on.PartlyHeard(Words.SPEECH, "kay what"),
        on.SpeechGoesOn(6800),
        on.Heard("kay what", Words.SPEECH),
    ):
        machine, _ = talk(Machine(), *HEARD)
        _, effects = talk(machine, *word, follows)
        assert do.EndResponse(1, "turn_detected") in effects


def test_one_word_interrupts_where_that_is_wanted_and_is_a_turn_where_nobody_speaks() -> None:
    machine, _ = talk(Machine(rules=Rules(one_word_interrupts=True)), *HEARD)
    _, effects = talk(machine, BARGE, on.PartlyHeard(Words.WORD, "bridges"))
    assert do.EndResponse(1, "turn_detected") in effects
    said = (on.SpeechBegan(300), on.SpeechPaused(900, 190), on.Heard("bridges", Words.WORD))
    _, effects = talk(Machine(), *said)
    assert effects[-1] == do.Begin(1, "bridges")


def test_speech_into_an_answer_ducks_it_then_silences_it_then_ends_it() -> None:
    machine, _ = talk(Machine(), *HEARD)
    assert machine.state is State.SPEAKING
    machine, effects = step(machine, BARGE, 9000)
    assert do.Duck(1) in effects
    assert machine.state is State.INTERRUPT_PENDING
    machine, effects = step(machine, on.SpeechGoesOn(6000 + 224), 9224)
    assert effects == [do.Halt(1), do.TellSpeechStarted(2, 6000)]
    machine, effects = step(machine, on.PartlyHeard(Words.SPEECH), 9400)
    assert effects[0] == do.EndResponse(1, "turn_detected")
    assert machine.state is State.USER_SPEAKING


def test_a_nod_lets_the_answer_go_on_and_leaves_no_item() -> None:
    machine, _ = talk(Machine(), *HEARD)
    effects: list[Effect] = []
    nod = (
        BARGE,
        on.SpeechGoesOn(6000 + 240),
        on.PartlyHeard(Words.BACKCHANNEL),
        on.SpeechPaused(6400, 190),
        on.Heard("mm-hm", Words.BACKCHANNEL),
    )
    for event in nod:
        machine, done = step(machine, event, 9000)
        effects += [effect for effect in done if not isinstance(effect, do.ShowState)]
    assert effects[0] == do.Duck(1)
    assert effects[-1] == do.Resume(1)
    assert do.TellSpeechStopped(2, 6400) in effects
    assert not [effect for effect in effects if isinstance(effect, do.CommitTurn | do.EndResponse)]
    assert machine.state is State.SPEAKING


def test_echo_does_not_interrupt_however_long_it_sounds_like_words() -> None:
    machine, _ = talk(Machine(), *HEARD)
    for event in (BARGE, on.PartlyHeard(Words.ECHO), on.SpeechPaused(6700, 190), on.Heard("it is", Words.ECHO)):
        machine, effects = step(machine, event, 9000)
        assert not [effect for effect in effects if isinstance(effect, do.EndResponse)]
    assert machine.state is State.SPEAKING


def test_in_the_first_second_of_an_answer_more_speech_is_needed() -> None:
    machine, _ = talk(Machine(), *ANSWERED, on.AudioBegan(1))
    early_ms = machine.answer.began_ms + 500  # type: ignore[union-attr,operator]
    machine, _ = step(machine, BARGE, early_ms)
    machine, effects = step(machine, on.SpeechGoesOn(6000 + 300), early_ms)
    assert effects == []
    _, effects = step(machine, on.SpeechGoesOn(6000 + 400), early_ms)
    assert effects[0] == do.Halt(1)


def test_long_speech_without_known_words_interrupts_too() -> None:
    machine, _ = talk(Machine(), *HEARD)
    machine, _ = step(machine, BARGE, 9000)
    _, effects = step(machine, on.SpeechGoesOn(6000 + 800), 9800)
    assert do.EndResponse(1, "turn_detected") in effects


def test_an_answer_that_is_not_to_be_interrupted_is_followed_by_the_next() -> None:
    machine, _ = talk(Machine(rules=Rules(interrupts=False)), *HEARD)
    said = (BARGE, on.SpeechPaused(7000, 190), on.Heard("and how old", Words.SPEECH))
    for event in said:
        machine, effects = step(machine, event, 9000)
        assert not [effect for effect in effects if isinstance(effect, do.Duck | do.Halt | do.EndResponse)]
    machine, effects = step(machine, on.TimedOut(Timer.COMMIT, machine.commit_serial), 9400)
    assert do.CommitTurn(2) in effects
    assert machine.wants_answer
    _, effects = step(machine, on.AnswerEnded(1, plays_on=False), 12_000)
    assert do.Begin(2) in effects


def test_a_turn_that_the_client_ends_is_an_item_before_its_words_are_there() -> None:
    machine = Machine(rules=Rules(ends_turns=False, answers=False))
    machine, effects = talk(machine, on.SpeechBegan(100), on.TurnEnded(), on.ResponseWanted())
    assert [effect for effect in effects if not isinstance(effect, do.SetTimer)] == [do.CommitTurn(1)]
    assert machine.state is State.COMMITTED
    heard = (on.SpeechPaused(900, 0), on.Heard("how tall", Words.SPEECH), on.TurnHeard())
    _, effects = talk(machine, *heard)
    assert effects[-2:] == [do.TellTranscript(1, "how tall"), do.Begin(1)]


def test_silence_ends_no_turn_once_the_client_does() -> None:
    by_hand = on.RulesChanged(Rules(ends_turns=False))
    machine, effects = talk(Machine(), *SPOKEN, by_hand, 310, on.TimedOut(Timer.COMMIT, 3))
    assert machine.turn is not None
    assert not [effect for effect in effects if isinstance(effect, do.CommitTurn)]


def test_a_second_response_is_refused_while_one_is_under_way() -> None:
    _, effects = talk(Machine(), on.ResponseWanted(), on.ResponseWanted())
    assert effects == [do.Begin(1), do.Refuse(Refusal.ACTIVE_RESPONSE)]


def test_to_cancel_nothing_is_refused() -> None:
    _, effects = talk(Machine(), on.ResponseUnwanted())
    assert effects == [do.Refuse(Refusal.NO_RESPONSE)]


def test_what_sounds_unfinished_is_given_more_time() -> None:
    rules = Rules(longest_silence_ms=4000)
    unfinished = replace(SPOKEN[3], sounds_finished=False)  # type: ignore[type-var]
    machine, effects = talk(Machine(rules=rules), *SPOKEN[:3], unfinished)
    timers = [effect for effect in effects if isinstance(effect, do.SetTimer)]
    assert timers[-1].after_ms == 4000 - 190
    _, effects = talk(machine, on.TimedOut(Timer.COMMIT, timers[0].serial))
    assert effects == [], "the first timer does not matter any more"


def test_a_silence_in_audio_that_came_faster_than_it_was_spoken_ends_the_turn() -> None:
    machine, _ = talk(Machine(), *SPOKEN)
    _, effects = talk(machine, on.SpeechBegan(2600))
    assert do.CommitTurn(1) in effects
    assert do.Release(1) in effects


def test_speech_that_goes_on_while_words_are_awaited_keeps_the_turn_open() -> None:
    paused = SPOKEN[:3]
    machine, _ = talk(Machine(), *paused, on.SpeechGoesOn(2400))
    assert machine.turn is not None
    assert machine.turn.is_open
    machine, effects = talk(machine, on.TimedOut(Timer.COMMIT, 2), 2000, SPOKEN[3], on.SpeechBegan(2350))
    assert not [effect for effect in effects if isinstance(effect, do.CommitTurn | do.Begin)]
    again = (on.SpeechPaused(3000, 190), on.Heard("and how wide", Words.SPEECH), on.AllHeard())
    _, effects = talk(machine, *again)
    assert do.TellTranscript(1, "how tall is it and how wide") in effects


def test_speech_without_words_is_no_turn() -> None:
    _, effects = talk(Machine(), on.SpeechBegan(0), on.SpeechPaused(400, 190), on.Heard("", Words.NONE))
    assert effects[-2:] == [do.TellSpeechStopped(1, 400), do.ForgetTurn(1)]


def test_a_word_silences_the_player_before_the_answer_is_ended() -> None:
    machine, _ = talk(Machine(), on.ResponseWanted(), on.AudioBegan(1), on.SpeechBegan(0))
    _, effects = talk(machine, on.PartlyHeard(Words.SPEECH))
    assert [effect for effect in effects if isinstance(effect, do.Halt | do.EndResponse)] == [
        do.Halt(1),
        do.EndResponse(1, "turn_detected"),
    ]


def test_of_speech_without_an_end_no_more_is_kept_than_has_room() -> None:
    part = (on.SpeechPaused(400, 190), on.Heard("x" * 1000, Words.SPEECH), on.SpeechBegan(500))
    machine, _ = talk(Machine(), on.SpeechBegan(0), *(part * 200))
    assert machine.turn is not None
    assert len(machine.turn.text) <= MAX_TURN_CHARACTERS + 1000


def test_nobody_spoke_for_long() -> None:
    rules = Rules(idle_timeout_ms=5000, answers_silence=True)
    machine, effects = talk(Machine(rules=rules), on.ResponseWanted(), on.AnswerEnded(1, plays_on=False))
    (timer,) = [effect for effect in effects if isinstance(effect, do.SetTimer)]
    _, effects = talk(machine, on.TimedOut(Timer.IDLE, timer.serial))
    assert effects == [do.TellIdle(1), do.CommitTurn(1), do.TellTranscript(1, ""), do.Begin(2)]
