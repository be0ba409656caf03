"""The baseline of `ledge bench embedding`, run by a Python that has sentence-transformers and nothing of ours.

    python embedding_baseline.py MODEL_DIRECTORY BATCH

First line in: the texts, a JSON list. Each further line is a round; each line out a JSON object: the seconds it took
to encode all texts in batches, as the library's documentation does it. The first also has the vectors, in base64.
"""

import base64
import json
import sys
import time


def main() -> None:
    from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found, unused-ignore]

    model = SentenceTransformer(sys.argv[1], device="cpu")
    batch = int(sys.argv[2])
    texts = json.loads(sys.stdin.readline())
    vectors = model.encode(texts, batch_size=batch, show_progress_bar=False, normalize_embeddings=True)
    print(json.dumps({"vectors": base64.b64encode(vectors.astype("<f4").tobytes()).decode()}), flush=True)
    for _ in sys.stdin:
        started_s = time.perf_counter()
        model.encode(texts, batch_size=batch, show_progress_bar=False)
        print(json.dumps({"elapsed_s": time.perf_counter() - started_s}), flush=True)


if __name__ == "__main__":
    main()
