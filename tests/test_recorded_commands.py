"""What `--export` records: every option of a parser, files by name and sha256, and only what one command has made."""

import argparse
import json
import shlex

import pytest
import torch

from idnb.__main__ import build_parser, main
from idnb.cli import export as command
from idnb.cli.arguments import RATE, Listed, Parser, Whole
from idnb.cli.export import a_file, add_export, export_network, kind_and_file, noted, recorded, sets
from idnb.core.errors import InputError
from idnb.core.weights import WeightFile, export_bundled, file_sha256, read_manifest
from tests.test_command_line import OPTIONS
from tests.test_identity_command import write_set

# Options whose value is neither a number, a choice, a file nor a set, and is recorded as it was written.
PLAIN = {"preset", "phases", "weights", "device", "kind", "mode", "features"}


def small_parser() -> Parser:
    parser = Parser(prog="idnb train net")
    parser.add_argument("--data", type=sets, nargs="+", default=["starter"], help="sets")
    parser.add_argument("--out", default="runs/net", help="folder")
    parser.add_argument("--rate", type=RATE, default=0.002, help="rate")
    parser.add_argument("--sizes", type=Listed(Whole(1, 99)), default=None, help="several")
    parser.add_argument("--start", type=kind_and_file, default=None, help="KIND=FILE")
    parser.add_argument("--also", type=a_file, nargs="+", default=[], help="files")
    parser.add_argument("--without", action="store_true", help="a flag")
    parser.add_argument("--minutes", type=RATE, default=None, help="time")
    add_export(parser, "write")
    return parser


def test_what_differs_is_in_the_command_and_what_does_not_beside_it(tmp_path):
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(name.encode())
    words = ["--data", "/far/train", "test", "--out", str(tmp_path), "--sizes", "3,4", "--without", "--minutes", "1"]
    words += ["--start", f"low_res={tmp_path / 'a.pt'}", "--also", str(tmp_path / "b.pt")]
    found = recorded(small_parser().parse_args(words))
    assert found.command == ("idnb train net --data train test --sizes 3,4 --start low_res=a.pt --also b.pt --without")
    assert found.whole.startswith("idnb train net --data train test --rate 0.002 --sizes")
    assert found.defaults == {"--rate": "0.002"}
    assert found.files == {
        "--start a.pt": file_sha256(tmp_path / "a.pt"),
        "--also b.pt": file_sha256(tmp_path / "b.pt"),
    }
    chosen = recorded(small_parser().parse_args(["--rate", "0.0012345678"]), {"sizes": (5, 6), "rate": 3.0})
    assert chosen.command == "idnb train net --rate 0.0012345678"
    assert chosen.defaults == {"--data": "starter", "--sizes": "5,6"}


def test_files_that_cannot_be_recorded_are_named(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.pt").write_text(folder)
    with pytest.raises(InputError, match=r"--start .*none\.pt: no such file"):
        recorded(small_parser().parse_args(["--start", f"low_res={tmp_path / 'none.pt'}"]))
    with pytest.raises(InputError, match=r"--also: two files are called net\.pt; rename one"):
        recorded(small_parser().parse_args(["--also", str(tmp_path / "a" / "net.pt"), str(tmp_path / "b" / "net.pt")]))


def exporting() -> list[argparse.ArgumentParser]:
    """Every parser of the command line with an option --export, by what it is called."""
    found = {}
    for words, action in OPTIONS:
        if action.dest == "export":
            parser = build_parser(words[0])
            for word in words:
                holder = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
                parser = holder.choices[word]
            found[parser.prog] = parser
    return list(found.values())


def another_value(action: argparse.Action, folder) -> list[str]:
    """Words for an option that are not its default."""
    file = folder / "some.pt"
    file.write_bytes(b"1")
    if isinstance(action, argparse._StoreTrueAction):
        return []
    if action.type in (a_file, kind_and_file):
        return [f"sketch={file}" if action.type is kind_and_file else str(file)]
    kind = action.type.each if isinstance(action.type, Listed) else action.type
    if action.choices or not hasattr(kind, "low"):
        return [next(str(one) for one in (action.choices or ["something"]) if one != action.default)]
    value = kind.high if kind.high != action.default else kind.high - 1
    return [f"{value:g}" if isinstance(value, float) else str(value)]


@pytest.mark.parametrize("parser", exporting(), ids=lambda parser: parser.prog)
def test_every_option_of_every_command_is_recorded(parser, tmp_path):
    """Each alone, with the required ones: the recorded words are read as the same value, files and sets by name."""
    every = [a for a in parser._actions if a.option_strings and a.dest not in command.LEFT_OUT]
    assert parser._actions[-1].dest == "export" and len(every) >= 4
    needed = [w for a in every if a.required for w in (a.option_strings[-1], *another_value(a, tmp_path))]
    for action in every:
        if action.type not in (a_file, kind_and_file, sets) and not hasattr(action.type, "each"):
            plain = action.choices is None and action.nargs != 0 and not hasattr(action.type, "low")
            assert not plain or action.dest in PLAIN, f"{action.dest}: a file, a set, or plain words? give it a type"
        value = another_value(action, tmp_path)
        args = parser.parse_args([*needed, action.option_strings[-1], *value])
        found = recorded(args)
        words = shlex.split(found.command)
        told = words[words.index(action.option_strings[-1]) + 1 :][: len(value)]
        if action.type in (a_file, kind_and_file):
            assert told == [value[0].replace(f"{tmp_path}/", "")]
            assert found.files[f"{action.option_strings[-1]} some.pt"] == file_sha256(tmp_path / "some.pt")
        else:
            again = parser.parse_args(words[len(parser.prog.split()) :])
            assert getattr(again, action.dest) == getattr(args, action.dest) != action.default, action.dest


@pytest.mark.parametrize("words", ["--no-pretrained-identity", "--accumulate 4", "--precision bf16", "--generator G"])
def test_an_ablated_encoder_ships_under_a_command_that_says_so(words, tmp_path):
    (tmp_path / "g.pt").write_bytes(b"another generator")
    words = words.replace(" G", f" {tmp_path / 'g.pt'}")
    parser = build_parser("train")
    found = recorded(parser.parse_args(["train", "encoder", "--kind", "sketch", *words.split()]))
    assert found.command == "idnb train encoder --kind sketch " + words.replace(f"{tmp_path}/", "")
    if "--generator" in words:
        assert found.files == {"--generator g.pt": file_sha256(tmp_path / "g.pt")}


def test_a_run_of_two_commands_is_not_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "export_bundled", lambda entry, state: export_bundled(entry, state, tmp_path / "p"))
    (tmp_path / "p").mkdir()
    out, parser, state = tmp_path / "run", small_parser(), {"w": torch.ones(2)}
    first, second = parser.parse_args([]), parser.parse_args(["--without"])

    def entry() -> WeightFile:
        return WeightFile("net", "net.safetensors", "a test", "CC0-1.0", data="none", seed=1)

    with pytest.raises(InputError, match=r"was not trained by this command alone \(nothing\)"):
        export_network(first, out, entry(), state)
    with noted(first, out):
        (out / "checkpoint.pt").write_bytes(b"1")
    with noted(parser.parse_args(["--minutes", "2"]), out):  # how long is no part of it
        pass
    with pytest.raises(InputError, match="another run"), noted(second, out):  # refused: not noted
        raise InputError("checkpoint.pt: belongs to another run")
    export_network(first, out, entry(), state, {"sizes": (1, 2)}, ["arcface_tiny"])
    [written] = read_manifest(tmp_path / "p")
    assert written.command == "idnb train net --export"
    assert written.defaults == {"--data": "starter", "--rate": "0.002", "--sizes": "1,2"}
    assert [*written.made_from] == ["arcface_tiny.safetensors"]
    with noted(second, out):
        (out / "checkpoint.pt").write_bytes(b"22")
    for args in (first, second):
        with pytest.raises(InputError, match=r"not trained by this command alone \(idnb train net; idnb train net --w"):
            export_network(args, out, entry(), state)
    (out / "command.json").unlink()
    with noted(first, out), pytest.raises(InputError, match=r"alone \(a command that was not noted; idnb train net\)"):
        export_network(first, out, entry(), state)
    (out / "command.json").write_text("[]")
    with pytest.raises(InputError, match=r"an object belongs.*choose another --out"), noted(first, out):
        pass
    for name in ("command.json", "checkpoint.pt"):
        (out / name).unlink()
    with noted(first, out):
        (out / "checkpoint.pt").write_bytes(b"1")
    with pytest.raises(InputError, match="no numbers; train again with a lower --learning-rate"):
        export_network(first, out, entry(), {"w": torch.tensor([float("nan")])})


def test_a_run_that_is_not_at_its_end_is_not_exported(tmp_path, monkeypatch, capsys):
    data, assets = write_set(tmp_path / "people", 6), tmp_path / "assets"
    words = ["train", "generator", "--data", str(data), "--out", str(tmp_path / "other")]
    assert main(words) == 2 and "nothing is known of its people; take a set that" in capsys.readouterr().err
    monkeypatch.setattr(command, "export_bundled", lambda entry, state: export_bundled(entry, state, assets))
    words = ["train", "generator", "--people", "3", "--phases", "8:8", "--batch", "4", "--device", "cpu"]
    words += ["--mapping-steps", "2"]
    words += ["--threads", "1", "--out", str(tmp_path / "run"), "--export"]
    assert main([*words, "--minutes", "0"]) == 2
    assert "has seen 4 of 8 images; give the same command until its end" in capsys.readouterr().err
    assert main(words) == 0
    [entry] = read_manifest(assets)
    assert (
        entry.command
        == "idnb train generator --people 3 --phases 8:8 --mapping-steps 2 --batch 4 --device cpu --export"
    )
    assert entry.defaults["--learning-rate"] == "0.004" and entry.metrics["images_shown"] == 8
    noted_before = json.loads((tmp_path / "run" / "command.json").read_text())
    assert len(noted_before["commands"]) == 1
