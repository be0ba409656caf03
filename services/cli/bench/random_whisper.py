"""Whisper models without weights: every layer of a shape filled at random, and a script that the model speaks.

A model made here computes all that a trained one of its shape computes, and says the script whatever it hears: the
encodings of the decoder's positions, made far larger than the rest, choose the words one after the other, and then the
end. It tells how fast a shape is, how batches, deadlines and callers behave; it cannot tell how well speech is heard.

One that `hears` instead says a few of the script's words as its random weights make them out of the sound: not what was
said, but the same for the same sound and most often something else for another, so that mixed up answers are noticed.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
import yaml
from ctranslate2 import specs
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers

from services.cli.bench.random_layers import RandomLayers

MELS = 80
FRAMES, TEXT_TOKENS = 1500, 448
TIMESTAMPS = 1501
LOUD = 1000.0
"""How far a position's encoding stands above everything else."""
FULL_VOCABULARY = 51_865
LANGUAGES = ("en", "es", "de", "fr")
FIRST_SPOKEN = 3
"""The prompt is start, language, task, no timestamps; from its last position on the script is spoken."""
HEARD_WORDS = 8
EAR, ATTENTION = 100.0, 100.0
"""How far sound stands above the places in the encoder, and what it hears above all else in the decoder."""
UNSAID, UNENDED = -1e4, -3.0
"""What other words, and an early end, are held back by."""


@dataclass(frozen=True)
class Shape:
    """The sizes that tell one Whisper from another."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int = FULL_VOCABULARY
    mels: int = MELS


SHAPES = {
    "micro": Shape(64, 2, 1, 1, vocabulary=0),
    "tiny": Shape(384, 6, 4, 4),
    "base": Shape(512, 8, 6, 6),
    "small": Shape(768, 12, 12, 12),
    "large-v3-turbo": Shape(1280, 20, 32, 4, vocabulary=51_866, mels=128),
}
"""`micro` is the smallest thing that is a Whisper: made in 30 ms, 0.8 MB."""


def make_whisper(
    directory: Path,
    shape: Shape,
    script: Sequence[str],
    *,
    hears: bool = False,
    quantization: str = "int8",
    seed: int = 1,
) -> None:
    """Writes the files that CTranslate2 and faster-whisper read into a new directory.

    Args:
        script: words in lower case, as many as fit behind the prompt.
        hears: the words are chosen by the sound, out of the script's.
        seed: the same gives the same bytes.
    """
    random = np.random.default_rng(seed)
    tokeniser = _tokeniser(script)
    vocabulary = _vocabulary(tokeniser, shape)
    ids = {token: number for number, token in enumerate(vocabulary)}
    spoken = [ids[f"Ġ{word}"] for word in script] + [ids["<|endoftext|>"]]
    spec = specs.WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    _fill(spec, shape, len(vocabulary), random)
    _give_script(spec, shape, ids[f"<|{LANGUAGES[0]}|>"], spoken, random)
    if hears:
        _give_ears(spec, shape, spoken, random)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [ids["Ġ"], ids["<|endoftext|>"]]
    spec.config.lang_ids = [ids[f"<|{language}|>"] for language in LANGUAGES]
    spec.config.alignment_heads = [[layer, 0] for layer in range(shape.decoder_layers)]
    spec.validate()
    spec.optimize(quantization=quantization)
    directory.mkdir(parents=True, exist_ok=True)
    spec.save(str(directory))
    tokeniser.save(str(directory / "tokenizer.json"))
    extractor = {
        "feature_size": shape.mels,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "chunk_length": 30,
        "n_fft": 400,
    }
    (directory / "preprocessor_config.json").write_text(json.dumps(extractor))


def make_catalogue(
    folder: Path, made: Sequence[Path], task: str = "asr", engine: str = "faster-whisper"
) -> dict[str, str]:
    """A catalogue of made models, each in the directory of its id; returns the settings that make a service use it."""
    entries = [
        {
            "id": directory.name,
            "tasks": [task],
            "engines": [engine],
            "origin": "random weights",
            "description": "Tells nothing but its speed.",
            "licence": "Apache-2.0",
            "commercial_use": True,
            "memory": {"cpu_bytes": 500_000_000, "gpu_bytes": 0},
            "files": [
                {
                    "path": file.name,
                    "size_bytes": file.stat().st_size,
                    "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                }
                for file in sorted(directory.iterdir())
            ],
            "sources": [f"file://{directory.absolute()}"],
        }
        for directory in made
    ]
    catalogue = folder / "catalog.yaml"
    catalogue.write_text(yaml.safe_dump({"models": entries}))
    return {"LEDGE_MODELS_DIR": str(folder / "store"), "LEDGE_MODELS_CATALOG": str(catalogue)}


def _tokeniser(script: Sequence[str]) -> tokenizers.Tokenizer:
    """Bytes, the script's words merged to one token each, and Whisper's own marks in Whisper's order."""
    vocabulary = {character: number for number, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for word in dict.fromkeys(script):
        whole = "Ġ"
        for character in word:
            if (whole, character) not in merges:
                merges.append((whole, character))
                vocabulary.setdefault(whole + character, len(vocabulary))
            whole += character
    tokeniser = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    tokeniser.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokeniser.decoder = decoders.ByteLevel()
    marks = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm", "startofprev"]
    tokeniser.add_special_tokens([f"<|{mark}|>" for mark in (*marks, "nospeech", "notimestamps")])
    tokeniser.add_tokens([f"<|{number * 0.02:.2f}|>" for number in range(TIMESTAMPS)])
    return tokeniser


def _vocabulary(tokeniser: tokenizers.Tokenizer, shape: Shape) -> list[str]:
    """In the order of ids. An empty token is how CTranslate2 knows a model of many languages."""
    known = tokeniser.get_vocab_size()
    listed = [str(tokeniser.id_to_token(number)) for number in range(known)] + [""]
    return listed + [f"<unused{number}>" for number in range(len(listed), shape.vocabulary)]


def _fill(spec: specs.WhisperSpec, shape: Shape, vocabulary: int, random: np.random.Generator) -> None:
    layers = RandomLayers(random, shape.width, spread=0.02)
    encoder, decoder = spec.encoder, spec.decoder
    for conv, into in ((encoder.conv1, shape.mels), (encoder.conv2, shape.width)):
        conv.weight, conv.bias = layers.weights(shape.width, into, 3), np.zeros(shape.width, np.float32)
    encoder.position_encodings.encodings = _sinusoids(FRAMES, shape.width)
    decoder.embeddings.weight = layers.weights(vocabulary, shape.width)
    for stack in (encoder, decoder):
        layers.norm(stack.layer_norm)
        layers.stack(stack.layer, listens=stack is decoder)


def _give_script(
    spec: specs.WhisperSpec, shape: Shape, language: int, spoken: Sequence[int], random: np.random.Generator
) -> None:
    """Each position says its token; the first, where a language is asked for, says the first language."""
    positions = random.standard_normal((TEXT_TOKENS, shape.width), np.float32)
    embeddings = spec.decoder.embeddings.weight
    said = dict.fromkeys((*spoken, language))
    for token in said:
        direction = random.standard_normal(shape.width, np.float32)
        embeddings[token] = direction / np.linalg.norm(direction)
    positions[0] = LOUD * embeddings[language]
    for place in range(FIRST_SPOKEN, TEXT_TOKENS):
        positions[place] = LOUD * embeddings[spoken[min(place - FIRST_SPOKEN, len(spoken) - 1)]]
    spec.decoder.position_encodings.encodings = positions
    spec.decoder.projection.weight = embeddings


def _give_ears(spec: specs.WhisperSpec, shape: Shape, spoken: Sequence[int], random: np.random.Generator) -> None:
    """Positions choose no word any more, but still the end; what is heard is loud; only the script's words are said."""
    decoder = spec.decoder
    positions = decoder.position_encodings.encodings
    positions[FIRST_SPOKEN : FIRST_SPOKEN + HEARD_WORDS] = random.standard_normal((HEARD_WORDS, shape.width))
    positions[FIRST_SPOKEN + HEARD_WORDS :] = LOUD * decoder.embeddings.weight[spoken[-1]]
    for conv in (spec.encoder.conv1, spec.encoder.conv2):
        conv.weight = conv.weight * np.float32(EAR)
    for layer in decoder.layer:
        for linear in layer.attention.linear[1:]:
            linear.weight = linear.weight * np.float32(ATTENTION)
    bias = np.full(len(decoder.embeddings.weight), UNSAID, np.float32)
    bias[list(spoken)] = 0
    bias[spoken[-1]] = UNENDED
    decoder.projection.bias = bias


def _sinusoids(length: int, width: int) -> NDArray[np.float32]:
    scales = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * scales[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
