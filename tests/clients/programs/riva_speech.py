"""NVIDIA's client as its scripts use it: `talk.py`, `transcribe_file.py`, `transcribe_file_offline.py`."""

import io
import json
import os
import sys
import tempfile
import time
import wave

import grpc
import riva.client
from riva.client.proto import riva_asr_pb2, riva_audio_pb2, riva_tts_pb2

SAID = "The meeting begins at nine in the morning."
SHORT = "Please open the window."
RATE_HZ = 44_100

auth = riva.client.Auth(
    uri=os.environ["ADDRESS"], metadata_args=[["authorization", "Bearer none"], ["function-id", "x"]]
)
hearer = riva.client.ASRService(auth)
speaker = riva.client.SpeechSynthesisService(auth)
folder = tempfile.mkdtemp()
told: dict[str, object] = {}


def written(name: str, audio: bytes, rate_hz: int = RATE_HZ) -> str:
    path = os.path.join(folder, name)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(audio)
    return path


def offline(path: str, **fields: object) -> riva_asr_pb2.RecognizeResponse:
    config = riva.client.RecognitionConfig(language_code="en-US", max_alternatives=1, **fields)
    riva.client.add_word_boosting_to_config(config, ["ledge"], 4.0)
    with open(path, "rb") as file:
        return hearer.offline_recognize(file.read(), config)


def transcript(response: riva_asr_pb2.RecognizeResponse) -> str:
    return "".join(result.alternatives[0].transcript for result in response.results)


def streaming_config(**fields: object) -> riva.client.StreamingRecognitionConfig:
    config = riva.client.RecognitionConfig(language_code="en-US", max_alternatives=1, **fields)
    return riva.client.StreamingRecognitionConfig(config=config, interim_results=True)


def streamed(path: str, **fields: object) -> list[riva_asr_pb2.StreamingRecognizeResponse]:
    with riva.client.AudioChunkFileIterator(path, 1600) as chunks:
        return list(hearer.streaming_response_generator(chunks, streaming_config(**fields)))


def printed(responses: list[riva_asr_pb2.StreamingRecognizeResponse], **options: object) -> str:
    page = io.StringIO()
    riva.client.print_streaming(responses, output_file=page, **options)
    return page.getvalue()


# talk.py
whole = speaker.synthesize(SAID, None, "en-US", sample_rate_hz=RATE_HZ)
said = written("said.wav", whole.audio)
started_s = time.monotonic()
pieces = []
for response in speaker.synthesize_online([SAID, SHORT], "English-US.Male-1", "en-US", sample_rate_hz=RATE_HZ):
    pieces.append((time.monotonic() - started_s, response.audio))
told["pieces"] = len(pieces)
told["seconds"] = {
    "whole": len(whole.audio) / RATE_HZ / 2,
    "both": sum(len(audio) for _, audio in pieces) / RATE_HZ / 2,
}
short = speaker.synthesize(SHORT, None, "en-US", sample_rate_hz=RATE_HZ)
paused = written("paused.wav", whole.audio + bytes(2 * RATE_HZ) + short.audio)
told["opus"] = speaker.synthesize(SHORT, "English-US.Female-1", encoding=riva_audio_pb2.OGGOPUS).audio[:4].decode()
told["future"] = len(speaker.synthesize(SHORT, future=True).result().audio)
timed = speaker.synthesize(SHORT, enable_word_time_offsets=True)
told["word_times"] = [[word.word, word.start_time, word.end_time] for word in timed.meta.words]
voices = speaker.stub.GetRivaSynthesisConfig(riva_tts_pb2.RivaSynthesisConfigRequest())
told["voices"] = [
    f"{model.parameters['language_code']} {model.parameters['voice_name']}.{subvoice.split(':')[0]}"
    for model in voices.model_config
    for subvoice in model.parameters["subvoices"].split(",")
]
told["by_name"] = len(speaker.synthesize(SHORT, voice_name=str(told["voices"][0]).split()[1]).audio)

# transcribe_file_offline.py
heard = offline(said, enable_word_time_offsets=True)
told["offline"] = transcript(heard)
told["words"] = [[word.word, word.start_time, word.end_time] for word in heard.results[0].alternatives[0].words]

# transcribe_file.py
told["streamed"] = printed(streamed(said))
told["timed"] = printed(streamed(said, enable_word_time_offsets=True), additional_info="time", word_time_offsets=True)
told["confident"] = printed(streamed(said), additional_info="confidence")
finals = [result for response in streamed(paused) for result in response.results if result.is_final]
told["finals"] = [result.alternatives[0].transcript for result in finals]
models = hearer.stub.GetRivaSpeechRecognitionConfig(riva_asr_pb2.RivaSpeechRecognitionConfigRequest())
told["models"] = [
    [model.model_name, model.parameters["type"], model.parameters["language_code"]] for model in models.model_config
]

errors = []
for call in (
    lambda: speaker.synthesize(""),
    lambda: speaker.synthesize(SHORT, language_code="tlh"),
    lambda: offline(said, profanity_filter=True),
    lambda: list(hearer.streaming_response_generator([b"\0\0"], streaming_config())),
):
    try:
        call()
    except grpc.RpcError as error:
        errors.append([error.code().name, error.details()])
told["errors"] = errors
json.dump(told, sys.stdout)
