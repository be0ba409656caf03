"""Fits the weights of the evidence to questions whose answers are known: `python -m services.rag.evidence.calibrate`.

It asks the services that run (addresses as for `rag`: LEDGE_EMBEDDING_ADDRESS, …) for the passages of each question,
fits `calibration.json` on them, and prints what cross-validation says of it. Questions are JSONL as in
deploy/samples/questions; the documents must have been ingested.
"""

import argparse
import asyncio
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ledge.rag.v1 import rag_pb2 as pb
from ledge.reranking.v1 import reranking_pb2

from services.kit.config import read_config
from services.kit.errors import InvalidInput, LedgeError
from services.rag.answer.asked import Reader
from services.rag.answer.follow_up import condense
from services.rag.config import RagConfig
from services.rag.evidence.calibration import FORMAT, SHIPPED
from services.rag.evidence.fitting import Example, Fit, fit
from services.rag.evidence.found import Found
from services.rag.evidence.judging import PASSAGES
from services.rag.evidence.search import Query, Search
from services.rag.evidence.signals import ANSWER_SIGNALS, SEGMENT_SIGNALS, measure
from services.rag.peers import Peers
from services.rag.words import Words


def main() -> None:
    """Reads the command line, fits, writes the file. A fault is one sentence and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m services.rag.evidence.calibrate", description=__doc__)
    parser.add_argument("--questions", type=Path, required=True, action="append", help="JSONL; may be given again")
    parser.add_argument("--collection", default="default")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    try:
        body = asyncio.run(_calibrate(read_config(RagConfig), arguments.questions, arguments.collection))
    except LedgeError as error:
        sys.exit(f"calibrate: {error.message}")
    arguments.out.write_text(json.dumps(body, indent=2) + "\n")


async def _calibrate(config: RagConfig, files: Sequence[Path], collection: str) -> dict[str, Any]:
    questions = [(file.name, question) for file in files for question in read_questions(file)]
    peers = Peers(config)
    words = Words(config.sentence_language)
    search = Search(peers, words)
    reranked: list[Example] = []
    retrieved: list[Example] = []
    encoders: set[str] = set()
    try:
        for source, question in questions:
            query, order, best = await _find(search, question, collection)
            encoders.add(query.model)
            retrieved.append(_example(question, source, query, order, words))
            reranked.append(_example(question, source, query, best, words))
        reranker = (await peers.reranking.ListModels(reranking_pb2.ListModelsRequest())).models[0]
    finally:
        await peers.close()
    fits = {"reranked": fit(reranked), "retrieved": fit(retrieved)}
    for name, made in fits.items():
        for held_out, figures in {"questions held out in turn": made.validation, **made.across_files}.items():
            sys.stdout.write(f"{name}, {held_out}: {json.dumps(figures)}\n")
    return {
        "format": FORMAT,
        "models": {"encoder": encoders.pop(), "reranker": reranker.id, "reranking_engine": reranker.engine},
        "made_from": [
            {
                "file": file.name,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "questions": dict(Counter(question["kind"] for question in read_questions(file))),
            }
            for file in files
        ],
        **{name: _to_json(made) for name, made in fits.items()},
    }


def read_questions(file: Path) -> list[dict[str, Any]]:
    """Raises InvalidInput for a file that holds no questions."""
    try:
        return [{"gold": [], **json.loads(line)} for line in file.read_text().splitlines() if line.strip()]
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(f"{file} holds no questions: {error}") from error


async def _find(search: Search, question: dict[str, Any], collection: str) -> tuple[Query, list[Found], list[Found]]:
    history = [pb.Turn(role=pb.Turn.USER, text=text) for text in question.get("history", ())]
    asked = Reader().answer(pb.AnswerRequest(question=question["question"], history=history, collections=[collection]))
    standalone = condense(asked.question, [turn.text for turn in asked.history if turn.is_user])
    query = await search.encode(standalone, asked.scope, asked.question)
    retrieved = await search.retrieve(query, asked.scope, asked.candidates)
    reranked = await search.rerank(query, retrieved)
    if reranked is None:
        raise InvalidInput("the reranking service does not answer; a calibration needs it")
    return query, retrieved, reranked


def _example(question: dict[str, Any], source: str, query: Query, found: Sequence[Found], words: Words) -> Example:
    candidates, signals = measure(query, found[:PASSAGES], words)
    gold = [re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.IGNORECASE) for text in question["gold"]]
    documents = question.get("docs") or None

    def answers(text: str, document: str) -> bool:
        return any(pattern.search(text) for pattern in gold) and (documents is None or document in documents)

    holds = [answers(candidate.text, candidate.found.chunk.document) for candidate in candidates]
    passages = [answers(candidate.found.chunk.body, candidate.found.chunk.document) for candidate in candidates]
    return Example(
        question["kind"],
        source,
        question["gold"],
        query,
        candidates,
        signals,
        np.array(holds, bool),
        np.array(passages, bool),
    )


def _to_json(made: Fit) -> dict[str, Any]:
    weights = made.weights
    return {
        "segment": dict(zip(SEGMENT_SIGNALS, np.round(weights.segment, 4).tolist(), strict=True)),
        "answer": dict(zip(ANSWER_SIGNALS, np.round(weights.answer, 4).tolist(), strict=True)),
        "intercept": round(weights.intercept, 4),
        "threshold": round(weights.threshold, 4),
        "second_within": round(weights.second_within, 4),
        "second_within_elsewhere": round(weights.second_within_elsewhere, 4),
        "cross_validated": made.validation,
        "across_files": made.across_files,
    }


if __name__ == "__main__":
    main()
