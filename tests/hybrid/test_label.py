"""What is labelled local only never leaves, whatever else a request, a tenant or the settings say."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from ledge.llm.v1 import llm_pb2 as pb

from tests.gateway.suite import NO_PEERS
from tests.hybrid.conftest import Pair, asked, chat, hybrid_over, streamed, stub_of
from tests.hybrid.grams import gram_service
from tests.hybrid.wire import PREFACE_BYTES, data_bytes, wire_to
from tests.processes import service

SECRET = "patient-4711-has-gout"
MODES = ("", "local", "cloud", "route", "cascade", "guide", "bild")


@pytest.mark.parametrize("default", ["cloud", "guide"])
async def test_no_byte_of_a_labelled_request_reaches_the_big_model(pair: Pair, default: str) -> None:
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_MODE=default) as process:
        async with stub_of(process) as llm:
            before = len(pair.wire.up)
            assert (await asked(llm, chat("short", "cloud"))).by == "big"
            assert b"short" in pair.wire.up[before:]
            before = len(pair.wire.up)
            for mode in MODES:
                for ask in (asked, streamed):
                    labelled = chat(SECRET, mode, local_only=True, threshold=0.5)
                    told = await ask(llm, labelled)
                    assert (told.by, told.why) == ("little", "local-only")
                    told = await ask(llm, chat(SECRET, mode, threshold=0.5), **{"ledge-local-only": "true"})
                    assert (told.by, told.why) == ("little", "local-only")
            label = (("ledge-local-only", "1"),)
            sampling = pb.Sampling(max_tokens=8)
            choice = pb.Hybrid(mode=pb.Hybrid.CLOUD)
            request = pb.CompleteRequest(prompt=SECRET, sampling=sampling, hybrid=choice)
            await llm.Complete(request, metadata=label)
            for token_call in (
                llm.Tokenize(pb.TokenizeRequest(text=SECRET, model="large"), metadata=label),
                llm.Chat(chat(SECRET, "cloud", model="large", local_only=True)),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await token_call
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert SECRET.encode() not in pair.wire.up[before:]


async def test_a_labelled_request_goes_up_as_token_ids_no_more_than_as_words(tmp_path: Path) -> None:
    with (
        gram_service(tmp_path, 2) as little,
        gram_service(tmp_path, 5) as big,
        wire_to(big.address) as wire,
        hybrid_over(little.address, wire.address, LEDGE_MODE="bild", LEDGE_BILD_KEEP="true") as process,
    ):
        async with stub_of(process) as llm:

            async def label_in_every_mode() -> None:
                for mode in MODES:
                    for ask in (asked, streamed):
                        told = await ask(llm, chat("the old mill", mode, local_only=True, threshold=0.5))
                        assert (told.by, told.why) == ("little", "local-only")
                        told = await ask(llm, chat("the old mill", mode, threshold=0.5), **{"ledge-local-only": "1"})
                        assert (told.by, told.why) == ("little", "local-only")

            await label_in_every_mode()
            assert wire.connections == 0, "nobody asked for the big model"
            for mode in ("bild", "guide"):
                assert (await asked(llm, chat("the old mill", mode, guide_tokens=4))).by == "both"
            sent = data_bytes(wire.up[PREFACE_BYTES:])
            assert sent > 0
            await label_in_every_mode()
            assert (wire.connections, data_bytes(wire.up[PREFACE_BYTES:])) == (1, sent)


async def test_calls_side_by_side_keep_their_own_labels(pair: Pair) -> None:
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_MODE="cloud") as process:
        async with stub_of(process) as llm:
            before = len(pair.wire.up)
            calls = [
                asked(llm, chat(f"{SECRET}-{number}" if number % 2 else f"public-{number}", local_only=number % 2 == 1))
                for number in range(60)
            ]
            told = await asyncio.gather(*calls)
            assert [one.by for one in told] == ["big", "little"] * 30
            sent = pair.wire.up[before:]
            assert sent.count(b"public-") == 30
            assert SECRET.encode() not in sent


async def test_a_tenant_whose_label_is_set_cannot_undo_it(pair: Pair, tmp_path: Any) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text("tenants:\n  personnel: {local_only: true}\n  research: {mode: cloud}\n")
    keys = {"LEDGE_API_KEYS": "personnel=p,research=r", "LEDGE_TENANTS_FILE": str(file)}
    with hybrid_over(pair.little.address, pair.wire.address, **keys) as process:
        async with stub_of(process) as llm:
            before = len(pair.wire.up)
            told = await asked(llm, chat(SECRET, "cloud"), authorization="Bearer p")
            assert (told.by, told.why) == ("little", "local-only")
            assert SECRET.encode() not in pair.wire.up[before:]
            told = await asked(llm, chat("short"), authorization="Bearer r")
            assert (told.by, told.why) == ("big", "tenant")


async def test_the_label_of_the_settings_holds_for_all(pair: Pair) -> None:
    with hybrid_over(pair.little.address, pair.wire.address, LEDGE_LOCAL_ONLY="true", LEDGE_MODE="cloud") as process:
        async with stub_of(process) as llm:
            before = len(pair.wire.up)
            told = await streamed(llm, chat(SECRET, "cloud"))
            assert (told.by, told.why) == ("little", "local-only")
            assert SECRET.encode() not in pair.wire.up[before:]


async def test_the_label_travels_through_the_services_on_the_way(pair: Pair) -> None:
    with (
        hybrid_over(pair.little.address, pair.wire.address, LEDGE_MODE="cloud") as inner,
        hybrid_over(inner.address, None) as outer,
        service("gateway", **{**NO_PEERS, "LEDGE_LLM_ADDRESS": outer.address}) as gateway,
    ):
        async with stub_of(outer) as llm:
            before = len(pair.wire.up)
            # The outer one leaves it to the inner one, whose default is the big model.
            assert (await asked(llm, chat("short"))).text == "Yes."
            labelled = await asked(llm, chat(SECRET), **{"ledge-local-only": "true"})
            assert labelled.text == f"the little one: {SECRET}"
            assert SECRET.encode() not in pair.wire.up[before:]
        before = len(pair.wire.up)
        async with httpx.AsyncClient(base_url=f"http://{gateway.address}/v1") as http:
            for label, said in (({}, "Yes."), ({"ledge-local-only": "true"}, "the little one: short")):
                body = {"model": "", "messages": [{"role": "user", "content": "short"}]}
                answer = await http.post("/chat/completions", json=body, headers=label)
                assert answer.json()["choices"][0]["message"]["content"] == said
        assert pair.wire.up[before:].count(b"short") == 1
