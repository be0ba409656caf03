"""The assistant speaks the language it is spoken to, where it can be translated; else it says what it did without."""

from ledge.voice.v1 import voice_pb2 as pb

from tests.processes import ServiceProcess
from tests.voice.calling import calling, heard_words
from tests.voice.conftest import Suite, a_voice

QUESTION = "How tall is the pump house?"


async def test_question_and_answer_are_translated_sentence_by_sentence(voice: ServiceProcess) -> None:
    """The scripted translator knows ten words."""
    async with calling(voice.address, language="es-ES") as caller:
        done = await caller.ask("when to abre la ventana for warm agua")
    assert done.status == pb.ResponseState.COMPLETED
    assert done.translated_from == "en"
    assert not done.degraded
    assert caller.text() == "Please abre la ventana when la agua is warm. [1]"
    assert done.output[0].message.content[0].output_audio_transcript == caller.text()
    assert caller.of("citation")
    assert heard_words(caller.audio(), ["ventana", "agua", "window", "water"]) == ["ventana", "agua"]


async def test_without_the_pair_the_documents_language_is_spoken_and_it_is_said(voice: ServiceProcess) -> None:
    async with calling(voice.address, language="fi") as caller:
        done = await caller.ask(QUESTION)
    assert done.status == pb.ResponseState.COMPLETED
    assert done.translated_from == ""
    assert "translation" in done.degraded
    assert caller.text() == "The pump house is 12 metres tall. [1]"


async def test_without_translation_answers_go_on(suite: Suite) -> None:
    with a_voice(suite, LEDGE_TRANSLATION_ADDRESS="127.0.0.1:1") as voice:
        async with calling(voice.address, language="es") as caller:
            done = await caller.ask(QUESTION)
    assert done.status == pb.ResponseState.COMPLETED
    assert "translation" in done.degraded


async def test_a_language_without_a_voice_is_written_and_read_by_another_voice(voice: ServiceProcess) -> None:
    async with calling(voice.address, model="scripted", language="fi") as caller:
        done = await caller.ask("hello")
    assert done.status == pb.ResponseState.COMPLETED
    assert "voice" in done.degraded
    assert done.usage.output_audio_ms
