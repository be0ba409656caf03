"""What the door must remember of a session, so that each direction can be read by itself."""

from dataclasses import dataclass, field

from ledge.voice.v1 import voice_pb2 as pb


@dataclass
class SessionView:
    """One session's; shared by the task that reads the client and the one that writes to it."""

    told: pb.Session = field(default_factory=pb.Session)
    """As the service told it last."""
    pending: pb.Session = field(default_factory=pb.Session)
    """The same with the changes that were asked for since. OpenAI's clients change a field inside `audio.output`; the
    contract's messages are given whole."""
    wants_ledge: bool = False
    """Whether the client asked for Ledge's own events; some give up at a type they do not know."""
    last_response_id: str = ""
    """Of the conversation's response that was begun last; empty: none was."""

    def settled(self, session: pb.Session) -> None:
        """The service has told how the session stands."""
        self.told.CopyFrom(session)
        self.pending.CopyFrom(session)

    def asked(self, change: pb.Session) -> None:
        """A change is on its way to the service."""
        for field_, _ in change.ListFields():
            self.pending.ClearField(field_.name)
        self.pending.MergeFrom(change)

    def refused(self) -> None:
        """Something was refused: perhaps a change that was taken for granted."""
        self.pending.CopyFrom(self.told)
