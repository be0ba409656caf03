"""What a client may send in a session, checked and done. A mistake raises Fault, and then nothing has changed."""

import asyncio
import json
from typing import Any

import grpc
from ledge.asr.v1 import asr_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.kit.errors import LedgeError
from services.voice.answering.answers import Answers
from services.voice.config import VoiceConfig
from services.voice.conversing.floor import Floor
from services.voice.conversing.output_items import new_id
from services.voice.conversing.reply import Reply
from services.voice.conversing.settings import check_tools, later_settings, rules_of
from services.voice.conversing.surroundings import Listeners, Surroundings, Wanted
from services.voice.faults import Fault, told
from services.voice.hearing.ears import Hearing
from services.voice.turns import inputs as on

MAX_AUDIO_BYTES = 2**20
LEAST_AUDIO_MS = 100
MAX_TEXT_CHARACTERS = 100_000
MAX_METADATA, MAX_METADATA_CHARACTERS = 16, 512
MAX_INPUT_ITEMS = 256
MAX_OUT_OF_BAND = 4
"""Responses beside the conversation, at a time."""


class ClientEvents:
    """Belongs to one session; used by the task that reads."""

    def __init__(
        self, floor: Floor, hearing: Hearing, around: Surroundings, answers: Answers, config: VoiceConfig
    ) -> None:
        self._floor = floor
        self._answers = answers
        self._hearing = hearing
        self._around = around
        self._config = config
        self._beside: dict[str, Reply] = {}
        self.session_id = ""

    async def take(self, request: pb.ConverseRequest) -> None:
        """Raises Fault. What other services must be asked is asked before the lock is taken: the answer goes on."""
        floor = self._floor
        match request.WhichOneof("event"):
            case "audio":
                await self._hear(request.audio)
            case "create_item":
                item = await self._readable(request.create_item.item)
                async with floor.lock:
                    await self._create_item(item, request.create_item)
            case "session":
                await self._change_session(request.session)
            case "create_response":
                await self._create_response(request.create_response)
            case "commit_audio":
                await self._commit_audio()
            case "clear_audio":
                await floor.words_are_there()
                async with floor.lock:
                    # Whoever hears may be within a step of the machine, which is not to be broken off.
                    await self._hearing.forget()
                    await floor.happens(on.TurnLost())
                    floor.turns.forget_audio()
                    await self._tell(pb.ConverseResponse(audio_cleared=pb.AudioCleared()))
            case event:
                async with floor.lock:
                    await self._take(event, request)

    def hurry(self) -> None:
        """The client sends nothing any more, and so does not interrupt."""
        self._floor.hurry()

    async def aclose(self) -> None:
        await asyncio.gather(*(reply.aclose() for reply in self._beside.values()), return_exceptions=True)

    async def _take(self, event: Any, request: pb.ConverseRequest) -> None:
        floor, conversation = self._floor, self._around.conversation
        match event:
            case "delete_item":
                item_id = request.delete_item.item_id
                conversation.delete(item_id)
                await self._tell(pb.ConverseResponse(item_deleted=pb.ItemDeleted(item_id=item_id)))
            case "retrieve_item":
                await self._tell(pb.ConverseResponse(item_retrieved=conversation.get(request.retrieve_item.item_id)))
            case "truncate_item":
                await self._truncate(request.truncate_item)
            case "cancel_response":
                await self._cancel(request.cancel_response.response_id)
            case "clear_output":
                await self._clear_output()
            case "playback":
                playback = request.playback
                if (reply := floor.reply_with(playback.item_id)) is not None and playback.item_id:
                    reply.report(playback.played_ms, playback.ended)
            case _:
                raise Fault("invalid_event", "the event is empty, or not one that this service knows")

    async def _hear(self, audio: bytes) -> None:
        if len(audio) > MAX_AUDIO_BYTES:
            raise Fault("invalid_value", f"{len(audio)} bytes of audio; an event takes {MAX_AUDIO_BYTES}", "audio")
        await self._hearing.feed(audio)

    async def _commit_audio(self) -> None:
        buffered_ms = self._floor.turns.buffered_ms
        if buffered_ms < LEAST_AUDIO_MS:
            raise Fault(
                "input_audio_buffer_commit_empty",
                f"the buffer holds {buffered_ms:.0f} ms of audio; a turn has {LEAST_AUDIO_MS} at least",
            )
        await self._floor.words_are_there()
        async with self._floor.lock:
            await self._floor.happens(on.TurnEnded())
        await self._hearing.end()

    async def _change_session(self, asked: pb.Session) -> None:
        floor = self._floor
        settings = later_settings(floor.settings, asked, audio_waits=floor.turns.buffered_ms > 0)
        await self._answers.check_hotwords(settings)
        if settings.speaking.voice != floor.settings.speaking.voice:
            await self._answers.check_voice(settings)
        async with floor.lock:
            floor.settings = settings
            if await self._hearing.change(settings):
                await floor.happens(on.TurnLost())
            await floor.happens(on.RulesChanged(rules_of(settings, self._config)))
            state = pb.SessionState(id=self.session_id, session=settings)
            await self._tell(pb.ConverseResponse(session_updated=state))

    async def _readable(self, given: pb.Item) -> pb.Item:
        """A checked copy, in which audio has become its transcript."""
        item = pb.Item(id=given.id or new_id("item"), status=pb.Item.COMPLETED)
        match given.WhichOneof("kind"):
            case "message":
                if given.message.role not in (pb.Item.SYSTEM, pb.Item.USER, pb.Item.ASSISTANT):
                    raise Fault("invalid_value", "a message has the role SYSTEM, USER or ASSISTANT", "item.role")
                if not given.message.content:
                    raise Fault("invalid_value", "a message has content", "item.content")
                item.message.CopyFrom(given.message)
                for content in item.message.content:
                    if content.audio:
                        text = await self._transcribed(content.audio)
                        content.CopyFrom(pb.Content(input_audio_transcript=text))
            case "function_call":
                item.function_call.CopyFrom(given.function_call)
                _check_json(given.function_call.arguments_json)
            case "function_call_output":
                item.function_call_output.CopyFrom(given.function_call_output)
            case _:
                raise Fault("invalid_value", "an item is a message, a function call or the output of one", "item")
        if item.ByteSize() > MAX_TEXT_CHARACTERS:
            raise Fault("invalid_value", f"an item takes {MAX_TEXT_CHARACTERS} bytes of text", "item")
        return item

    async def _transcribed(self, audio: bytes) -> str:
        settings = self._floor.settings
        request = asr_pb2.TranscribeRequest(
            audio=audio,
            raw=settings.input_format,
            recognition=asr_pb2.Recognition(model=settings.transcription.model, language=settings.language),
        )
        try:
            return str((await self._around.peers.asr.Transcribe(request)).text)
        except (grpc.aio.AioRpcError, LedgeError) as error:
            failure = told(error)
            raise Fault(failure.code, failure.message, "item.content.audio") from error

    async def _create_item(self, item: pb.Item, request: pb.CreateItem) -> None:
        conversation = self._around.conversation
        after = request.previous_item_id if request.HasField("previous_item_id") else None
        if item.WhichOneof("kind") == "function_call_output":
            call_id = item.function_call_output.call_id
            if not any(known.function_call.call_id == call_id for known in conversation.items() if call_id):
                raise Fault("item_not_found", "no function call has this call_id", "item.call_id")
        previous = conversation.add(item, after or None)
        await self._tell(pb.ConverseResponse(item_added=pb.ItemAdded(previous_item_id=previous, item=item)))
        await self._tell(pb.ConverseResponse(item_done=pb.ItemAdded(previous_item_id=previous, item=item)))
        for dropped in conversation.crowded_out():
            await self._tell(pb.ConverseResponse(item_deleted=pb.ItemDeleted(item_id=dropped)))

    async def _truncate(self, request: pb.TruncateItem) -> None:
        conversation, floor = self._around.conversation, self._floor
        conversation.get(request.item_id)
        reply = floor.reply_with(request.item_id)
        if reply is not None and floor.machine.is_heard:
            # The client has stopped playing it: there is nothing to go on with.
            reply.report(request.audio_end_ms, ended=False)
            await floor.stop()
        conversation.truncate(request.item_id, request.content_index, request.audio_end_ms)
        truncated = pb.ItemTruncated(
            item_id=request.item_id, content_index=request.content_index, audio_end_ms=request.audio_end_ms
        )
        await self._tell(pb.ConverseResponse(item_truncated=truncated))

    async def _create_response(self, request: pb.CreateResponse) -> None:
        if self._floor.settings.kind == pb.Session.TRANSCRIPTION:
            raise Fault("invalid_event", "a session that transcribes gives no responses")
        wanted = Wanted(request, self._settings_of(request))
        if request.HasField("voice"):
            await self._answers.check_voice(wanted.settings, "response.voice")
        if len(request.input) > MAX_INPUT_ITEMS:
            raise Fault("invalid_value", f"at most {MAX_INPUT_ITEMS} items of input", "response.input")
        items = [await self._input_item(item) for item in request.input] if _has_input(request) else None
        async with self._floor.lock:
            if request.out_of_band:
                await self._begin_beside(wanted, items)
            else:
                await self._floor.want(Wanted(request, wanted.settings, items))

    def _settings_of(self, request: pb.CreateResponse) -> pb.Session:
        settings = pb.Session()
        settings.CopyFrom(self._floor.settings)
        if request.HasField("instructions"):
            settings.instructions = request.instructions
        if request.HasField("speak"):
            settings.speak = request.speak
        if request.HasField("tools"):
            settings.tools.CopyFrom(request.tools)
        if request.HasField("tool_choice"):
            settings.tool_choice.CopyFrom(request.tool_choice)
        if request.HasField("max_output_tokens"):
            settings.max_output_tokens = request.max_output_tokens
        if request.HasField("voice"):
            settings.speaking.voice = request.voice
        check_tools(settings.tools, settings.tool_choice, "response.")
        if len(request.metadata) > MAX_METADATA:
            raise Fault("invalid_value", f"at most {MAX_METADATA} entries of metadata", "response.metadata")
        if any(len(key) + len(value) > MAX_METADATA_CHARACTERS for key, value in request.metadata.items()):
            raise Fault("invalid_value", "an entry of the metadata is too long", "response.metadata")
        return settings

    async def _input_item(self, given: pb.Item) -> pb.Item:
        if given.id and given.WhichOneof("kind") is None:
            return self._around.conversation.get(given.id)
        return await self._readable(given)

    async def _begin_beside(self, wanted: Wanted, items: list[pb.Item] | None) -> None:
        """A response that is not part of the conversation, beside whatever goes on there."""
        if len(self._beside) >= MAX_OUT_OF_BAND:
            raise Fault("conversation_already_has_active_response", f"{MAX_OUT_OF_BAND} such responses are under way")
        key = new_id("beside")

        async def nothing() -> None:
            """Nobody waits for it to be heard."""

        async def ended(_plays_on: bool) -> None:
            async with self._floor.lock:
                reply = self._beside.pop(key, None)
                if reply is not None:
                    await reply.conclude()
                    await reply.aclose()

        listeners = Listeners(audio_began=nothing, ended=ended, played_out=nothing)
        known = list(self._around.conversation.items()) if items is None else items
        reply = self._floor.reply(wanted, known, "", listeners)
        self._beside[key] = reply
        await reply.release()

    async def _cancel(self, response_id: str) -> None:
        for key, reply in self._beside.items():
            if response_id and reply.response.id == response_id:
                del self._beside[key]
                await reply.cut("client_cancelled")
                return
        if response_id and self._floor.reply_to(response_id) is None:
            raise Fault("response_cancel_not_active", "no response with this id is under way", "response_id")
        await self._floor.happens(on.ResponseUnwanted())

    async def _clear_output(self) -> None:
        if self._floor.machine.is_heard:
            await self._floor.happens(on.ResponseUnwanted())
        await self._tell(pb.ConverseResponse(output_cleared=pb.OutputCleared()))

    async def _tell(self, event: pb.ConverseResponse) -> None:
        await self._around.outbox.put(event)


def _has_input(request: pb.CreateResponse) -> bool:
    return bool(request.input) or request.has_input


def _check_json(text: str) -> None:
    try:
        json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise Fault("invalid_value", "arguments are JSON text", "item.arguments") from error
