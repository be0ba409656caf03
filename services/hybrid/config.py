"""Settings of the hybrid service."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from services.kit.config import ServiceConfig, env


class HybridConfig(ServiceConfig):
    """Settings of the hybrid service."""

    little_address: str = Field("127.0.0.1:50104", validation_alias=env("LITTLE_ADDRESS", "LEDGE_LLM_ADDRESS"))
    """Where the little model's llm service listens: `host:port`, or any gRPC target. Nothing that it is sent leaves the
    site, as far as this service is concerned."""
    big_address: str | None = None
    """Where the big model's llm service listens; its engine may be any, `openai` for a server elsewhere among them.
    Absent: the little model answers everything."""
    big_api_key: SecretStr | None = None
    """The key shown to it. Absent: `peer_api_key`."""
    big_tls_ca_file: Path | None = None
    """Certificate authorities (PEM) of the big model's service. Absent: `tls_ca_file`."""
    big_first_token_s: float = Field(20.0, gt=0, le=3600)
    """How long the big model may take to its first words before the little one answers, in seconds."""
    call_timeout_s: float = Field(3600.0, gt=0, le=3600)
    """Longest that an answer of either model may take where the caller allows more, in seconds."""
    model: str = "ledge-hybrid"
    """The name that both models go by together. A request may also name one of the two by its own id."""

    mode: Literal["local", "cloud", "route", "cascade", "guide", "bild"] = "local"
    """What is done with requests that do not say: see docs/hybrid.md."""
    local_only: bool = False
    """Nothing goes to the big model, whatever requests say."""
    cloud_calls: int | None = Field(None, ge=0)
    """Calls of the big model that each tenant may cause in a window. Absent: no bound."""
    cloud_tokens: int | None = Field(None, ge=0)
    """Tokens of the big model, prompts and answers together, for each tenant in a window. Absent: no bound."""
    budget_window_s: float = Field(86_400, gt=0, le=366 * 86_400)
    """Length of the window, in seconds. The first begins when the service starts; nothing is kept over a restart."""
    tenants_file: Path | None = None
    """Mode, label and budget of single tenants, in YAML; see services/hybrid/tenants.py."""
    big_max_tokens: int = Field(1024, ge=1, le=1_000_000)
    """Longest answer of the big model where the request sets none, in tokens: what a call may spend must be known
    before it is made."""

    router_file: Path | None = None
    """How `route` scores a question, in JSON; see services/hybrid/router.py. Absent: by its length, which is little to
    go by."""
    route_threshold: float | None = None
    """The score from which on the big model answers. Absent: that of the router's file."""
    cascade_threshold: float = Field(-0.7, le=0)
    """Mean log-probability of an answer's tokens below which `cascade` asks the big model."""
    guide_tokens: int = Field(24, ge=1, le=4096)
    """Tokens that the big model writes in `guide`."""
    bild_fallback: float = Field(0.6, ge=0, le=1)
    """In `bild`, the little model hands over where its best token is less probable than this."""
    bild_rollback: float = Field(2.0, ge=0)
    """In `bild`, a drafted token is replaced where its −log p under the big model exceeds this and another is more
    probable. 0: the answer is the big model's own greedy one."""
    bild_draft_tokens: int = Field(10, ge=1, le=64)
    """Most tokens drafted before the big model is asked."""
    bild_keep: bool = False
    """Go on with `bild` where it is slower than the big model alone, for measuring. Off: it switches itself off."""
