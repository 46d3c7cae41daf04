"""What the machine is said to be, and what the doctor says of it."""

import json
from hashlib import sha256

import pytest
import torch

from idnb import doctor, env
from idnb.__main__ import main
from idnb.errors import InputError


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


def face_set(folder, name, digest):
    (folder / name).mkdir(parents=True)
    (folder / name / "people.csv.gz").write_bytes(b"people")
    card = {"sha256": {"people.csv.gz": digest}}
    (folder / name / "card.json").write_text(json.dumps(card), encoding="utf-8")


def test_doctor_verifies_faces(tmp_path):
    face_set(tmp_path, "starter", sha256(b"people").hexdigest())
    face_set(tmp_path, "test", "0" * 64)
    starter, test, train = doctor.check_faces(tmp_path)
    assert (starter.state, test.state, train.state) == ("ok", "broken", "missing")
    assert "people.csv.gz" in test.what and test.remedy
    assert [finding.state for finding in doctor.check_faces(tmp_path, checksums=False)][:2] == ["ok", "ok"]


def test_doctor_names_missing_faces(tmp_path):
    findings = list(doctor.check_faces(tmp_path))
    assert [finding.state for finding in findings] == ["broken", "broken", "missing"]
    assert all(finding.remedy for finding in findings)


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
