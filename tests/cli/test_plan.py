"""What a profile and the settings make of a local run, before anything is started."""

from pathlib import Path

import pytest

from services.cli.local.config import ORDER, LocalRunConfig
from services.cli.local.plan import RunPlan, plan_run
from services.cli.local.state import StateDirectory
from services.cli.local.supervisor import configuration
from services.kit.errors import InvalidInput, NotReady
from services.kit.models import ModelStore
from services.kit.profiles import Profile, ServiceProfile


@pytest.fixture
def default_profile() -> Profile:
    """As on a machine that has everything."""
    profile = Profile.load("embedded-cpu", ModelStore.from_environment().catalog)
    complete = {name: service.model_copy(update={"needs": {}}) for name, service in profile.services.items()}
    return profile.model_copy(update={"services": complete})


def plan_with(profile: Profile, **settings: object) -> RunPlan:
    return plan_run(profile, LocalRunConfig.read(**settings))


def test_ports_are_the_documented_ones(default_profile: Profile) -> None:
    plan = plan_with(default_profile)
    addresses = {service.name: service.address for service in plan.services}
    assert addresses == {
        "asr": "127.0.0.1:50101",
        "tts": "127.0.0.1:50102",
        "translation": "127.0.0.1:50103",
        "llm": "127.0.0.1:50104",
        "embedding": "127.0.0.1:50105",
        "retrieval": "127.0.0.1:50106",
        "reranking": "127.0.0.1:50107",
        "rag": "127.0.0.1:50108",
        "voice": "127.0.0.1:50109",
        "gateway": "127.0.0.1:8000",
        "riva": "127.0.0.1:50051",
        "wyoming": "127.0.0.1:10300",
    }
    assert plan.service("llm").ports == (50104, 51104)
    assert plan.service("gateway").ports == (8000,)


def test_every_port_follows_its_setting(default_profile: Profile) -> None:
    plan = plan_with(default_profile, port_base=20000, gateway_port=20500)
    assert plan.service("rag").address == f"127.0.0.1:{20000 + ORDER.index('rag')}"
    assert plan.service("gateway").ports == (20500,)
    assert plan.service("riva").ports == (20000 + len(ORDER), 21000 + len(ORDER)), (
        "beside another run, not on its ports"
    )
    assert plan_with(default_profile, port_base=20000, riva_port=4000).service("riva").ports == (4000, 5000)
    taken = [port for service in plan.services for port in service.ports]
    assert len(taken) == len(set(taken))


def test_services_are_told_where_the_others_are(default_profile: Profile) -> None:
    environment = plan_with(default_profile, port_base=20000).service("rag").environment
    assert environment["LEDGE_EMBEDDING_ADDRESS"] == "127.0.0.1:20004"
    assert environment["LEDGE_RETRIEVAL_ADDRESS"] == "127.0.0.1:20005"
    assert "LEDGE_RAG_ADDRESS" not in environment


def test_a_profile_with_two_models_has_its_services_ask_both_as_one(default_profile: Profile) -> None:
    budget = default_profile.services["rag"].budget
    hybrid = ServiceProfile(budget=budget, env={"LEDGE_MODE": "guide", "LEDGE_BIG_ADDRESS": "big.example:443"})
    profile = default_profile.model_copy(update={"services": {**default_profile.services, "hybrid": hybrid}})
    plan = plan_with(profile)
    assert plan.service("hybrid").address == "127.0.0.1:50110"
    assert plan.service("hybrid").environment["LEDGE_LLM_ADDRESS"] == "127.0.0.1:50104"
    for caller in ("rag", "gateway"):
        assert plan.service(caller).environment["LEDGE_LLM_ADDRESS"] == "127.0.0.1:50110"
    assert plan_with(default_profile).service("rag").environment["LEDGE_LLM_ADDRESS"] == "127.0.0.1:50104"


def test_a_service_that_listens_everywhere_is_called_over_loopback(default_profile: Profile) -> None:
    service = plan_with(default_profile, host="0.0.0.0").service("llm")
    assert service.environment["LEDGE_HOST"] == "0.0.0.0"
    assert service.address == "127.0.0.1:50104"


@pytest.mark.parametrize(
    ("host", "exposed"), [("127.0.0.1", False), ("127.0.0.2", False), ("[::1]", False), ("0.0.0.0", True), ("::", True)]
)
def test_only_loopback_is_not_exposed(host: str, exposed: bool) -> None:
    assert LocalRunConfig.read(host=host).is_exposed is exposed


def test_engine_model_and_environment_come_from_the_profile(default_profile: Profile) -> None:
    plan = plan_with(default_profile)
    for name, service in default_profile.services.items():
        environment = plan.service(name).environment
        assert environment.get("LEDGE_ENGINE") == service.engine
        assert environment.get("LEDGE_MODEL") == service.model
        assert service.env.items() <= environment.items()


def test_what_the_machine_lacks_is_left_out_and_told(default_profile: Profile) -> None:
    tts = default_profile.services["tts"].model_copy(
        update={"needs": {"sh": "dash", "no-such-program": "speech", "/no/such/file": "voices", "/no/other": "voices"}}
    )
    profile = default_profile.model_copy(update={"services": {**default_profile.services, "tts": tts}})
    plan = plan_with(profile)
    assert [(absent.name, absent.packages) for absent in plan.left_out] == [("tts", ("speech", "voices"))]
    assert {service.name for service in plan.services} == set(profile.services) - {"tts"}
    with pytest.raises(NotReady, match="apt-get install speech voices"):
        plan.service("tts")


def test_the_same_plan_has_the_same_fingerprint(default_profile: Profile) -> None:
    assert plan_with(default_profile).fingerprint == plan_with(default_profile).fingerprint
    assert plan_with(default_profile).fingerprint != plan_with(default_profile, port_base=20000).fingerprint


def test_what_the_supervisors_file_cannot_hold_is_refused(default_profile: Profile, tmp_path: Path) -> None:
    plan = plan_with(default_profile, data_dir=tmp_path / "a ;b")
    with pytest.raises(InvalidInput, match="cannot hold"):
        configuration(plan, StateDirectory(tmp_path))


def test_state_lies_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGE_STATE_DIR", str(tmp_path))
    config = LocalRunConfig.read()
    assert config.state_dir == tmp_path


def test_without_a_word_state_lies_in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEDGE_STATE_DIR", raising=False)
    assert LocalRunConfig.read().state_dir == Path(__file__).parent.parent.parent / ".ledge"


@pytest.mark.parametrize("settings", [{"port_base": 80}, {"port_base": 65000}, {"gateway_port": 0}])
def test_ports_out_of_range_are_told_by_their_variable(settings: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match=f"LEDGE_{next(iter(settings)).upper()}"):
        LocalRunConfig.read(**settings)
