"""`ledge bench translation`: many callers with a sentence each, beside the engine called directly in batches."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from ledge.translation.v1 import translation_pb2 as pb
from ledge.translation.v1 import translation_pb2_grpc as rpc

from services.cli.bench.report import JsonFile, Report, Row, percentile
from services.cli.bench.running import RunningService
from services.kit.client import open_channel

BASELINE = "the engine called directly, in batches of as many sentences as there are callers"
NAMES = ("pump house", "reservoir", "control room", "filter hall", "harbour office", "boiler room", "workshop", "meter")
DEEDS = ("is open on Sundays", "was built long ago", "has three windows", "needs new doors", "stands by the river")
PAIR = ("en", "es")
Translate = Callable[[Sequence[str]], Awaitable[Sequence[str]]]


class EngineChoice(StrEnum):
    """What translates."""

    apertium = "apertium"
    ctranslate2 = "ctranslate2"
    all = "all"


def command(
    engine: Annotated[
        EngineChoice, typer.Option(help="Whose speed; ctranslate2 with random weights.")
    ] = EngineChoice.all,
    shape: Annotated[str, typer.Option(help="Of the random model: micro, or base as OPUS-MT is.")] = "base",
    callers: Annotated[int, typer.Option(min=1, max=1000, help="How many ask at a time.")] = 64,
    sentences: Annotated[int, typer.Option(min=1, help="That each caller asks for, one by one, a round.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, ours and the engine's in turn.")] = 3,
    json_file: JsonFile = None,
) -> None:
    """Sentences a second of callers with one sentence each, through gRPC, beside the engine given whole batches."""
    rows: list[Row] = []
    for name in ("apertium", "ctranslate2"):
        if engine in (name, EngineChoice.all):
            with tempfile.TemporaryDirectory() as folder:
                settings = _random_model(Path(folder), shape) if name == "ctranslate2" else {}
                rows += asyncio.run(_measured(name, settings, callers, sentences, rounds))
    Report("translation", rows).publish(json_file)


def _random_model(folder: Path, shape: str) -> dict[str, str]:
    # Here, because the other engine needs neither.
    from services.cli.bench.random_translator import SHAPES, make_translator
    from services.cli.bench.random_whisper import make_catalogue

    made = folder / "random-en-es"
    make_translator(made, "marian", SHAPES[shape])
    return make_catalogue(folder, [made], "translation", "ctranslate2") | {"LEDGE_MODEL": made.name}


async def _measured(engine: str, settings: dict[str, str], callers: int, sentences: int, rounds: int) -> list[Row]:
    ours, theirs = list[float](), list[float]()
    waits_ms = list[float]()
    with RunningService("translation", {"LEDGE_ENGINE": engine, **settings}) as service:
        async with open_channel(service.address) as channel:
            stub = rpc.TranslationServiceStub(channel)
            direct, close = await _directly(engine, settings)
            try:
                for measured in (False, *([True] * rounds)):
                    mine = await _through(stub, callers, sentences, waits_ms if measured else [])
                    alone = await _in_batches(direct, callers, sentences)
                    if measured:
                        ours.append(mine)
                        theirs.append(alone)
            finally:
                await close()
    mine, alone = statistics.median(ours), statistics.median(theirs)
    wait = f"a caller waits {percentile(waits_ms, 50):.0f} ms, p95 {percentile(waits_ms, 95):.0f} ms"
    who = f"{engine}, {callers} callers × 1 sentence"
    return [Row(who, mine, "sentences/s", BASELINE, alone, note=f"{100 * mine / alone:.0f} % of it; {wait}")]


def _sentence(number: int) -> str:
    """No two alike, all of about the same length."""
    return f"The {NAMES[number % len(NAMES)]} number {number} {DEEDS[number % len(DEEDS)]}, and nobody works there."


async def _through(
    stub: "rpc.TranslationServiceAsyncStub", callers: int, sentences: int, waits_ms: list[float]
) -> float:
    async def caller(number: int) -> None:
        for place in range(sentences):
            asked_s = time.perf_counter()
            request = pb.TranslateRequest(
                texts=[_sentence(number * sentences + place)], source_language=PAIR[0], target_language=PAIR[1]
            )
            await stub.Translate(request)
            waits_ms.append(1000 * (time.perf_counter() - asked_s))

    started_s = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    return callers * sentences / (time.perf_counter() - started_s)


async def _in_batches(translate: Translate, callers: int, sentences: int) -> float:
    started_s = time.perf_counter()
    for place in range(sentences):
        await translate([_sentence(number * sentences + place) for number in range(callers)])
    return callers * sentences / (time.perf_counter() - started_s)


async def _directly(engine: str, settings: dict[str, str]) -> tuple[Translate, Callable[[], Awaitable[None]]]:
    """The engine without service and queue: apertium's programs, or CTranslate2's own batches."""
    if engine == "apertium":
        from services.translation.apertium_pipeline import Pipeline, read_stages
        from services.translation.config import TranslationConfig

        pipeline = Pipeline(read_stages(TranslationConfig().modes_dir / "eng-spa.mode"), 60)
        await pipeline.start()

        async def by_rules(texts: Sequence[str]) -> Sequence[str]:
            return [answer.decode() for answer in await pipeline.translate([text.encode() for text in texts])]

        return by_rules, pipeline.close

    import ctranslate2

    from services.translation.config import TranslationConfig
    from services.translation.engines.ctranslate2 import SPARE_TOKENS
    from services.translation.model_files import read_family

    directory = Path(settings["LEDGE_MODELS_CATALOG"]).parent / settings["LEDGE_MODEL"]
    config = TranslationConfig()
    family = read_family(directory, settings["LEDGE_MODEL"], PAIR)
    translator = ctranslate2.Translator(
        str(directory), compute_type="int8", inter_threads=config.workers, intra_threads=config.threads
    )

    def translated(texts: Sequence[str]) -> list[str]:
        tokens = [family.framed(family.tokens(text, *PAIR), *PAIR) for text in texts]
        results = translator.translate_batch(
            tokens, beam_size=1, max_batch_size=config.max_batch_tokens, batch_type="tokens", max_input_length=0,
            max_decoding_length=max(2 * len(one) + SPARE_TOKENS for one in tokens),
        )  # fmt: skip
        return [family.text(result.hypotheses[0]) for result in results]

    async def by_model(texts: Sequence[str]) -> Sequence[str]:
        return await asyncio.to_thread(translated, texts)

    async def nothing() -> None:
        """Goes with its memory."""

    return by_model, nothing
