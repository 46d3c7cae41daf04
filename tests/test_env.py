"""What the machine is said to be, and what the doctor says of it."""

import json

import pytest
import torch

from idnb import env
from idnb.__main__ import main
from idnb.cli import doctor
from idnb.core.errors import InputError


def test_report_is_short_and_names_versions_and_device(capsys):
    env.report()
    text = capsys.readouterr().out
    assert 2 <= text.count("\n") <= 3
    assert f"torch {env.package_version('torch')}" in text and "Device: " in text


def test_report_without_torch(monkeypatch):
    monkeypatch.setattr("idnb.env.find_spec", lambda name: None)
    with pytest.raises(InputError, match="PyTorch is not installed: see 'Install' in the README"):
        env.report()


def test_report_on_colab_names_the_menu(monkeypatch, capsys):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    monkeypatch.setattr("idnb.env.pick_device", lambda: torch.device("cpu"))
    env.report()
    assert "Runtime > Change runtime type" in capsys.readouterr().out


def test_device_that_is_there():
    assert env.pick_device("cpu") == torch.device("cpu")
    assert env.pick_device().type in ("cpu", "cuda", "mps")


def test_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"device 'cuda' is not available on this machine, which has: .*cpu"):
        env.pick_device("cuda")


def test_word_that_is_no_device():
    with pytest.raises(InputError, match="device 'gpu' is not a torch device: use 'cpu', 'cuda' or 'mps'"):
        env.pick_device("gpu")


def test_core_count_and_bf16_are_plain_values():
    assert env.core_count() >= 1
    assert env.fast_bf16("cpu") in (True, False)
    assert env.package_version("no-such-package") is None


@pytest.mark.parametrize("text, numbers", [("2.14.1+cpu", (2, 14, 1)), ("2.0", (2,)), ("0.1rc1", (0, 1)), ("", ())])
def test_numbers_of_a_version(text, numbers):
    assert doctor._numbers(text) == numbers


def test_doctor_compares_packages_with_the_bounds(monkeypatch):
    requires = ["torch>=2.9", "facenet-pytorch==2.5.3", "lpips>=0.1.4", 'anny>=0.6; extra == "render"']
    requires.append('ruff>=0.8; extra == "dev"')
    installed = {"torch": "2.3.1", "facenet-pytorch": "2.6.0", "lpips": "0.1.4"}
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: requires)
    monkeypatch.setattr(doctor, "package_version", installed.get)
    findings = list(doctor.check_packages())
    assert [finding.state for finding in findings] == ["broken", "broken", "ok", "missing"]
    assert findings[0].what == "torch 2.3.1 is older than 2.9" and 'pip install "torch>=2.9"' in findings[0].remedy
    assert "--no-deps" in findings[1].remedy
    assert findings[3].remedy == 'pip install "idnb[render]"'


@pytest.fixture
def face_sets(tmp_path):
    from idnb.faces.set_files import set_checksum

    for name in ("starter", "test"):
        folder = tmp_path / name
        for inner in ("images", "labels"):
            (folder / inner).mkdir(parents=True)
        (folder / "people.csv.gz").write_bytes(b"people")
        (folder / "images" / "00000.webp").write_bytes(b"a strip")
        card = {"identities": 1, "shots": 4, "size": 128, "sha256": set_checksum(folder)}
        (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return tmp_path


def test_doctor_verifies_faces(face_sets):
    assert [finding.state for finding in doctor.check_faces(face_sets)] == ["ok", "ok"]
    (face_sets / "test" / "images" / "00000.webp").write_bytes(b"another strip")
    (face_sets / "starter" / "people.csv.gz").unlink()
    findings = list(doctor.check_faces(face_sets))
    assert [finding.state for finding in findings] == ["broken", "broken"]
    assert all("files are missing or changed" in finding.what and finding.remedy for finding in findings)
    assert [finding.state for finding in doctor.check_faces(face_sets, checksums=False)] == ["ok", "ok"]


def test_doctor_names_missing_and_damaged_faces(face_sets):
    (face_sets / "starter" / "card.json").unlink()
    (face_sets / "test" / "card.json").write_text("{", encoding="utf-8")
    starter, test = doctor.check_faces(face_sets)
    assert starter.state == test.state == "broken"
    assert "are not in" in starter.what and "card.json is damaged" in test.what


@pytest.mark.parametrize(
    "state, code, last", [("ok", 0, "is there."), ("missing", 0, "is there."), ("broken", 1, "1 to")]
)
def test_doctor_exit_code(monkeypatch, capsys, state, code, last):
    finding = doctor.Finding(state, "a thing", "" if state == "ok" else "a command")
    monkeypatch.setattr(doctor, "check_machine", lambda: [finding])
    for name in ("check_packages", "check_weights", "check_faces"):
        monkeypatch.setattr(doctor, name, lambda *args: [])
    assert main(["doctor"]) == code
    text = capsys.readouterr().out
    assert "a thing" in text and last in text and ("-> a command" in text) == (state != "ok")


def test_doctor_runs_here(capsys):
    assert main(["doctor", "--no-checksums"]) in (0, 1)
    text = capsys.readouterr().out
    assert all(title in text for title in ("This machine", "Packages", "Weights", "Bundled faces"))


def test_doctor_survives_a_broken_installation(monkeypatch, capsys):
    def fail(*args):
        raise OSError("libcudart.so: cannot open")
        yield

    for name in ("check_machine", "check_packages", "check_weights", "check_faces"):
        monkeypatch.setattr(doctor, name, fail)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.count("this check itself failed: OSError: libcudart.so") == 4


def test_every_loader_names_a_device_that_is_not_there(monkeypatch):
    from idnb.evaluation.features import feature_network
    from idnb.models.attribute_regressor import load_attribute_regressor
    from idnb.models.encoder_files import load_encoder
    from idnb.models.face_parser import load_face_parser
    from idnb.models.identity_files import load_identity_network
    from idnb.models.stylegan2_files import load_generator

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    loaders = [load_generator, load_encoder, load_identity_network, load_face_parser, load_attribute_regressor]
    for load in [*loaders, lambda device: feature_network("identity", device=device)]:
        for device in ("cuda", torch.device("cuda:1")):
            with pytest.raises(InputError, match=r"device 'cuda(:1)?' is not available on this machine, which has"):
                load(device=device)
        for word in ("gpu", 1.5):
            with pytest.raises(InputError, match="is not a torch device: use 'cpu', 'cuda' or 'mps'"):
                load(device=word)


def test_a_graphics_card_too_far(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert env.pick_device("cuda:1").index == 1
    with pytest.raises(InputError, match="'cuda:2' is not available on this machine, whose last one is cuda:1"):
        env.pick_device("cuda:2")
