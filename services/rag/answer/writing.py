"""The answer while it is written: its text, its citations, and the events that tell of them.

A citation is told before the text that holds its mark; marks are numbered in the order of first mention.
"""

from collections.abc import Callable, Iterator, Sequence

from ledge.rag.v1 import rag_pb2 as pb

from services.rag.evidence.signals import Candidate


class Answer:
    """One answer, growing. Used by one call."""

    def __init__(self) -> None:
        self.text = ""
        self.citations: list[pb.Citation] = []
        self._numbers: dict[tuple[str, str, int], int] = {}

    @property
    def next_start(self) -> int:
        """Where the next sentence begins."""
        return len(self.text) + bool(self.text)

    def say(
        self, sentence: str, cited: Sequence[Candidate] = (), shown: Callable[[str], str] = lambda text: text
    ) -> Iterator[pb.AnswerResponse]:
        """Adds a sentence with the marks of what it rests on.

        Args:
            shown: makes of a passage's text what the caller may see, of the same length.
        """
        numbers = []
        for candidate in cited:
            key = (candidate.found.collection, candidate.found.chunk.id, candidate.segment.start)
            if key not in self._numbers:
                self._numbers[key] = len(self._numbers) + 1
                citation = pb.Citation(
                    number=self._numbers[key],
                    passage=candidate.found.passage(shown),
                    start=candidate.segment.start,
                    end=candidate.segment.end,
                )
                self.citations.append(citation)
                yield pb.AnswerResponse(citation=citation)
            numbers.append(self._numbers[key])
        marks = "".join(f"[{number}]" for number in dict.fromkeys(numbers))
        piece = (" " if self.text else "") + sentence + (f" {marks}" if marks else "")
        self.text += piece
        yield pb.AnswerResponse(token=pb.Token(text=piece))
