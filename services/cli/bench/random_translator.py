"""Translation models without weights: every layer of a shape filled at random, with real SentencePiece tokens.

A model made here computes all that a trained one of its shape computes, and says nothing that makes sense. It tells how
fast a shape is, how batches and callers behave; it cannot tell how well anything is translated.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece
from ctranslate2 import specs

from services.cli.bench.random_layers import RandomLayers
from services.translation.model_files import END

SENTENCES = (
    "The pump house stands beside the old reservoir, and it was built long ago.",
    "Please open the window before the meeting begins.",
    "La casa de bombas está junto al viejo embalse y se construyó hace mucho tiempo.",
    "Por favor, abre la ventana antes de que empiece la reunión.",
    "Das Pumpenhaus steht neben dem alten Stausee und wurde vor langer Zeit gebaut.",
    "one two three four five water quickly jumps over lazy dogs: 1234567890!",
)
FAMILIES = ("marian", "m2m", "madlad")


@dataclass(frozen=True)
class Shape:
    """The sizes that tell one model from another."""

    width: int
    heads: int
    layers: int
    vocabulary: int = 0
    """Tokens, those that nobody uses included; 0: as many as there are."""


SHAPES = {"micro": Shape(64, 2, 1), "base": Shape(512, 8, 6, vocabulary=32_000)}
"""`micro` is made in some 50 ms, 0.2 MB; `base` is OPUS-MT's."""


def make_translator(
    directory: Path, family: str, shape: Shape, *, languages: Sequence[str] = ("en", "es"), seed: int = 1
) -> None:
    """Writes the files of one of `FAMILIES` into a new directory. The same seed gives the same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    pieces = _sentencepiece()
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    named = {"marian": "", "m2m": "__{}__", "madlad": "<2{}>"}[family]
    tokens = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    vocabulary = [*tokens, "<pad>", *(named.format(language) for language in languages if named)]
    vocabulary += [f"<unused{number}>" for number in range(len(vocabulary), shape.vocabulary)]
    spec = specs.TransformerSpec.from_config(
        shape.layers, shape.heads, pre_norm=False, activation=specs.common_spec.Activation.SWISH
    )
    _fill(spec, shape, len(vocabulary), np.random.default_rng(seed))
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    spec.config.decoder_start_token = END if family == "m2m" else "<pad>"
    spec.config.add_source_eos = False
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(directory))
    files = {"marian": ("source.spm", "target.spm"), "m2m": ("sentencepiece.bpe.model",), "madlad": ("spiece.model",)}
    for name in files[family]:
        (directory / name).write_bytes(pieces)


def _sentencepiece() -> bytes:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 4),
        model_writer=written,
        vocab_size=160,
        hard_vocab_limit=False,
        byte_fallback=False,
        minloglevel=2,
    )
    return written.getvalue()


def _fill(spec: specs.TransformerSpec, shape: Shape, vocabulary: int, random: np.random.Generator) -> None:
    layers = RandomLayers(random, shape.width, spread=0.1)
    encoder, decoder = spec.encoder, spec.decoder
    encoder.embeddings[0].weight = layers.weights(vocabulary, shape.width)
    decoder.embeddings.weight = layers.weights(vocabulary, shape.width)
    layers.linear(decoder.projection, vocabulary, shape.width)
    layers.stack(encoder.layer, listens=False)
    layers.stack(decoder.layer, listens=True)
