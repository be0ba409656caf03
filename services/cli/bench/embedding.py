"""`ledge bench embedding`: sentences a second through gRPC beside sentence-transformers, and what reranking costs."""

import asyncio
import base64
import json
import re
import statistics
import subprocess
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from ledge.embedding.v1 import embedding_pb2 as pb
from ledge.embedding.v1 import embedding_pb2_grpc as rpc
from ledge.reranking.v1 import reranking_pb2, reranking_pb2_grpc
from numpy.typing import NDArray

from services.cli.bench.report import JsonFile, Report, Row, percentile
from services.cli.bench.running import RunningService, resident_bytes
from services.kit.client import open_channel
from services.kit.deploy import deploy_directory
from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models import ModelStore

MODEL = "all-minilm-l6-v2"
BASELINE = "sentence-transformers, batch 32, in process"
BASELINE_BATCH = 32
BASELINE_SIZE = "about 5 GB"
INGEST_TEXTS = 64
PASSAGES, SEGMENTS, RERANK_CALLS = 20, 10, 100
MIN_SENTENCE_CHARACTERS = 20


def command(
    callers: Annotated[int, typer.Option(min=1, max=500, help="Callers side by side, each with one sentence.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, ours and the baseline's in turn; medians are told.")] = 5,
    sentences: Annotated[int, typer.Option(min=100, help="Sentences a round.")] = 2000,
    texts: Annotated[
        Path | None, typer.Option(help="Sentences of your own, one a line, instead of the sample documents'.")
    ] = None,
    baseline_python: Annotated[
        Path | None, typer.Option(help="A Python that has sentence-transformers, to compare with.")
    ] = None,
    baseline_venv: Annotated[
        Path | None,
        typer.Option(help=f"The same by its environment, which is made first if it is not there ({BASELINE_SIZE})."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Sentences a second over gRPC beside sentence-transformers; vectors of both compared; the time of reranking."""
    corpus = _repeated(_lines(texts) if texts else _sample_sentences(), sentences)
    python = _made(baseline_venv) if baseline_venv else baseline_python
    rows = asyncio.run(_measure(corpus, callers, rounds, python)) + asyncio.run(_rerank(corpus))
    Report("embedding", rows).publish(json_file)
    if python is None:
        typer.echo(
            f"No baseline: sentence-transformers ({BASELINE_SIZE} with torch) goes into an environment of its own; "
            "--baseline-venv DIRECTORY makes one and uses it."
        )


@dataclass
class Rounds:
    """What the rounds of the service measured."""

    elapsed_s: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


async def _measure(corpus: Sequence[str], callers: int, rounds: int, python: Path | None) -> list[Row]:
    with RunningService("embedding") as service, _baseline(python, corpus) as baseline:
        async with open_channel(service.address) as channel:
            stub = rpc.EmbeddingServiceStub(channel)
            vectors = await _dense(stub, corpus)
            crowd, one, ingest, theirs_s = Rounds(), Rounds(), Rounds(), []
            await _round(stub, corpus[:500], callers, 1, service.pid, Rounds())
            for _ in range(rounds):
                await _round(stub, corpus, callers, 1, service.pid, crowd)
                if baseline is not None:
                    theirs_s.append(baseline.round_s())
                await _round(stub, corpus[: max(100, len(corpus) // 10)], 1, 1, service.pid, one)
                await _round(stub, corpus, 1, INGEST_TEXTS, service.pid, ingest)
        memory_bytes = resident_bytes(service.pid)
    ours = len(corpus) / statistics.median(crowd.elapsed_s)
    theirs = len(corpus) / statistics.median(theirs_s) if theirs_s else None
    name = BASELINE if theirs else ""
    many = f"{callers} callers × 1 sentence"
    rows = [
        Row(f"sentences a second, {many}, gRPC", ours, "sentences/s", name, theirs, note=_words(corpus)),
        Row(f"time of a call p50, {many}", percentile(crowd.latencies_ms, 50), "ms"),
        Row(f"time of a call p95, {many}", percentile(crowd.latencies_ms, 95), "ms"),
        Row(
            "processor time of the service, a sentence",
            1000 * statistics.median(crowd.cpu_s) / len(corpus),
            "ms",
            note="all its threads",
        ),
        Row("time of a call p50, 1 caller × 1 sentence", percentile(one.latencies_ms, 50), "ms"),
        Row(
            f"sentences a second, 1 caller × {INGEST_TEXTS} sentences, gRPC",
            len(corpus) / statistics.median(ingest.elapsed_s),
            "sentences/s",
            name,
            theirs,
        ),
        Row("resident memory of the service", memory_bytes / 2**20, "MiB"),
    ]
    if baseline is not None:
        cosines = (vectors * baseline.vectors).sum(axis=1)
        rows.append(Row("cosine to the original's vector, mean", float(cosines.mean()), "cosine"))
        rows.append(Row("cosine to the original's vector, lowest", float(cosines.min()), "cosine"))
    return rows


async def _round(stub: Any, corpus: Sequence[str], callers: int, texts_a_call: int, pid: int, measured: Rounds) -> None:
    """Sends the whole corpus once; each caller sends its next call when it has its answer."""
    calls = iter([corpus[start : start + texts_a_call] for start in range(0, len(corpus), texts_a_call)])
    process = psutil.Process(pid)

    async def caller() -> None:
        for inputs in calls:
            sent_s = time.perf_counter()
            await stub.Embed(pb.EmbedRequest(inputs=inputs, input_type=pb.PASSAGE, truncate=pb.END))
            measured.latencies_ms.append(1000 * (time.perf_counter() - sent_s))

    before, started_s = process.cpu_times(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    measured.elapsed_s.append(time.perf_counter() - started_s)
    after = process.cpu_times()
    measured.cpu_s.append(after.user + after.system - before.user - before.system)


async def _dense(stub: Any, corpus: Sequence[str]) -> NDArray[np.float32]:
    vectors = []
    for start in range(0, len(corpus), INGEST_TEXTS):
        request = pb.EmbedRequest(inputs=corpus[start : start + INGEST_TEXTS], truncate=pb.END)
        vectors += [np.frombuffer(one.dense, "<f4") for one in (await stub.Embed(request)).embeddings]
    return np.stack(vectors)


async def _rerank(corpus: Sequence[str]) -> list[Row]:
    """Passages of sentences whose token vectors are there already, and the same from their texts."""
    texts = [*_repeated(corpus, PASSAGES * SEGMENTS), "Who tells the households before the water is shut off?"]
    with RunningService("embedding") as embedding:
        async with open_channel(embedding.address) as channel:
            outputs = pb.Outputs(tokens=True)
            request = pb.EmbedRequest(inputs=texts, outputs=outputs, truncate=pb.END)
            kept = [one.tokens for one in (await rpc.EmbeddingServiceStub(channel).Embed(request)).embeddings]
    from_vectors = reranking_pb2.RerankRequest(query_vectors=kept[-1])
    from_texts = reranking_pb2.RerankRequest(query=texts[-1], truncate=True)
    for start in range(0, PASSAGES * SEGMENTS, SEGMENTS):
        parts = range(start, start + SEGMENTS)
        from_vectors.passages.add(segments=[reranking_pb2.Segment(vectors=kept[index]) for index in parts])
        from_texts.passages.add(segments=[reranking_pb2.Segment(text=texts[index]) for index in parts])
    with RunningService("reranking") as reranking:
        async with open_channel(reranking.address) as channel:
            stub = reranking_pb2_grpc.RerankingServiceStub(channel)
            texts_ms = await _times_ms(stub, from_texts, RERANK_CALLS // 10)
            vectors_ms = await _times_ms(stub, from_vectors, RERANK_CALLS)
    what = f"rerank {PASSAGES} passages × {SEGMENTS} sentences"
    base, note = "the same from their texts", f"{from_vectors.ByteSize() / 2**20:.1f} MiB a call"
    return [
        Row(f"{what} with kept token vectors, p50", percentile(vectors_ms, 50), "ms", base, percentile(texts_ms, 50)),
        Row(f"{what} with kept token vectors, p95", percentile(vectors_ms, 95), "ms", note=note),
    ]


async def _times_ms(stub: Any, request: reranking_pb2.RerankRequest, calls: int) -> list[float]:
    await stub.Rerank(request)
    times_ms = []
    for _ in range(calls):
        started_s = time.perf_counter()
        await stub.Rerank(request)
        times_ms.append(1000 * (time.perf_counter() - started_s))
    return times_ms


class Baseline:
    """A process that has sentence-transformers loaded, and encodes the corpus when told to."""

    def __init__(self, process: "subprocess.Popen[str]", corpus: Sequence[str]) -> None:
        self._process = process
        encoded = base64.b64decode(self._ask(json.dumps(list(corpus)))["vectors"])
        self.vectors = np.frombuffer(encoded, "<f4").reshape(len(corpus), -1)

    def round_s(self) -> float:
        return float(self._ask("")["elapsed_s"])

    def _ask(self, line: str) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise EngineFailed("the baseline has no pipes")
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise EngineFailed("the baseline ended: has its Python sentence-transformers?") from None
        answer = self._process.stdout.readline()
        if not answer:
            raise EngineFailed("the baseline ended: has its Python sentence-transformers?")
        reply: dict[str, Any] = json.loads(answer)
        return reply


@contextmanager
def _baseline(python: Path | None, corpus: Sequence[str]) -> Iterator[Baseline | None]:
    if python is None:
        yield None
        return
    script = Path(__file__).with_name("embedding_baseline.py")
    model = ModelStore.from_environment().require(MODEL)
    command_line = [str(python), str(script), str(model), str(BASELINE_BATCH)]
    try:
        process = subprocess.Popen(
            command_line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError as error:
        raise InvalidInput(f"--baseline-python {python}: {error.strerror}") from None
    try:
        yield Baseline(process, corpus)
    finally:
        process.terminate()
        process.communicate()


def _made(directory: Path) -> Path:
    """The Python of an environment with sentence-transformers, which is made where it is not there."""
    python = directory / "bin" / "python"
    if not python.exists():
        typer.echo(f"making {directory} with sentence-transformers ({BASELINE_SIZE}, minutes)")
        venv.create(directory, with_pip=True)
        pip = subprocess.run([str(python), "-m", "pip", "install", "--quiet", "sentence-transformers"], check=False)
        if pip.returncode:
            raise EngineFailed(f"sentence-transformers could not be installed into {directory}; pip said why above")
    return python


def _sample_sentences() -> list[str]:
    """The prose of the Markdown samples, in sentences, and the questions about all samples."""
    samples = deploy_directory() / "samples"
    sentences = []
    for document in sorted(samples.glob("documents/*.md")):
        for paragraph in re.split(r"\n\s*\n", document.read_text()):
            if not paragraph.startswith(("#", "|", "-", "---")):
                sentences += re.split(r"(?<=[.?!])\s+", " ".join(paragraph.split()))
    for questions in sorted(samples.glob("questions/*.jsonl")):
        sentences += [json.loads(line)["question"] for line in questions.read_text().splitlines()]
    return [sentence for sentence in sentences if len(sentence) >= MIN_SENTENCE_CHARACTERS]


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except OSError as error:
        raise InvalidInput(f"--texts {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"--texts {path} is no UTF-8 text") from None
    if not lines:
        raise InvalidInput(f"--texts {path} holds no line")
    return lines


def _repeated(texts: Sequence[str], count: int) -> list[str]:
    return [texts[index % len(texts)] for index in range(count)]


def _words(corpus: Sequence[str]) -> str:
    different = set(corpus)
    words = statistics.mean(len(text.split()) for text in corpus)
    return f"{len(different)} different sentences, {words:.0f} words on average"
