"""A Piper voice without weights, of less than a thousand bytes: real phonemes, real ONNX, a tone for a voice.

The pitch follows from the phonemes and so does the length, so that no two texts sound alike.
"""

import hashlib
import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

HOP = 256
MODEL = "toy-voice"
VOICE = "en_US-toy-low"
RATE_HZ = 16_000


def make_voice(path: Path, espeak_voice: str = "en-us", speakers: int = 1) -> None:
    """Writes `path` and its description beside it."""
    number, vector = TensorProto.FLOAT, TensorProto.INT64
    inputs = [
        helper.make_tensor_value_info("input", vector, [1, "n"]),
        helper.make_tensor_value_info("input_lengths", vector, [1]),
        helper.make_tensor_value_info("scales", number, [3]),
    ]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", vector, [1]))
    constants = {
        "four": helper.make_tensor("four", vector, [], [4]),
        "prime": helper.make_tensor("prime", vector, [], [97]),
        "two": helper.make_tensor("two", number, [], [2.0]),
        "hop": helper.make_tensor("hop", number, [], [float(HOP)]),
        "zero": helper.make_tensor("zero", number, [], [0.0]),
        "one": helper.make_tensor("one", number, [], [1.0]),
        "low": helper.make_tensor("low", number, [], [0.06]),
        "step": helper.make_tensor("step", number, [], [0.004]),
        "loud": helper.make_tensor("loud", number, [], [0.3]),
        "second": helper.make_tensor("second", vector, [1], [1]),
        "shape": helper.make_tensor("shape", vector, [4], [1, 1, 1, -1]),
    }
    node = helper.make_node
    nodes = [
        node("Mod", ["input", "four"], ["steps"]),
        node("Cast", ["steps"], ["steps_f"], to=number),
        node("Mul", ["steps_f", "two"], ["even"]),
        node("Add", ["even", "two"], ["length"]),
        node("Gather", ["scales", "second"], ["length_scale"]),
        node("Mul", ["length", "length_scale"], ["w"]),
        node("Ceil", ["w"], ["w_ceil"]),
        node("ReduceSum", ["w_ceil"], ["hops"], keepdims=0),
        node("Mul", ["hops", "hop"], ["samples"]),
        node("Range", ["zero", "samples", "one"], ["time"]),
        node("ReduceSum", ["input"], ["sum"], keepdims=0),
        node("Mod", ["sum", "prime"], ["place"]),
        node("Cast", ["place"], ["place_f"], to=number),
        node("Mul", ["place_f", "step"], ["above"]),
        node("Add", ["above", "low"], ["pitch"]),
        node("Mul", ["time", "pitch"], ["phase"]),
        node("Sin", ["phase"], ["wave"]),
        node("Mul", ["wave", "loud"], ["tone"]),
        node("Reshape", ["tone", "shape"], ["output"]),
    ]
    outputs = [helper.make_tensor_value_info("output", number, [1, 1, 1, "samples"])]
    graph = helper.make_graph(nodes, "toy", inputs, outputs, list(constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    names = {f"speaker{number}": number for number in range(speakers)} if speakers > 1 else {}
    description = {
        **({} if "-" in espeak_voice else {"language": {"code": path.name.partition("-")[0]}}),
        "audio": {"sample_rate": RATE_HZ},
        "espeak": {"voice": espeak_voice},
        "num_symbols": 256,
        "num_speakers": speakers,
        "speaker_id_map": names,
        "hop_length": HOP,
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(description))


def make_store(folder: Path) -> dict[str, str]:
    """A catalogue with the model `toy-voice`, an English voice and a Spanish one of two speakers: its settings."""
    source = folder / "source"
    make_voice(source / f"{VOICE}.onnx")
    make_voice(source / "es_ES-toy-low.onnx", "es", speakers=2)
    files = [
        f"{{path: {path.name}, size_bytes: {path.stat().st_size}, "
        f"sha256: {hashlib.sha256(path.read_bytes()).hexdigest()}}}"
        for path in sorted(source.iterdir())
    ]
    catalog = folder / "catalog.yaml"
    catalog.write_text(
        f"models:\n  - id: {MODEL}\n    tasks: [tts]\n    engines: [piper]\n    origin: made by a test\n"
        "    description: A tone.\n    licence: Apache-2.0\n    commercial_use: true\n"
        "    memory: {cpu_bytes: 1, gpu_bytes: 0}\n"
        f"    files: [{', '.join(files)}]\n    sources: [file://{source}]\n"
    )
    return {
        "LEDGE_MODEL": MODEL,
        "LEDGE_MODELS_DIR": str(folder / "models"),
        "LEDGE_MODELS_CATALOG": str(catalog),
    }
