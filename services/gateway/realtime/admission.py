"""Who may open a session: told from the request alone, before the connection is upgraded."""

from collections.abc import Collection
from dataclasses import dataclass

from ledge.voice.v1 import voice_pb2 as pb
from starlette.requests import HTTPConnection

from services.gateway.origins import NOT_LET_IN
from services.gateway.realtime.client_secrets import PREFIX, ClientSecrets
from services.gateway.realtime.names import TRANSCRIBERS, Names
from services.kit.auth import Keys
from services.kit.errors import InvalidInput, LedgeError

KEY_PROTOCOL = "openai-insecure-api-key."
"""Before a key among the subprotocols: pages in a browser can send no header of their own."""
PROTOCOL = "realtime"


class OriginRefused(LedgeError):
    """A page that is not let in."""

    http = 403
    reason = "ORIGIN"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A session that may begin."""

    tenant: str
    session: pb.Session
    """What it begins with."""
    wants_ledge: bool


class Admission:
    """Shared by all sessions of a gateway."""

    def __init__(self, keys: Keys, secrets: ClientSecrets, origins: Collection[str], names: Names) -> None:
        self._keys = keys
        self._secrets = secrets
        self._origins = origins
        self._names = names

    def admit(self, request: HTTPConnection, protocols: Collection[str]) -> Admitted:
        """What a request may open.

        Args:
            protocols: the subprotocols that the client offers.

        Raises:
            OriginRefused: it comes from a page of elsewhere.
            Unauthenticated: it shows no key, or not an accepted one.
            InvalidInput: it asks for what there is not.
        """
        self._check_origin(request)
        key = next((one.removeprefix(KEY_PROTOCOL) for one in protocols if one.startswith(KEY_PROTOCOL)), "")
        authorization = request.headers.get("authorization") or (f"Bearer {key}" if key else "")
        scheme, _, shown = authorization.partition(" ")
        asked = self._asked(request)
        if scheme.lower() == "bearer" and shown.startswith(PREFIX):
            opened = self._secrets.open(shown.strip())
            # What the secret was made with stands; the address may add to it.
            asked.MergeFrom(opened.session)
            if asked.kind == pb.Session.TRANSCRIPTION:
                asked.ClearField("model")
            # Where there are no keys, anybody can sign a secret, and there are no tenants.
            return Admitted(opened.tenant if self._keys.wanted else "", asked, opened.wants_ledge)
        return Admitted(self._keys.tenant(authorization), asked, wants_ledge=False)

    def _asked(self, request: HTTPConnection) -> pb.Session:
        """The session that the address asks for."""
        query = request.query_params
        if "call_id" in query:
            raise InvalidInput("there are no calls to join: this door speaks WebSocket alone")
        model = query.get("model", "")
        if query.get("intent", "") == "transcription" or model in TRANSCRIBERS:
            return pb.Session(kind=pb.Session.TRANSCRIPTION)
        return pb.Session(kind=pb.Session.CONVERSATION, model=self._names.talker(model) or None)

    def _check_origin(self, request: HTTPConnection) -> None:
        """The scheme is left out: behind an ingress that speaks TLS the page has another than the gateway."""
        origin = request.headers.get("origin", "")
        own = origin.partition("://")[2] == request.headers.get("host", "")
        if origin and not own and origin not in self._origins:
            raise OriginRefused(NOT_LET_IN)
