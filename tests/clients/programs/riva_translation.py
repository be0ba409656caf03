"""NVIDIA's client as `nmt.py`, `nmt_speech_to_text.py` and `nmt_speech_to_speech.py` use it."""

import json
import os
import sys

import grpc
import riva.client
from riva.client.proto import riva_asr_pb2, riva_nmt_pb2

auth = riva.client.Auth(uri=os.environ["ADDRESS"])
translator = riva.client.NeuralMachineTranslationClient(auth)
told: dict[str, object] = {}


def texts(response: riva_nmt_pb2.TranslateTextResponse) -> list[str]:
    return [translation.text for translation in response.translations]


def audio() -> riva.client.AudioChunkFileIterator:
    return riva.client.AudioChunkFileIterator(os.environ["AUDIO"], 100)


heard = riva_asr_pb2.StreamingRecognitionConfig(
    config=riva_asr_pb2.RecognitionConfig(language_code="en-US", max_alternatives=1, enable_automatic_punctuation=True),
    interim_results=True,
)
wanted = riva_nmt_pb2.TranslationConfig(
    source_language_code="en-US", target_language_code="es-ES", model_name="s2t_model"
)

told["texts"] = texts(translator.translate(["open the window", "water"], "", "en", "es"))
kept = {"window": "", "open": "abran"}
told["kept"] = texts(translator.translate(["open the window"], "", "en", "es", dnt_phrases_dict=kept))
told["future"] = texts(translator.translate(["water"], "", "en-US", "es-US", future=True).result())
for model in ("", "s2t_model", "s2s_model"):
    listed = translator.get_config(model).languages
    told[f"pairs {model}".strip()] = {name: [list(pair.src_lang), list(pair.tgt_lang)] for name, pair in listed.items()}

config = riva_nmt_pb2.StreamingTranslateSpeechToTextConfig(asr_config=heard, translation_config=wanted)
told["speech to text"] = "".join(
    result.alternatives[0].transcript
    for response in translator.streaming_s2t_response_generator(audio(), config)
    for result in response.results
    if result.is_final
)

spoken = riva_nmt_pb2.SynthesizeSpeechConfig(
    encoding=riva.client.AudioEncoding.LINEAR_PCM, language_code="es-ES", sample_rate_hz=16_000
)
both = riva_nmt_pb2.StreamingTranslateSpeechToSpeechConfig(
    asr_config=heard, translation_config=wanted, tts_config=spoken
)
pieces = [response.speech.audio for response in translator.streaming_s2s_response_generator(audio(), both)]
told["speech to speech"] = {"seconds": sum(map(len, pieces)) / 32_000, "last": len(pieces[-1])}

try:
    translator.translate(["water"], "", "en", "tlh")
except grpc.RpcError as error:
    told["error"] = [error.code().name, error.details()]
json.dump(told, sys.stdout)
