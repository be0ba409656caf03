"""Answers over real processes: quoted, composed, refused, followed up, and what the stream tells on the way."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from google.protobuf.struct_pb2 import Value
from ledge.rag.v1 import rag_pb2 as pb
from ledge.retrieval.v1 import retrieval_pb2

from tests.rag.answer_client import ask, turns
from tests.rag.ingest_client import File, ingest

if TYPE_CHECKING:
    from ledge.rag.v1.rag_pb2_grpc import RagServiceAsyncStub as Rag


async def test_events_come_in_the_order_of_the_work(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, "How tall is the pump house?", handbook)
    assert [step.name for step in answered.of("step")] == ["encode", "retrieve", "rerank", "evidence", "quote"]
    kinds = [kind for kind in answered.kinds if kind != "step"]
    assert kinds[:4] == ["retrieval", "verdict", "citation", "token"]
    assert kinds[-1] == "done"
    assert kinds.count("done") == kinds.count("verdict") == kinds.count("retrieval") == 1
    for place, event in enumerate(answered.events):
        if event.WhichOneof("event") == "token" and "[" in event.token.text:
            number = int(event.token.text.rpartition("[")[2].rstrip("]"))
            told = [earlier.citation.number for earlier in answered.events[:place] if earlier.HasField("citation")]
            assert number in told


async def test_an_answer_quotes_the_sentence_that_answers_and_says_where_it_stands(
    answering: "Rag", handbook: str
) -> None:
    answered = await ask(answering, "How tall is the pump house?", handbook)
    assert answered.text.startswith("The pump house is 14.2 m tall. [1]")
    done = answered.done
    assert done.answer == answered.text
    assert done.answered
    assert list(done.citations) == answered.of("citation")
    assert list(done.steps) == answered.of("step")
    assert not done.degraded
    assert not done.budget_exhausted
    assert 0 < done.first_token_ms <= done.elapsed_ms
    first = done.citations[0]
    assert first.passage.text[first.start : first.end] == "The pump house is 14.2 m tall."
    assert (first.passage.document, list(first.passage.headings)) == (
        "handbook.md",
        ["Handbook of the Works", "Pump house"],
    )
    assert first.passage.collection == handbook
    verdict = answered.of("verdict")[0]
    assert verdict.kind == pb.Verdict.ANSWERED
    assert 0.5 < verdict.confidence <= 1


async def test_an_answer_has_at_most_two_sentences(answering: "Rag", handbook: str) -> None:
    for question in ("What does the handbook say about visitors?", "Tell me about Ada Brandt", "adult return fare"):
        answered = await ask(answering, question, handbook)
        assert len(answered.of("token")) <= 2


async def test_a_table_row_is_quoted_under_its_heading(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, "What does an adult return cost?", handbook)
    assert "Charges: Fare: Return; Adult: £10.80; Child: £5.40. [1]" in answered.text


async def test_a_list_item_is_quoted_after_what_introduces_it(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, "At what level of oxygen does the gas detector alarm?", handbook)
    expected = "The alarm set points of the gas detector are: oxygen below 19.5 % or above 23.0 %. [1]"
    assert answered.text.startswith(expected)
    citation = answered.of("citation")[0]
    assert citation.passage.text[citation.start : citation.end] == "oxygen below 19.5 % or above 23.0 %;"


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Mongolia?",
        "How old is Ada Brandt?",
        "How do I bake sourdough bread?",
        "What does telemetry code E93 stand for?",
    ],
)
async def test_what_the_documents_do_not_say_is_not_answered(answering: "Rag", handbook: str, question: str) -> None:
    answered = await ask(answering, question, handbook)
    assert answered.text == "I don't know: nothing in the documents answers this."
    assert not answered.done.answered
    assert not answered.done.citations
    verdict = answered.of("verdict")[0]
    assert verdict.kind == pb.Verdict.NO_SUPPORT
    assert verdict.reason
    assert answered.of("retrieval")[0].passages, "the nearest passages are shown all the same"


async def test_the_language_asked_for_is_that_of_a_refusal(answering: "Rag", handbook: str) -> None:
    refused = await ask(answering, "What is the capital of Mongolia?", handbook, language="de-CH")
    assert refused.text.startswith("Das weiß ich nicht")
    quoted = await ask(answering, "How tall is the pump house?", handbook, language="de-CH")
    assert "14.2 m" in quoted.text
    assert list(quoted.done.degraded) == ["language"], "a quotation is not translated, and says so"
    assert not (await ask(answering, "How tall is the pump house?", handbook, language="en-GB")).done.degraded


async def test_a_follow_up_is_understood_from_the_turns_before_it(answering: "Rag", handbook: str) -> None:
    history = turns("What does an adult single on the tram cost?")
    followed = await ask(answering, "And a return?", handbook, history=history)
    assert "£10.80" in followed.text
    assert followed.of("step")[0].detail == "with the turns before it"
    alone = await ask(answering, "How tall is the pump house?", handbook, history=history)
    assert alone.of("step")[0].detail == "as asked"
    assert alone.text.startswith("The pump house is 14.2 m tall.")


async def test_the_model_composes_from_the_evidence_with_marks(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, "How tall is the pump house?", handbook, policy=pb.COMPOSE)
    assert "The pump house is 14.2 m tall. [1]" in answered.text
    assert "It was built in 1874. [2]" in answered.text
    second = answered.of("citation")[1]
    assert second.passage.text[second.start : second.end] == "It was built in 1874 by Josiah Crane."
    assert "church" not in answered.text, "what no note says is left out or replaced"
    assert answered.done.completion_tokens > 0
    assert answered.done.prompt_tokens > 0
    assert "generate" in [step.name for step in answered.of("step")]


async def test_an_invented_sentence_never_arrives_and_its_replacement_is_marked(
    answering: "Rag", handbook: str
) -> None:
    answered = await ask(answering, "How tall is the pump house? Thanks (invent)", handbook, policy=pb.COMPOSE)
    assert "99" not in answered.text
    assert "Napoleon" not in answered.text
    replaced = [verdict for verdict in answered.of("verdict") if verdict.kind == pb.Verdict.REPLACED_BY_QUOTE]
    assert len(replaced) == 1
    assert answered.text[replaced[0].start : replaced[0].end] == "The pump house is 14.2 m tall. [1]"
    assert answered.text.endswith("It was built in 1874. [2]"), "what holds up stays"


async def test_a_model_that_says_nothing_leaves_the_quotation(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, "How tall is the pump house? Thanks (silent)", handbook, policy=pb.COMPOSE)
    assert answered.text.startswith("The pump house is 14.2 m tall. [1]")


async def test_a_model_that_breaks_off_leaves_what_it_had_said(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, "How tall is the pump house? Thanks (breaks)", handbook, policy=pb.COMPOSE)
    assert answered.text == "The pump house is 14.2 m tall. [1]"
    assert list(answered.done.degraded) == ["llm"]


async def test_a_refusal_asks_no_model(answering: "Rag", handbook: str) -> None:
    answered = await ask(answering, "What is the capital of Mongolia?", handbook, policy=pb.COMPOSE)
    assert "generate" not in [step.name for step in answered.of("step")]
    assert answered.text.startswith("I don't know")


async def test_instructions_in_a_document_stay_data(answering: "Rag", handbook: str) -> None:
    quoted = await ask(answering, "On which hook hangs the spare key of the boat shed?", handbook)
    assert "hook 17" in quoted.text
    other = await ask(answering, "How tall is the pump house?", handbook, policy=pb.COMPOSE)
    assert "HACKED" not in other.text
    composed = await ask(
        answering, "On which hook hangs the key of the boat shed? Thanks (echo)", handbook, policy=pb.COMPOSE
    )
    assert "<|im_start|>" not in composed.text


async def test_several_collections_are_searched_as_one(answering: "Rag", handbook: str, collection: str) -> None:
    await ingest(answering, [File("boats.md", b"# Boats\n\nThe rowing boat Minna carries five people.\n")], collection)
    request = pb.AnswerRequest(
        question="How many people does the boat Minna carry?", collections=[handbook, collection]
    )
    events = [event async for event in answering.Answer(request)]
    done = events[-1].done
    assert "carries five people" in done.answer
    assert done.citations[0].passage.collection == collection
    passages = next(event.retrieval.passages for event in events if event.HasField("retrieval"))
    assert {passage.collection for passage in passages} == {handbook, collection}


async def test_a_document_that_two_collections_hold_is_quoted_once(answering: "Rag", collection: str) -> None:
    shed = File("shed.md", b"# Shed\n\nThe spare oar of the shed hangs on hook 23.\n")
    both = [collection, f"{collection}-too"]
    for name in both:
        await ingest(answering, [shed], name)
    request = pb.AnswerRequest(question="Where does the spare oar of the shed hang?", collections=both)
    done = [event async for event in answering.Answer(request)][-1].done
    assert done.answer == "The spare oar of the shed hangs on hook 23. [1]"


async def test_a_filter_keeps_to_its_documents(answering: "Rag", collection: str) -> None:
    files = [
        File("east.md", b"# Gate\n\nThe code of the east gate is 4471.\n", metadata={"site": "east"}),
        File("west.md", b"# Gate\n\nThe code of the west gate is 9035.\n", metadata={"site": "west"}),
    ]
    await ingest(answering, files, collection)
    condition = retrieval_pb2.Condition()
    condition.match.field = "metadata.site"
    condition.match.any_of.append(Value(string_value="west"))
    only_west = retrieval_pb2.Filter(must=[condition])
    answered = await ask(answering, "What is the code of the gate?", collection, filter=only_west)
    assert {passage.document for passage in answered.of("retrieval")[0].passages} == {"west.md"}
    assert "4471" not in answered.text


async def test_sixty_four_questions_at_once_each_get_their_own_answer(answering: "Rag", collection: str) -> None:
    names = ["Alder", "Birch", "Cedar", "Durian", "Elm", "Fir", "Gorse", "Hazel"]
    sheds = [f"{first}{second.lower()}" for first in names for second in names]
    text = "\n\n".join(f"## Shed {shed}\n\nShed {shed} has door code {1000 + 7 * n}." for n, shed in enumerate(sheds))
    await ingest(answering, [File("sheds.md", f"# Sheds\n\n{text}\n".encode())], collection)
    questions = [f"What is the door code of shed {shed}?" for shed in sheds]
    answers = await asyncio.gather(*(ask(answering, question, collection) for question in questions))
    for number, (shed, answered) in enumerate(zip(sheds, answers, strict=True)):
        first = answered.of("token")[0].text
        assert f"Shed {shed} has door code {1000 + 7 * number}." in first
