"""What is worked out of a question and its passages: words said otherwise, the second sentence, questions held out."""

import numpy as np
from google.protobuf.struct_pb2 import Struct
from ledge.embedding.v1 import embedding_pb2

from services.kit.token_vectors import pack
from services.rag.chunk_record import Origin, StoredChunk, StoredSegment, from_point, to_point
from services.rag.document import Chunk, Kind, Segment
from services.rag.evidence.folds import folds, grouped
from services.rag.evidence.found import Found
from services.rag.evidence.picking import pick
from services.rag.evidence.question import Question, understand
from services.rag.evidence.signals import Candidate
from services.rag.evidence.soft_coverage import said_words, sought_words
from services.rag.words import Words

WORDS = Words("en")
PUMP, HEAVY, WEIGHS, BLUE = np.eye(4, dtype=np.float32)
NEAR_HEAVY = (WEIGHS + 2 * HEAVY) / np.sqrt(np.float32(5))


def asked(text: str, **counts: int) -> Question:
    return understand(text, WORDS, counts, 100)


def stored(*sentences: str) -> StoredChunk:
    """A passage whose words have the vectors above; "weighs" is near to "heavy"."""
    vectors = {"pump": PUMP, "weighs": NEAR_HEAVY, "blue": BLUE}
    segments, embeddings, start = [], [], 0
    for text in sentences:
        segments.append(Segment(start, start + len(text), Kind.PARAGRAPH))
        start += len(text) + 1
        words = WORDS.of(text)
        rows = np.stack([vectors.get(word.text, np.zeros(4, np.float32)) for word in words])
        offsets = [place for word in words for place in (word.start, word.end)]
        embeddings.append(embedding_pb2.Embedding(dense=PUMP.tobytes(), tokens=pack(rows), token_offsets=offsets))
        embeddings[-1].dimensions = 4
    chunk = Chunk(0, (), " ".join(sentences), tuple(segments))
    return from_point(to_point(Origin("pumps.md", "1", Struct()), chunk, embeddings))


def test_a_word_counts_as_said_by_its_stem_or_by_a_near_token_and_else_as_missing() -> None:
    question = asked("heavy pumps", heavy=5, pumps=5)
    sought = sought_words(question, pack(np.stack([HEAVY, PUMP])), [0, 5, 6, 11])
    chunk = stored("the pump weighs much", "the pump is blue")
    contexts = [frozenset(WORDS.stems(text)) for text in ("the pump weighs much", "the pump is blue")]
    by_stem = dict(zip(sought.stems, said_words(sought, chunk, contexts).T.tolist(), strict=True))
    assert by_stem["pump"] == [1, 1]
    weighs, blue = by_stem["heavi"]
    assert weighs > 0.9
    assert blue == 0
    said = said_words(sought, chunk, contexts)
    assert sought.coverage(said[0]) > 0.9 > 0.8 > sought.coverage(said[1])
    assert sought.heaviest_missing(said[1]) == question.words[0].weight


def test_a_question_without_a_word_that_tells_something_is_covered_by_nothing() -> None:
    sought = sought_words(asked("what is it"), pack(np.stack([HEAVY])), [0, 4])
    said = said_words(sought, stored("the pump is blue"), [frozenset()])
    assert said.shape == (1, 0)
    assert sought.coverage(said[0]) == 0
    assert sought.heaviest_missing(said[0]) == 0


def candidate(passage: str, *, holds_kind: bool) -> Candidate:
    chunk = StoredChunk(passage, "pumps.md", (), None, "text", 0, Struct())
    segment = StoredSegment(0, 4, Kind.PARAGRAPH, "", 0, 0, 0)
    return Candidate(Found("default", chunk, 1.0, 0.5), segment, frozenset(), np.zeros(0), "", holds_kind)


def test_the_second_is_the_one_that_supplies_what_the_first_lacks() -> None:
    question = asked("How tall is the pump?", pump=5)
    first = candidate("a", holds_kind=False)
    others = [candidate("b", holds_kind=False), candidate("a", holds_kind=True)]
    picked = pick(question, [first, *others], np.array([5.0, 4.0, 2.5]))
    assert picked.places == [0, 2]
    assert picked.supplies_kind
    assert picked.quotes_second(within_passage=0.0, within_elsewhere=0.0), "without it the answer is not there"


def test_a_second_that_adds_nothing_is_quoted_only_when_it_is_close() -> None:
    question = asked("How tall is the pump?", pump=5)
    both = [candidate("a", holds_kind=True), candidate("b", holds_kind=True)]
    picked = pick(question, both, np.array([5.0, 4.0]))
    assert not picked.quotes_second(within_passage=1.5, within_elsewhere=0.5)
    assert picked.quotes_second(within_passage=0.5, within_elsewhere=1.5)
    assert pick(question, both[:1], np.array([5.0])).places == [0]


def test_questions_that_share_an_answer_are_held_out_together() -> None:
    groups = grouped([["14.2 m"], [], ["1874", "14.2 M"], ["1874"], []])
    assert groups[0] == groups[2] == groups[3]
    assert len(set(groups.tolist())) == 3
    for seed in range(5):
        dealt = folds(groups, 3, seed)
        assert dealt[0] == dealt[2] == dealt[3]
        assert set(dealt.tolist()) <= {0, 1, 2}


def test_the_kind_of_answer_counts_as_there_only_beside_the_first() -> None:
    question = asked("How tall is the pump?", pump=5)
    first = candidate("a", holds_kind=False)
    beside, elsewhere = candidate("a", holds_kind=True), candidate("b", holds_kind=True)
    assert not pick(question, [first, beside], np.array([5.0, 4.0])).lacks_kind
    picked = pick(question, [first, elsewhere], np.array([5.0, 4.0]))
    assert picked.supplies_kind
    assert picked.lacks_kind
    assert pick(question, [first], np.array([5.0])).lacks_kind
    assert not pick(asked("Tell me about the pump", pump=5), [first], np.array([5.0])).lacks_kind
