"""The door of `/v1/realtime` over the wire: who comes in, how events pass, and how each end ends the other."""

import asyncio
import base64
import contextlib
import json
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
import pytest_asyncio
import trustme
from ledge.rag.v1 import rag_pb2
from ledge.voice.v1 import voice_pb2 as pb
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from services.gateway.realtime.client_secrets import ClientSecrets
from services.kit.errors import InvalidInput, Unauthenticated
from tests.gateway.suite import GATEWAY, KEY, NO_PEERS, closing_all, start
from tests.gateway.told_voice import Talk, ToldVoice, told_voice
from tests.processes import ServiceProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAIT_S = 20
AUTHORIZED = {"authorization": f"Bearer {KEY}"}
ORIGIN = "https://intranet.example"


class Door:
    """A gateway before a voice service that a test holds."""

    def __init__(self, gateway: ServiceProcess, voice: ToldVoice, server: grpc.aio.Server) -> None:
        self.gateway = gateway
        self.voice = voice
        self.server = server
        self.place = gateway.address

    def connect(self, query: str = "", **settings: Any) -> Any:
        settings.setdefault("additional_headers", AUTHORIZED)
        return connect(f"ws://{self.place}/v1/realtime{query}", open_timeout=WAIT_S, compression=None, **settings)

    @contextlib.asynccontextmanager
    async def session(self, query: str = "", **settings: Any) -> AsyncIterator[tuple[ClientConnection, Talk]]:
        """A session that was opened, from both ends."""
        async with self.connect(query, **settings) as client:
            talk = await self.voice.talk()
            assert (await event(client))["type"] == "session.created"
            yield client, talk

    async def post(self, path: str, body: dict[str, Any], key: str = KEY) -> httpx.Response:
        async with httpx.AsyncClient(base_url=f"http://{self.place}", timeout=WAIT_S) as http:
            return await http.post(path, json=body, headers={"authorization": f"Bearer {key}"})


@contextlib.asynccontextmanager
async def a_door(**settings: str) -> AsyncIterator[Door]:
    async with told_voice() as (voice, server, address):
        gateway = start(
            "gateway",
            **{**GATEWAY, **NO_PEERS, "LEDGE_VOICE_ADDRESS": address, "LEDGE_CORS_ALLOW_ORIGINS": ORIGIN, **settings},
        )
        with closing_all(gateway):
            await asyncio.to_thread(gateway.wait_ready)
            yield Door(gateway, voice, server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[Door]:
    async with a_door() as made:
        yield made


async def event(client: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(await asyncio.wait_for(client.recv(), WAIT_S)))


async def send(client: ClientConnection, **told: Any) -> None:
    await client.send(json.dumps(told))


async def closed(client: ClientConnection) -> tuple[int, str]:
    """Code and reason of the close that comes, whatever comes before it."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(WAIT_S):
            async for _ in client:
                pass
    return client.close_code or 0, client.close_reason or ""


async def refused(connecting: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of the response to a client that is not let in."""
    with pytest.raises(InvalidStatus) as no:
        async with connecting:
            pass
    response = no.value.response
    return response.status_code, json.loads(response.body or b"{}")


async def test_a_key_is_checked_before_the_upgrade(door: Door) -> None:
    for headers in ({}, {"authorization": "Bearer sk-eve"}, {"authorization": "Bearer ek_unknown"}):
        status, body = await refused(door.connect(additional_headers=headers))
        assert (status, body["error"]["type"]) == (401, "authentication_error")


async def test_a_page_shows_its_key_as_a_subprotocol(door: Door) -> None:
    protocols = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{KEY}")]
    async with door.session(additional_headers={}, subprotocols=protocols) as (client, _):
        assert client.subprotocol == "realtime"
    wrong = [Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.sk-eve")]
    assert (await refused(door.connect(additional_headers={}, subprotocols=wrong)))[0] == 401


async def test_pages_of_elsewhere_are_not_let_in(door: Door) -> None:
    status, body = await refused(door.connect(origin="https://evil.example"))
    assert status == 403
    assert "LEDGE_CORS_ALLOW_ORIGINS" in body["error"]["message"]
    for origin in (ORIGIN, f"http://{door.place}"):
        async with door.session(origin=origin):
            pass


async def test_a_session_is_labelled_local_only_by_header_or_address(door: Door) -> None:
    label = "ledge-local-only"
    for query, headers in (
        (f"?model=ledge-rag&{label}=true", {}),
        ("", {label: "true"}),
        (f"?{label}=true", {label: "false"}),
        (f"?{label}=false", {label: "true"}),
    ):
        async with door.session(query, additional_headers={**AUTHORIZED, **headers}) as (_, talk):
            assert talk.metadata[label] == "true"
    async with door.session(f"?{label}=false") as (_, talk):
        assert label not in talk.metadata


async def test_where_nobody_talks_it_is_said_so() -> None:
    async with a_door(LEDGE_VOICE_ADDRESS="") as door:
        status, body = await refused(door.connect())
        assert (status, body["error"]["code"]) == (404, "not_found")
        assert "LEDGE_VOICE_ADDRESS" in body["error"]["message"]
        assert (await door.post("/v1/realtime/client_secrets", {})).status_code == 404


async def test_who_comes_without_an_upgrade_is_told_to(door: Door) -> None:
    async with httpx.AsyncClient(headers=AUTHORIZED) as http:
        response = await http.get(f"http://{door.place}/v1/realtime")
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")


async def test_a_session_begins_with_what_the_address_asks_for(door: Door) -> None:
    for query, model in (
        ("?model=gpt-realtime", ""),
        ("", ""),
        ("?model=ledge-rag", "ledge-rag"),
        ("?model=gpt-4", "scripted"),
    ):
        async with door.session(query) as (_, talk):
            assert (talk.session.model, talk.session.kind) == (model, pb.Session.CONVERSATION)
            assert talk.session.transcription.partials
    for query in ("?intent=transcription", "?model=gpt-4o-transcribe"):
        async with door.session(query) as (_, talk):
            assert talk.session.kind == pb.Session.TRANSCRIPTION


async def test_who_asks_travels_with_the_call(door: Door) -> None:
    headers = {**AUTHORIZED, "x-request-id": "mine"}
    async with door.session(additional_headers=headers) as (client, talk):
        assert (talk.metadata["ledge-tenant"], talk.metadata["ledge-request-id"]) == ("ada", "mine")
        assert client.response is not None
        assert client.response.headers["x-request-id"] == "mine"
    line = await asyncio.to_thread(door.gateway.wait_for, "session", WAIT_S, request_id="mine")
    assert (line["route"], line["tenant"]) == ("/v1/realtime", "ada")


async def test_events_pass_both_ways(door: Door) -> None:
    async with door.session() as (client, talk):
        await send(client, type="input_audio_buffer.append", audio=base64.b64encode(b"\1\2" * 480).decode())
        assert (await talk.heard()).audio == b"\1\2" * 480
        await send(client, type="response.create", event_id="mine", response={"conversation": "none"})
        asked = await talk.heard()
        assert (asked.event_id, asked.create_response.out_of_band) == ("mine", True)
        await talk.tell(response_created=pb.ResponseState(id="resp_1"))
        await talk.tell(audio_delta=pb.AudioDelta(response_id="resp_1", item_id="i", audio=b"\3\4"))
        assert (await event(client))["response"]["id"] == "resp_1"
        assert base64.b64decode((await event(client))["delta"]) == b"\3\4"


async def test_ledge_s_own_events_come_to_those_who_asked(door: Door) -> None:
    citation = pb.Citation(citation=rag_pb2.Citation(number=1, passage=rag_pb2.Passage(document="handbook.md")))
    async with door.session() as (client, talk):
        await talk.tell(citation=citation)
        await talk.tell(audio_cleared=pb.AudioCleared())
        assert (await event(client))["type"] == "input_audio_buffer.cleared"
        await send(client, type="session.update", session={"type": "realtime", "ledge": {"collections": ["mills"]}})
        change = (await talk.heard()).session
        assert list(change.documents.collections) == ["mills"]
        await talk.tell(citation=citation)
        assert (await event(client))["citations"][0]["document"] == "handbook.md"


async def test_a_mistake_is_told_and_the_session_goes_on(door: Door) -> None:
    async with door.session() as (client, talk):
        await send(client, type="conversation.item.delete", event_id="mine")
        told = await event(client)
        assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
        assert (told["error"]["event_id"], told["error"]["param"]) == ("mine", "item_id")
        for message in (b"\0\1", "{", '{"type": "session.close"}'):
            await client.send(message)
            assert (await event(client))["type"] == "error"
        await send(client, type="input_audio_buffer.commit")
        assert (await talk.heard()).HasField("commit_audio")


async def test_a_message_too_large_ends_the_session() -> None:
    async with a_door(LEDGE_MAX_REALTIME_MESSAGE_BYTES="65536") as door, door.session() as (client, talk):
        with contextlib.suppress(ConnectionClosed):
            await send(client, type="input_audio_buffer.append", audio="A" * 70_000)
        assert (await closed(client))[0] == 1009
        await asyncio.wait_for(talk.over.wait(), WAIT_S)


async def test_a_client_secret_opens_a_session_and_nothing_else(door: Door) -> None:
    session = {"type": "realtime", "model": "gpt-4", "instructions": "Be brief.", "ledge": {"effort": "thorough"}}
    body = {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": session}
    made = (await door.post("/v1/realtime/client_secrets", body)).raise_for_status().json()
    assert made["value"].startswith("ek_")
    assert 0 < made["expires_at"] - time.time() <= 60
    assert (made["session"]["instructions"], made["session"]["ledge"]["effort"]) == ("Be brief.", "thorough")
    headers = {"authorization": f"Bearer {made['value']}"}
    for _ in range(2):
        async with door.session("?model=gpt-realtime", additional_headers=headers) as (client, talk):
            assert (talk.session.instructions, talk.session.model) == ("Be brief.", "scripted")
            assert talk.metadata["ledge-tenant"] == "ada"
            await talk.tell(state_changed=pb.StateChanged(state=pb.IDLE))
            assert (await event(client))["type"] == "ledge.state"
    protocols = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{made['value']}")]
    async with door.session(additional_headers={}, subprotocols=protocols) as (_, talk):
        assert talk.session.instructions == "Be brief."
    async with httpx.AsyncClient(headers=headers) as http:
        assert (await http.get(f"http://{door.place}/v1/models")).status_code == 401
    assert (await door.post("/v1/realtime/client_secrets", {}, key=made["value"])).status_code == 401
    assert (await door.post("/v1/realtime/client_secrets", {}, key="sk-eve")).status_code == 401


async def test_a_client_secret_may_be_for_transcripts_or_leave_the_model_open(door: Door) -> None:
    for session, query, kind, model in (
        ({"type": "transcription"}, "?model=gpt-4", pb.Session.TRANSCRIPTION, ""),
        ({"type": "realtime"}, "?model=gpt-4", pb.Session.CONVERSATION, "scripted"),
        ({"type": "realtime", "model": "gpt-realtime"}, "", pb.Session.CONVERSATION, ""),
    ):
        made = (await door.post("/v1/realtime/client_secrets", {"session": session})).raise_for_status().json()
        assert made["session"]["type"] == session["type"]
        headers = {"authorization": f"Bearer {made['value']}"}
        async with door.session(query, additional_headers=headers) as (_, talk):
            assert (talk.session.kind, talk.session.model) == (kind, model)


async def test_a_client_secret_that_asks_for_nonsense_is_refused(door: Door) -> None:
    response = await door.post("/v1/realtime/client_secrets", {"session": {"audio": {"output": {"speed": 9}}}})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "session.audio.output.speed")
    response = await door.post("/v1/realtime/client_secrets", {"expires_after": {"seconds": 1}})
    assert response.json()["error"]["param"] == "expires_after.seconds"


async def test_client_secrets_expire() -> None:
    now_s = 1000.0
    secrets = ClientSecrets(["sk-ada"], clock=lambda: now_s)
    value, made = secrets.make("ada", pb.Session(model="m"), wants_ledge=True, lives_s=60)
    assert secrets.open(value) == made
    assert (made.tenant, made.session.model, made.wants_ledge, made.expires_at) == ("ada", "m", True, 1060)
    assert secrets.make("ada", pb.Session(model="m"), wants_ledge=True, lives_s=60)[0] != value
    now_s = 1060.0
    with pytest.raises(Unauthenticated):
        secrets.open(value)


async def test_a_client_secret_that_has_expired_is_refused_at_the_door(door: Door) -> None:
    secrets = ClientSecrets([KEY])
    session = pb.Session(kind=pb.Session.CONVERSATION)
    for lives_s in (60, -1):
        value, _ = secrets.make("ada", session, wants_ledge=False, lives_s=lives_s)
        headers = {"authorization": f"Bearer {value}"}
        if lives_s > 0:
            async with door.session(additional_headers=headers):
                pass
        else:
            status, body = await refused(door.connect(additional_headers=headers))
            assert (status, body["error"]["type"]) == (401, "authentication_error")


def signed_by_anybody(payload: bytes) -> str:
    """A secret of a gateway without keys, whatever is in it."""
    digest = ClientSecrets([])._digest(payload)
    return "ek_" + base64.urlsafe_b64encode(digest + payload).decode().rstrip("=")


async def test_a_client_secret_that_is_signed_but_holds_nonsense_is_none() -> None:
    until = (2**40).to_bytes(8, "big")
    head = bytes(8) + until + b"\0"
    payloads = {
        "no head": b"short",
        "a name that is no text": head + b"\2\xff\xfe" + zlib.compress(b""),
        "a name longer than the rest": head + b"\xffada",
        "no compressed session": head + b"\0" + b"nonsense",
        "no session": head + b"\0" + zlib.compress(b"\xff\xff\xff"),
    }
    async with a_door(LEDGE_API_KEYS="") as door:
        for name, payload in payloads.items():
            headers = {"authorization": f"Bearer {signed_by_anybody(payload)}"}
            status, body = await refused(door.connect(additional_headers=headers))
            assert (status, body["error"]["type"]) == (401, "authentication_error"), name
        async with door.session(
            additional_headers={"authorization": f"Bearer {signed_by_anybody(head + bytes(1) + zlib.compress(b''))}"}
        ):
            pass


async def test_guessing_the_keys_behind_a_client_secret_is_dear() -> None:
    began_s = time.process_time()
    ClientSecrets(["sk-ada"])
    assert time.process_time() - began_s > 0.02


async def test_a_client_secret_is_taken_by_every_gateway_with_the_same_keys_and_by_no_other() -> None:
    value, made = ClientSecrets(["sk-ada", "sk-bob"]).make("ada", pb.Session(), wants_ledge=False, lives_s=60)
    assert ClientSecrets(["sk-bob", "sk-ada"]).open(value) == made
    for keys in (["sk-ada"], [], ["sk-ada", "sk-bob", "sk-eve"]):
        with pytest.raises(Unauthenticated):
            ClientSecrets(keys).open(value)


async def test_a_client_secret_that_was_changed_opens_nothing() -> None:
    secrets = ClientSecrets(["sk-ada"])
    value, _ = secrets.make("ada", pb.Session(instructions="Be kind."), wants_ledge=False, lives_s=60)
    changed = [
        value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :] for place in range(3, len(value))
    ]
    for wrong in (*changed, value[:-4], value + "AAAA", "ek_", "ek_?", "ek_ü", value[:20]):
        with contextlib.suppress(Unauthenticated):
            # The last letter of base64 may hold bits that mean nothing.
            assert secrets.open(wrong).session.instructions == "Be kind."
            assert wrong[:-1] == value[:-1]


async def test_a_client_secret_has_room_in_a_header() -> None:
    long = "".join(str(number) for number in range(5000))
    with pytest.raises(InvalidInput):
        ClientSecrets([]).make("ada", pb.Session(instructions=long), wants_ledge=False, lives_s=60)


async def test_a_socket_that_drops_ends_the_call_at_once(door: Door) -> None:
    async with door.session() as (client, talk):
        dropped_s = time.monotonic()
        client.transport.abort()
        await asyncio.wait_for(talk.over.wait(), WAIT_S)
        assert time.monotonic() - dropped_s < 0.2


async def test_a_client_that_closes_ends_the_call(door: Door) -> None:
    async with door.session() as (client, talk):
        await client.close()
        await asyncio.wait_for(talk.over.wait(), WAIT_S)


async def test_a_client_that_reads_nothing_holds_no_memory(door: Door) -> None:
    process = psutil.Process(door.gateway.process.pid)
    async with door.session(max_queue=1) as (client, talk):
        client.transport.pause_reading()
        before_bytes = process.memory_info().rss
        told_bytes = 0
        audio = bytes(64 * 1024)
        with contextlib.suppress(TimeoutError):
            while told_bytes < 256 * 2**20:
                await asyncio.wait_for(talk.tell(audio_delta=pb.AudioDelta(item_id="i", audio=audio)), 2)
                told_bytes += len(audio)
        assert told_bytes < 64 * 2**20, "the service was let write on"
        assert process.memory_info().rss - before_bytes < 64 * 2**20
        client.transport.abort()
        await asyncio.wait_for(talk.over.wait(), WAIT_S)


async def test_a_client_that_takes_nothing_is_cut_off_and_one_that_waits_is_not() -> None:
    async with a_door(LEDGE_CLIENT_TIMEOUT_S="1") as door, door.session() as (patient, _):
        async with door.session(max_queue=1) as (stuck, talk):
            stuck.transport.pause_reading()
            writing = asyncio.create_task(_flood(talk))
            await asyncio.wait_for(talk.over.wait(), WAIT_S)
            writing.cancel()
        # Long after the time that a client has for a request's head.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(patient.recv(), 2)
        await send(patient, type="session.close")
        assert (await event(patient))["type"] == "error"


async def _flood(talk: Talk) -> None:
    with contextlib.suppress(grpc.aio.BaseError, grpc.RpcError):
        while True:
            await talk.tell(audio_delta=pb.AudioDelta(item_id="i", audio=bytes(64 * 1024)))


async def test_connections_past_the_bound_are_not_upgraded() -> None:
    async with a_door(LEDGE_MAX_CONNECTIONS="1") as door, door.session():
        assert (await refused(door.connect()))[0] == 429


async def test_the_door_speaks_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    # The voice service of these tests speaks none, and is not asked.
    async with a_door(LEDGE_VOICE_ADDRESS="", LEDGE_TLS_CERT_FILE=str(chain), LEDGE_TLS_KEY_FILE=str(key)) as door:
        secure = connect(f"wss://{door.place}/v1/realtime", ssl=context, additional_headers=AUTHORIZED)
        assert (await refused(secure))[0] == 404


@pytest.mark.parametrize(
    ("code", "kind", "closes"),
    [
        (grpc.StatusCode.INTERNAL, "server_error", 1011),
        (grpc.StatusCode.UNAVAILABLE, "server_error", 1013),
        (grpc.StatusCode.NOT_FOUND, "not_found_error", 1008),
        (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request_error", 1008),
    ],
)
async def test_a_call_that_fails_is_told_and_closed(door: Door, code: grpc.StatusCode, kind: str, closes: int) -> None:
    async with door.session() as (client, talk):
        talk.fail(code, "of old age")
        told = await event(client)
        assert (told["type"], told["error"]["type"]) == ("error", kind)
        assert (await closed(client))[0] == closes


async def test_a_service_that_dies_in_mid_answer_is_told_and_the_next_session_is_too() -> None:
    async with a_door() as door:
        await _dies_in_mid_answer(door)


async def _dies_in_mid_answer(door: Door) -> None:
    async with door.session() as (client, talk):
        await talk.tell(response_created=pb.ResponseState(id="resp_1"))
        assert (await event(client))["type"] == "response.created"
        await door.server.stop(None)
        assert (await event(client))["type"] == "error"
        code, reason = await closed(client)
        assert (code, bool(reason)) == (1013, True)
    async with door.connect() as client:
        assert (await event(client))["error"]["code"] == "not_ready"
        assert (await closed(client))[0] == 1013


async def test_a_session_that_the_service_ends_is_closed(door: Door) -> None:
    async with door.session() as (client, talk):
        talk.finish.set()
        assert (await closed(client))[0] == 1013


async def test_there_are_no_more_sessions_than_allowed() -> None:
    async with a_door(LEDGE_MAX_REALTIME_SESSIONS="1") as door:
        async with door.session() as (_, talk):
            status, body = await refused(door.connect())
            assert (status, body["error"]["type"]) == (429, "rate_limit_error")
        await asyncio.wait_for(talk.over.wait(), WAIT_S)
        await asyncio.to_thread(door.gateway.wait_for, "session", WAIT_S, status=1000)
        async with door.session():
            pass


async def test_a_session_has_a_longest_time() -> None:
    async with a_door(LEDGE_REALTIME_SESSION_S="1") as door, door.session() as (client, talk):
        told = await event(client)
        assert told["error"]["code"] == "session_expired"
        assert (await closed(client))[0] == 1001
        await asyncio.wait_for(talk.over.wait(), WAIT_S)


async def test_sigterm_lets_an_answer_finish() -> None:
    async with a_door() as door, door.session() as (client, talk), door.session() as (idle, idle_talk):
        door.gateway.terminate()
        await asyncio.wait_for(talk.half_closed.wait(), WAIT_S)
        await talk.tell(text_delta=pb.TextDelta(item_id="i", text="the end"))
        talk.finish.set()
        assert (await event(client))["delta"] == "the end"
        assert await closed(client) == (1001, "the gateway is stopping")
        idle_talk.finish.set()
        assert (await closed(idle))[0] == 1001
        assert await asyncio.to_thread(door.gateway.wait) == 0


async def test_an_answer_that_outlasts_the_drain_is_cut() -> None:
    async with a_door(LEDGE_DRAIN_S="1") as door, door.session() as (client, talk):
        door.gateway.terminate()
        assert await closed(client) == (1001, "the gateway is stopping")
        await asyncio.wait_for(talk.over.wait(), WAIT_S)
        assert await asyncio.to_thread(door.gateway.wait) == 0
