"""Networks as ONNX files: the same numbers as PyTorch, in any batch, and stored as small as was asked for."""

import builtins
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import idnb
from idnb.__main__ import main
from idnb.core.errors import InputError
from idnb.export.compare import LIMIT, picture_differences
from idnb.export.networks import Networks, bundled_networks, portable
from idnb.export.onnx_files import OPSET, export_networks, export_one, largest_difference, open_network
from idnb.export.storage import STORAGE, store

onnx = pytest.importorskip("onnx")
KIND = "sketch"
PARTS = ("synthesis", f"identity_{KIND}", f"refine_{KIND}")
ROWS = (0, 301, 602, 903)


@pytest.fixture(scope="module")
def networks() -> Networks:
    every = bundled_networks()
    return Networks(every.generator, {KIND: every.encoders[KIND]}, every.arcface, every.judge, every.parser)


@pytest.fixture(scope="module")
def found(networks: Networks) -> dict[str, Any]:
    return {network.name: network for network in portable(networks, idnb.load_faces("test"), ROWS)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, networks: Networks) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    lines: list[str] = []
    faces = idnb.load_faces("test")
    export_networks(networks, faces, folder, lambda _name: "float16", PARTS, lines.append)
    assert len(lines) == len(PARTS) and all("largest difference" in line for line in lines)
    return folder


def test_the_description_tells_the_truth(folder, networks):
    text = json.loads((folder / "networks.json").read_text(encoding="utf-8"))
    assert set(text["networks"]) == set(PARTS) and list(text["encoders"]) == [KIND]
    assert text["n_styles"] == networks.generator.n_styles and text["image_size"] == networks.generator.size
    for entry in text["networks"].values():
        content = (folder / entry["file"]).read_bytes()
        assert len(content) == entry["bytes"] and hashlib.sha256(content).hexdigest() == entry["sha256"]
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
        assert [(item.domain, item.version) for item in model.opset_import] == [("", OPSET)]
        assert all(shape[0] == "batch" for shape in (*entry["inputs"].values(), *entry["outputs"].values()))


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_files_agree_with_pytorch_in_any_batch(folder, found, name, rows):
    # Bundled weights have 16 bit, so only what the exporter computes from them beforehand is rounded.
    assert largest_difference(found[name], open_network(folder / f"{name}.onnx"), rows) < 2e-3


def test_a_difference_would_be_seen(folder, found, networks):
    other = next(n for n in portable(networks, idnb.load_faces("test"), [5, 6]) if n.name == "synthesis")
    answers = open_network(folder / "synthesis.onnx").run(None, {k: x.numpy() for k, x in other.first(1).items()})
    constant = torch.zeros_like(other.inputs["input_latent"])
    shown = other.module(other.inputs["w_plus"], constant)[:1]
    assert float(np.abs(shown.numpy() - answers[0]).max()) > 0.1


def test_no_picture_changes_visibly(folder, networks):
    change = picture_differences(folder, networks, idnb.load_faces("test"), ROWS)
    assert list(change) == [KIND]
    assert change[KIND]["mean"] < 0.1 and change[KIND]["largest"] < 1


def test_eight_bit_faces_look_the_same(folder, networks, found, tmp_path):
    for name in PARTS[1:]:
        export_one(found[name], tmp_path / f"{name}.onnx", "int8")
        small, before = (where / f"{name}.onnx" for where in (tmp_path, folder))
        assert small.stat().st_size < 0.6 * before.stat().st_size
    (tmp_path / "synthesis.onnx").write_bytes((folder / "synthesis.onnx").read_bytes())
    change = picture_differences(tmp_path, networks, idnb.load_faces("test"), ROWS)[KIND]
    assert 0 < change["mean"] < LIMIT and change["largest"] < 8


@pytest.mark.parametrize("storage", STORAGE)
def test_storage_of_a_layer(storage):
    weight = np.random.default_rng(0).normal(size=(32, 16)).astype(np.float32)
    weight[3] = 0
    nodes = [onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)]
    sizes = (("x", 16), ("y", 32))
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, n]) for name, n in sizes]
    graph = onnx.helper.make_graph(nodes, "layer", info[:1], info[1:], [onnx.numpy_helper.from_array(weight, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=9)
    store(model, storage)
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.ones((1, 16), np.float32)
    worst = float(np.abs(session.run(None, {"x": x})[0] - x @ weight.T).max())
    assert worst < {"float32": 1e-5, "float16": 1e-2, "int8": 0.2}[storage]
    packed = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    assert packed == {"float32": 4 * 512, "float16": 2 * 512, "int8": 512 + 4 * 32}[storage]


def test_command_and_bad_input(tmp_path, capsys, monkeypatch):
    assert main(["export", "onnx", "--out", str(tmp_path / "a"), "--only", "mapping"]) == 0
    assert "mapping.onnx" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["mapping.onnx", "networks.json"]
    assert main(["export", "onnx", "--out", str(tmp_path / "b"), "--only", "maping"]) == 2
    assert "no network is called maping; there are: mapping, synthesis" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
    (tmp_path / "file").write_text("")
    assert main(["export", "onnx", "--out", str(tmp_path / "file")]) == 2
    assert "file: a file; give a folder" in capsys.readouterr().err
    with pytest.raises(InputError, match="--weights 'int4' is unknown"):
        store(None, "int4")
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["export", "onnx", "--out", str(tmp_path / "c")]) == 2
    assert "(onnxruntime is missing): pip install 'idnb[export]'" in capsys.readouterr().err
