"""A bundle for a site without a connection: what was changed is found, and what is right arrives where it belongs."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.deploy.small_bundle import (
    MACHINE,
    MODEL_FILES,
    NAMES,
    airgap,
    write_bundle,
    write_images,
    write_manifest,
    write_models,
    write_tar,
)
from tests.deploy.small_registry import small_registry

ROOT = Path(__file__).parent.parent.parent
OTHER_MACHINE = "arm64" if MACHINE == "amd64" else "amd64"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def images_of(bundle: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((bundle / "manifest.json").read_text())["images"]
    return found


def refused(*arguments: str | Path, **environment: str) -> str:
    done = airgap(*arguments, **environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_whole_bundle_is_found_whole_and_is_left_as_it_was(bundle: Path) -> None:
    before = sorted(path.name for path in bundle.rglob("*"))
    done = airgap("verify", bundle)
    assert done.returncode == 0, done.stderr
    assert f"whole: 2 images, 1 models, {MACHINE}" in done.stdout
    assert sorted(path.name for path in bundle.rglob("*")) == before


@pytest.mark.parametrize("name", ["images/ledge-images.tar", "models/models.tar", "values/values-airgap.yaml"])
def test_a_changed_byte_is_found_in_every_file(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    assert f"{name}: changed" in refused("verify", bundle)


@pytest.mark.parametrize("name", ["images/ledge-images.tar", "models/models.tar"])
def test_a_file_that_was_cut_short_is_told_with_its_bytes(bundle: Path, name: str) -> None:
    whole = (bundle / name).stat().st_size
    os.truncate(bundle / name, whole // 2)
    assert f"{name}: cut short, {whole // 2} of {whole} bytes" in refused("verify", bundle)


def test_everything_that_is_wrong_is_told_at_once(bundle: Path) -> None:
    (bundle / "models" / "models.tar").unlink()
    (bundle / "values" / "values-airgap.yaml").write_text("image: {pullPolicy: Always}")
    (bundle / "charts").mkdir()
    (bundle / "charts" / "slipped-in.tgz").write_bytes(b"")
    told = refused("verify", bundle)
    assert "models/models.tar: missing" in told
    assert "values/values-airgap.yaml: changed" in told
    assert "charts/slipped-in.tgz: not in manifest.json" in told


def test_a_link_is_not_the_file_that_it_leads_to(bundle: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (bundle / "models" / "models.tar").rename(outside)
    (bundle / "models" / "models.tar").symlink_to(outside)
    assert "models/models.tar: a link" in refused("verify", bundle)


def test_a_link_to_a_folder_is_too_much(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (bundle / "more").symlink_to(tmp_path / "elsewhere")
    assert "more: a link, not in manifest.json" in refused("verify", bundle)


def test_an_archive_with_a_damaged_blob_is_found_though_its_sum_is_right(bundle: Path) -> None:
    archive = bundle / "images" / "ledge-images.tar"
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    name = next(name for name, content in members.items() if content.startswith(b"\x1f\x8b"))
    write_tar(archive, members | {name: members[name][:-1] + b"!"})
    write_manifest(bundle, images_of(bundle))
    assert f"{name} is damaged" in refused("verify", bundle)


def test_an_image_that_lacks_a_layer_is_told(bundle: Path) -> None:
    archive = bundle / "images" / "ledge-images.tar"
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    name = next(name for name, content in members.items() if content.startswith(b"\x1f\x8b"))
    del members[name]
    write_tar(archive, members)
    write_manifest(bundle, images_of(bundle))
    assert f"lacks sha256:{name.rpartition('/')[2]}" in refused("verify", bundle)


def test_an_image_that_is_promised_and_not_there_is_told(bundle: Path) -> None:
    write_images(bundle / "images" / "ledge-images.tar", NAMES[:1])
    write_manifest(bundle, images_of(bundle))
    assert f"lacks {NAMES[1]}" in refused("verify", bundle)


def test_images_for_another_machine_than_the_bundle_says_are_told(bundle: Path) -> None:
    digests = write_images(bundle / "images" / "ledge-images.tar", architecture=OTHER_MACHINE)
    write_manifest(bundle, digests)
    assert f"{NAMES[0]} is for linux/{OTHER_MACHINE}, not for linux/{MACHINE}" in refused("verify", bundle)


def test_models_that_are_not_what_their_own_list_says_are_told(bundle: Path) -> None:
    archive = bundle / "models" / "models.tar"
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    write_tar(archive, members | {"tiny/weights.bin": b"w" * len(members["tiny/weights.bin"]), "tiny/more": b""})
    write_manifest(bundle, images_of(bundle))
    told = refused("verify", bundle)
    assert "tiny/weights.bin is damaged" in told
    assert "tiny/more is not in the list" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "ledge-airgap-9"}, "not of the format ledge-airgap-1"),
        ({"files": [{"path": "../etc/passwd", "size_bytes": 1, "sha256": "0" * 64}]}, "not a plain path"),
        ({"files": [{"path": "a", "size_bytes": True, "sha256": "0" * 64}]}, "has no size or sum"),
        ({"models": ["a b; rm -rf /"]}, "a model is called"),
        ({"surprise": 1}, "unknown surprise"),
        ({"images": {"x": "latest"}}, "the digest of x"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(bundle: Path, change: dict[str, object], told: str) -> None:
    document = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(document | change))
    assert told in refused("verify", bundle)


def test_a_folder_whose_making_broke_off_is_no_bundle(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()
    assert "only a part of one" in refused("verify", bundle)


@pytest.mark.parametrize("kind", [["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["ED25519"], ["RSA"]])
def test_a_signature_holds_until_the_manifest_changes_and_only_for_its_key(
    bundle: Path, tmp_path: Path, kind: list[str]
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("OpenSSL's command is not here")
    for name in ("ours", "theirs"):
        key = str(tmp_path / name)
        subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", key], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", f"{key}.pub"], check=True)
    assert "is not signed" in refused("verify", bundle, "--key", tmp_path / "ours.pub")
    assert airgap("sign", bundle, tmp_path / "ours").returncode == 0
    done = airgap("verify", bundle, "--key", tmp_path / "ours.pub")
    assert done.returncode == 0, done.stderr
    assert "was not signed by the owner" in refused("verify", bundle, "--key", tmp_path / "theirs.pub")
    text = (bundle / "manifest.json").read_text()
    (bundle / "manifest.json").write_text(text + "\n")
    assert "or was changed since" in refused("verify", bundle, "--key", tmp_path / "ours.pub")


def test_installing_says_whether_the_signature_was_checked(bundle: Path, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("OpenSSL's command is not here")
    install = ("install", bundle, "--k3s", tmp_path / "k3s", "--only", "images")
    assert "which is not signed" in airgap(*install).stdout
    public = sign_with(tmp_path / "ours", bundle, "ED25519")
    assert "signed, which was NOT checked: say by whom with --key" in airgap(*install).stdout
    assert f"which is signed by the owner of {public}" in airgap(*install, "--key", public).stdout


def sign_with(key: Path, bundle: Path, *kind: str) -> Path:
    """Makes the key; returns its public half."""
    public = key.with_suffix(".pub")
    subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", key], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    done = airgap("sign", bundle, key)
    assert done.returncode == 0, done.stderr
    return public


def plainly_verified(folder: Path) -> bool:
    """By the commands that docs/operate.md gives for `ledge-bundle` and `public.pem`, as they stand there."""
    text = (ROOT / "docs" / "operate.md").read_text()
    (commands,) = [block for block in text.split("```sh\n")[1:] if block.startswith("openssl pkeyutl -verify")]
    script = "set -e -o pipefail\n" + commands.partition("```")[0]
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True).returncode == 0


def test_a_bundle_is_verified_by_plain_tools_as_documented(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("OpenSSL's command is not here")
    bundle = write_bundle(tmp_path / "ledge-bundle")
    assert not plainly_verified(tmp_path), "not signed"
    public = sign_with(tmp_path / "ours", bundle, "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    public.rename(tmp_path / "public.pem")
    assert plainly_verified(tmp_path)
    (bundle / "more.py").touch()
    assert not plainly_verified(tmp_path), "one file too much"
    (bundle / "more.py").unlink()
    assert plainly_verified(tmp_path)
    values = bundle / "values" / "values-airgap.yaml"
    values.write_text(values.read_text() + "#\n")
    assert not plainly_verified(tmp_path), "a file was changed"
    write_manifest(bundle, images_of(bundle))
    assert not plainly_verified(tmp_path), "the manifest was changed to suit"


def test_k3s_finds_the_images_and_the_node_its_models_and_nothing_is_done_twice(bundle: Path, tmp_path: Path) -> None:
    folder, models = tmp_path / "k3s", tmp_path / "models"
    install = ("install", bundle, "--k3s", folder, "--models-dir", models, "--only", "images", "--only", "models")
    done = airgap(*install)
    assert done.returncode == 0, done.stderr
    assert (folder / "ledge-images.tar").read_bytes() == (bundle / "images" / "ledge-images.tar").read_bytes()
    for name, content in MODEL_FILES.items():
        assert (models / name).read_bytes() == content
    assert f"{models}: 2 files written" in done.stdout

    again = airgap(*install)
    assert "is there already" in again.stdout
    assert f"{models}: 0 files written" in again.stdout

    (models / "tiny" / "weights.bin").write_bytes(b"half")
    assert f"{models}: 1 files written" in airgap(*install).stdout
    assert (models / "tiny" / "weights.bin").read_bytes() == MODEL_FILES["tiny/weights.bin"]
    assert not list(models.rglob("*partial*"))


def test_nothing_is_installed_of_a_bundle_that_was_changed(bundle: Path, tmp_path: Path) -> None:
    (bundle / "values" / "values-airgap.yaml").write_text("x")
    refused("install", bundle, "--k3s", tmp_path / "k3s", "--models-dir", tmp_path / "models")
    assert not (tmp_path / "k3s").exists()
    assert not (tmp_path / "models").exists()


def test_a_node_does_not_get_images_for_another_machine(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", OTHER_MACHINE)
    assert airgap("verify", bundle).returncode == 0
    told = refused("install", bundle, "--k3s", tmp_path / "k3s", "--only", "images")
    assert f"the images are for {OTHER_MACHINE} and this machine is {MACHINE}" in told
    assert not (tmp_path / "k3s").exists()


def test_models_that_would_leave_their_folder_are_refused(bundle: Path, tmp_path: Path) -> None:
    write_models(bundle / "models" / "models.tar", {"tiny/../../escaped": b"x"})
    write_manifest(bundle, images_of(bundle))
    told = refused("install", bundle, "--models-dir", tmp_path / "models", "--only", "models")
    assert "would write to" in told
    assert not (tmp_path / "escaped").exists()


def test_a_registry_gets_every_image_and_no_layer_twice(bundle: Path) -> None:
    with small_registry() as registry:
        push = ("install", bundle, "--registry", f"{registry.place}/site", "--plain-http", "--only", "images")
        done = airgap(*push)
        assert done.returncode == 0, done.stderr
        assert sorted(registry.manifests) == ["site/ledge/cli/manifests/1.2.3", "site/ledge/llm/manifests/1.2.3"]
        assert len(registry.uploaded) == len(set(registry.uploaded)) == 5, (
            "a shared layer, two of their own, two configs"
        )
        assert f"{registry.place}/site/ledge/llm:1.2.3: pushed" in done.stdout

        missing = registry.uploaded[0]
        del registry.blobs[missing]
        registry.uploaded.clear()
        assert airgap(*push).returncode == 0
        assert registry.uploaded == [missing], "after an interruption only what lacks is sent"


def test_images_that_were_built_here_are_pushed_without_a_bundle(bundle: Path) -> None:
    images = (bundle / "images" / "ledge-images.tar").rename(bundle.parent / "ledge-images.tar")
    with small_registry() as registry:
        done = airgap("push", images, f"{registry.place}/site", "--plain-http")
        assert done.returncode == 0, done.stderr
        assert sorted(registry.manifests) == ["site/ledge/cli/manifests/1.2.3", "site/ledge/llm/manifests/1.2.3"]
    assert "no-such.tar is no whole archive of images" in refused(
        "push", bundle / "no-such.tar", "registry.example.com/ai"
    )


def test_a_registry_that_asks_who_pushes_is_told(bundle: Path) -> None:
    with small_registry("kiosk:secret") as registry:
        push = ("install", bundle, "--registry", registry.place, "--plain-http", "--only", "images")
        assert "asks who pushes" in refused(*push, LEDGE_REGISTRY_USER="kiosk", LEDGE_REGISTRY_PASSWORD="wrong")
        assert registry.manifests == {}
        done = airgap(*push, LEDGE_REGISTRY_USER="kiosk", LEDGE_REGISTRY_PASSWORD="secret")
        assert done.returncode == 0, done.stderr
        assert len(registry.manifests) == 2


@pytest.mark.parametrize("elsewhere", ["the registry", "who gives the tokens"])
def test_a_password_is_not_sent_by_plain_http_to_another_machine(bundle: Path, elsewhere: str) -> None:
    with small_registry("kiosk:secret") as registry:
        # This machine as well, under an address that is not known to be it.
        other = registry.place.replace("127.0.0.1", "0.0.0.0")
        place = other if elsewhere == "the registry" else registry.place
        registry.realm = f"http://{other}"
        told = refused(
            *("install", bundle, "--registry", place, "--plain-http", "--only", "images"),
            LEDGE_REGISTRY_USER="kiosk",
            LEDGE_REGISTRY_PASSWORD="secret",
        )
        assert f"{other} asks who pushes, and by HTTP whoever is on the way would read the password" in told
        assert registry.told == []


def test_who_gives_tokens_by_tls_is_never_asked_without(bundle: Path) -> None:
    with small_registry("kiosk:secret") as registry:
        registry.realm = f"https://{registry.place}"
        push = ("install", bundle, "--registry", registry.place, "--plain-http", "--only", "images")
        told = refused(*push, LEDGE_REGISTRY_USER="kiosk", LEDGE_REGISTRY_PASSWORD="secret")
        assert "cannot be reached" in told
        assert registry.told == []


def test_a_registry_that_is_not_there_is_named(bundle: Path) -> None:
    told = refused("install", bundle, "--registry", "127.0.0.1:9", "--plain-http", "--only", "images")
    assert "127.0.0.1:9 cannot be reached" in told
