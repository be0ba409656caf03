"""What every engine promises, asked over gRPC."""

import asyncio
from typing import Any

import grpc
import pytest
from ledge.translation.v1 import translation_pb2 as pb

from tests.translation.asking import translated

KEPT = [
    "{name}", "{{count}}", "{0}", "${PATH}", "%s", "%(who)s", "%1$d", "<b>", "</b>", "<br/>", '<a href="x">', "&amp;",
    "https://example.org/a?b=c&d=e", "www.example.org", "someone@example.org", "\x01", "\ue000", "\uf8ff",
]  # fmt: skip


async def test_pairs_name_their_model_and_its_licence(stub: Any) -> None:
    listed = await stub.ListLanguagePairs(pb.ListLanguagePairsRequest())
    assert {"en-es", "es-en"} <= {f"{pair.source_language}-{pair.target_language}" for pair in listed.pairs}
    models = {model.id: model for model in listed.models}
    assert {pair.model for pair in listed.pairs} == set(models)
    assert all(model.licence for model in models.values() if model.engine != "scripted")


async def test_each_text_has_its_translation_in_order(stub: Any) -> None:
    texts = [f"open the window {'number ' * index}" for index in range(5)]
    together = await translated(stub, *texts)
    assert together == [(await translated(stub, text))[0] for text in texts]
    assert len(set(together)) == 5


async def test_the_answer_tells_language_and_model(stub: Any) -> None:
    request = pb.TranslateRequest(texts=["open the window please"], source_language="en-GB", target_language="es")
    (translation,) = (await stub.Translate(request)).translations
    assert translation.source_language == "en-GB"
    assert translation.model in {
        model.id for model in (await stub.ListLanguagePairs(pb.ListLanguagePairsRequest())).models
    }


async def test_line_breaks_and_white_space_stay(stub: Any) -> None:
    (text,) = await translated(stub, "\n\n  open the window  \r\n\tone two\n \nthree ")
    pieces = text.splitlines(keepends=True)
    assert len(pieces) == 6
    assert text.startswith("\n\n  ")
    assert pieces[2].endswith("  \r\n")
    assert pieces[3].startswith("\t")
    assert text.endswith(" ")


@pytest.mark.parametrize("thing", KEPT)
async def test_what_is_no_language_is_not_translated(stub: Any, thing: str) -> None:
    for text in (f"open {thing} the window", f"{thing} please", f"one two {thing}", f"{thing}", f"{thing} {thing} one"):
        (answer,) = await translated(stub, text)
        assert answer.count(thing) == text.count(thing), answer


async def test_all_at_once_and_in_one_sentence_nothing_is_lost(stub: Any) -> None:
    (answer,) = await translated(stub, " and ".join(KEPT * 3))
    assert [answer.count(thing) for thing in KEPT] == [(" and ".join(KEPT * 3)).count(thing) for thing in KEPT]


async def test_text_without_letters_stays_as_it_is(stub: Any) -> None:
    texts = ["", " ", "\n", "12.5 %", "— * —", "[1] (2) {3}", "~ ^ $ / \\ @ < > # + *", "😀"]
    assert await translated(stub, *texts) == texts


async def test_protected_terms_are_kept_or_replaced_as_whole_words(stub: Any) -> None:
    terms = [pb.ProtectedTerm(term="window"), pb.ProtectedTerm(term="the water", translation="Aqua Prima")]
    (answer,) = await translated(stub, "open the window: windows, the water.", protected_terms=terms)
    assert "window" in answer.replace("windows", "").split(":")[0] or "window" in answer
    assert "Aqua Prima" in answer
    assert "the water" not in answer


async def test_the_language_is_detected_for_each_text(stub: Any) -> None:
    request = pb.TranslateRequest(
        texts=["Por favor, abre la ventana y cierra la puerta.", "Please open the window.", "12"], target_language="en"
    )
    answers = (await stub.Translate(request)).translations
    assert [answer.source_language for answer in answers] == ["es", "en", ""]
    assert (answers[1].text, answers[1].model) == (request.texts[1], ""), "it is in that language already"
    assert answers[0].text != request.texts[0]


async def test_detection_ranks_languages(stub: Any) -> None:
    texts = ["Where is the station, please?", "¿Dónde está la estación, por favor?", "Wo ist der Bahnhof, bitte?", "12"]
    detected = (await stub.DetectLanguage(pb.DetectLanguageRequest(texts=texts))).detected
    assert [[one.language for one in each.candidates[:1]] for each in detected] == [["en"], ["es"], ["de"], []]
    for each in detected:
        confidences = [one.confidence for one in each.candidates]
        assert confidences == sorted(confidences, reverse=True)
        assert sum(confidences) <= 1.001


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        (pb.TranslateRequest(target_language="es"), "INVALID_ARGUMENT", "0 texts"),
        (pb.TranslateRequest(texts=["a"] * 257, target_language="es"), "INVALID_ARGUMENT", "257 texts"),
        (pb.TranslateRequest(texts=["a" * 20_001], target_language="es"), "INVALID_ARGUMENT", "text 0 has 20001"),
        (pb.TranslateRequest(texts=["a" * 1_000_000], target_language="es"), "INVALID_ARGUMENT", "1000000 characters"),
        (pb.TranslateRequest(texts=["a"], source_language="en"), "INVALID_ARGUMENT", "target_language is missing"),
        (
            pb.TranslateRequest(texts=["a"], source_language="e n", target_language="es"),
            "INVALID_ARGUMENT",
            "no language of BCP-47",
        ),
        (
            pb.TranslateRequest(texts=["a"], source_language="en", target_language="tlh"),
            "NOT_FOUND",
            "no model has en-tlh; there is en-es",
        ),
        (
            pb.TranslateRequest(texts=["Wo ist hier der Bahnhof, bitte schön?"], target_language="es"),
            "NOT_FOUND",
            "no model has de-es",
        ),
        (pb.TranslateRequest(model="none", texts=["a"], target_language="es"), "NOT_FOUND", "no model 'none'"),
        (
            pb.TranslateRequest(texts=["a"], target_language="es", protected_terms=[pb.ProtectedTerm(term=" ")]),
            "INVALID_ARGUMENT",
            "protected term 0 is empty",
        ),
        (
            pb.TranslateRequest(texts=["a"], target_language="es", protected_terms=[pb.ProtectedTerm(term="a" * 201)]),
            "INVALID_ARGUMENT",
            "longer than 200",
        ),
    ],
)
async def test_what_cannot_be_done_is_told(stub: Any, request_: pb.TranslateRequest, code: str, says: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Translate(request_)
    assert caught.value.code().name == code
    assert says in (caught.value.details() or "")


async def test_the_longest_text_is_translated_to_its_end(stub: Any) -> None:
    for text in ("word " * 4000, "x" * 20_000, "a.b" * 6666, "one. " * 4000, "(" * 20_000, "%s{a}<b>" * 2500):
        (answer,) = await translated(stub, text)
        assert len(answer) > 1000


async def test_many_callers_each_get_their_own_answer(stub: Any) -> None:
    texts = [f"Xq{chr(97 + index // 26)}{chr(97 + index % 26)}zz {{{index}}} opens the window." for index in range(300)]
    answers = await asyncio.gather(*(translated(stub, text) for text in texts))
    assert all(f"{{{index}}}" in answer for index, (answer,) in enumerate(answers))


async def test_a_caller_that_leaves_hurts_nobody(stub: Any) -> None:
    calls = [asyncio.create_task(translated(stub, f"open the window {{{index}}}. " * 50)) for index in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    stayed = results[1::2]
    assert all(isinstance(one, list) and one[0].count(f"{{{2 * at + 1}}}") == 50 for at, one in enumerate(stayed))
