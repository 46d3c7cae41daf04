"""Files of tensors: what is refused before memory is asked for, numbers that are none, bytes that come again."""

import os
import pickle
import stat
import subprocess
import sys
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from idnb.core.checkpoints import counter, load_optimizer, read_run, save_run, taking_up
from idnb.core.errors import InputError
from idnb.core.tensor_files import (
    check_numbers,
    find_fault,
    load_strictly,
    read_content,
    read_tensors,
    without_wrapper,
    write_tensors,
)


def refused(path, words, read=read_content):
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_file_is_known_by_its_content_not_by_its_suffix(tmp_path):
    state = {"weight": torch.randn(3, 4), "half": torch.randn(2).half()}
    torch.save(state, tmp_path / "a.pth")
    torch.save(state, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "b.pt")
    for name in ("a.pth", "old.bin", "b.pt"):
        back = read_tensors(tmp_path / name)
        assert torch.equal(back["weight"], state["weight"]) and back["half"].dtype == torch.float32


def test_what_is_read_outlives_its_file(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.arange(50_000.0)}, path)
    state = read_content(path)
    with path.open("r+b") as file:
        file.truncate(10)  # a mapped file would end the process here
    assert torch.equal(state["w"], torch.arange(50_000.0))


def test_archives_that_unpack_to_more_than_they_are(tmp_path):
    plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
    torch.save({"w": torch.zeros(2_000_000)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    assert packed.stat().st_size < 50_000
    refused(packed, r"an archive of 0\.0 MB that unpacks to 8\.0 MB")


def test_archives_that_are_cut_off_or_changed(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.randn(1000)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    refused(path, "truncated")
    place = 2000  # among the numbers
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    refused(path, "truncated or damaged")
    path.write_bytes(whole + b"more")
    refused(path, "truncated or damaged")


def test_tensors_larger_than_their_bytes(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"w": torch.zeros(1).expand(2_000_000_000)}, path)  # stride 0: 8 GB out of four bytes
    refused(path, r"w would be larger \(8,000\.0 MB\) than what the file holds")
    many = torch.zeros(1000)
    torch.save({str(i): many for i in range(100)} | {f"view{i}": many[:] for i in range(100)}, path)
    refused(path, "would be larger")
    torch.save({"w": torch.zeros(3, 3).to_sparse()}, path)
    refused(path, "is no plain tensor")
    torch.save({"w": torch.empty(3, device="meta")}, path)
    refused(path, "is no plain tensor")
    tied = torch.randn(1000)
    torch.save({"a": tied, "b": tied.view(10, 100)}, path)  # two names for one weight are usual
    assert torch.equal(read_content(path)["b"].flatten(), tied)


def test_sizes_that_no_bytes_stand_behind(tmp_path):
    """Files whose table says more numbers than are stored; nothing may be read beyond the file."""
    path, small = tmp_path / "a.pt", tmp_path / "small.pt"
    torch.save({"w": torch.zeros(300)}, small)
    for numbers in (10**7, 10**10, 10**15):
        with zipfile.ZipFile(small) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
            for entry in source.infolist():
                content = source.read(entry)
                if entry.filename.endswith("data.pkl"):
                    big = pickle.dumps(numbers, 2)[2:-1]
                    content = content.replace(b"M\x2c\x01", big)  # 300, both as numbers of the storage and as shape
                target.writestr(entry.filename, content)
        refused(path, "truncated or damaged|would be larger")


def test_objects_beside_or_instead_of_tensors(tmp_path):
    path = tmp_path / "a.pt"
    for content, words in (
        ({"a": 1}, "no flat dictionary"),
        ([torch.zeros(1)], "no flat dictionary"),
        (torch.zeros(1), "no flat dictionary"),
        (7, "no flat dictionary"),
    ):
        torch.save(content, path)
        refused(path, words, read_tensors)
    torch.save({"text": "x" * (5 << 20)}, path)
    refused(path, "mostly Python objects")
    deep: list = []
    deep.append(deep)
    torch.save({"a": deep}, path)
    assert read_content(path)["a"][0]
    path.write_bytes(b"")
    refused(path, "empty file")
    refused(tmp_path, "no such file")


def test_prefixes_of_wrappers(tmp_path):
    network = nn.Linear(3, 2)
    for prefix in ("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."):
        torch.save({prefix + key: value for key, value in network.state_dict().items()}, tmp_path / "a.pt")
        other = nn.Linear(3, 2)
        load_strictly(other, read_tensors(tmp_path / "a.pt"), "a.pt")
        assert torch.equal(other.weight, network.weight)
    assert list(without_wrapper({"module.a": 1, "b": 2})) == ["module.a", "b"]  # a network may have a part of that name
    assert without_wrapper({}) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_refused(tmp_path, value):
    network = nn.Linear(3, 2)
    state = network.state_dict()
    state["bias"][1] = value
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"a\.safetensors: bias holds values that are no numbers"):
        load_strictly(nn.Linear(3, 2), read_tensors(tmp_path / "a.safetensors"), tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="not written: bias holds"):
        write_tensors(tmp_path / "b.safetensors", state, {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_types_that_are_no_weights_are_refused(dtype):
    state = {"weight": torch.ones(2, 3).to(dtype), "bias": torch.zeros(2)}
    with pytest.raises(InputError, match=r"weight holds torch\.\w+, where weights are floating-point"):
        load_strictly(nn.Linear(3, 2), state, "a.pt")


def test_counters_are_whole_numbers():
    norm = nn.BatchNorm1d(2)
    state = norm.state_dict()
    load_strictly(nn.BatchNorm1d(2), state, "a.pt")
    load_strictly(nn.BatchNorm1d(2), {k: v.double() if v.is_floating_point() else v for k, v in state.items()}, "a.pt")
    with pytest.raises(InputError, match="where whole numbers belong"):
        check_numbers("a.pt", {"num_batches_tracked": torch.tensor(0.5)}, state)


def test_written_twice_the_bytes_are_equal(tmp_path):
    script = (
        "import sys, torch; from pathlib import Path; from idnb.core.tensor_files import write_tensors\n"
        "metadata = {word: word for word in ('kind', 'preset', 'licence', 'name', 'author')}\n"
        "write_tensors(Path(sys.argv[1]), {'b': torch.arange(3.0), 'a': torch.ones(2, 2).half()}, metadata)"
    )
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path in paths:
        subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert len({path.read_bytes() for path in paths}) == 1
    from safetensors import safe_open

    with safe_open(paths[0], "pt") as file:
        assert file.metadata()["author"] == "author" and torch.equal(file.get_tensor("b"), torch.arange(3.0))
    assert torch.equal(read_tensors(paths[0])["a"], torch.ones(2, 2))


@pytest.mark.skipif(os.name == "nt", reason="modes of files are of POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_are_readable_as_the_umask_says(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_tensors(tmp_path / "a.safetensors", {"w": torch.zeros(1)}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == mode


def test_checkpoints_with_nan_are_neither_written_nor_read(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(InputError, match=r"weights\.w holds values .*nothing was written"):
        save_run({"weights": {"w": torch.tensor([1.0, float("nan")])}}, path)
    save_run({"weights": {"w": torch.ones(2)}, "step": 3}, path)
    with pytest.raises(InputError, match="is as it was before"):
        save_run({"memory": [torch.tensor(float("inf"))]}, path)
    assert read_run(path)["step"] == 3 and [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    torch.save({"weights": OrderedDict(w=torch.tensor(float("nan")))}, path)
    refused(path, r"weights\.w holds values .*no training goes on from it", read_run)


def test_foreign_checkpoints_are_named(tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"")
    refused(path, "not a checkpoint of this command", read_run)
    for content in ([1], {1: 2}, "text", torch.zeros(2)):
        torch.save(content, path)
        refused(path, "not a checkpoint of this command", read_run)
    for wrong in (KeyError("step"), TypeError("x"), RuntimeError("a\nb"), AttributeError(), RecursionError()):
        with pytest.raises(InputError, match=r"a\.pt: damaged, or not a checkpoint.*delete it"), taking_up("a.pt"):
            raise wrong
    for value in (True, -1, 2.0, "3", None, 1 << 70, float("nan")):
        with pytest.raises(ValueError, match="step is"):
            counter({"step": value}, "step")


def test_the_memory_of_an_optimiser_must_fit():
    def optimiser(width=3, **options):
        network = nn.Linear(width, 2)
        made = torch.optim.Adam(network.parameters(), **options)
        network(torch.ones(1, width)).sum().backward()
        made.step()
        return made

    load_optimizer(optimiser(), optimiser().state_dict())
    state = optimiser().state_dict()
    state["param_groups"][0]["betas"] = (0.9, "0.99")
    wrong = [optimiser(4).state_dict(), torch.optim.SGD([nn.Parameter(torch.ones(2))]).state_dict(), state]
    for other in wrong:
        with pytest.raises(ValueError, match="optimiser"):
            load_optimizer(optimiser(), other)


def test_find_fault_looks_everywhere():
    assert find_fault({"a": [torch.ones(1), ({"b": torch.tensor(1)},)], "c": "text"}) is None
    assert "a.1.b" in str(find_fault({"a": [torch.ones(1), {"b": torch.tensor(float("nan"))}]}))


def test_memory_stays_small_for_hostile_files(tmp_path):
    """The files above, read by a process that may use one gigabyte."""
    torch.save({"w": torch.zeros(1).expand(2_000_000_000)}, tmp_path / "stride.pt")
    torch.save({"w": torch.zeros(1).expand(2_000_000_000)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    script = (
        "import resource, sys\nfrom idnb.core.errors import InputError\n"
        "from idnb.core.tensor_files import read_content\n"
        "import torch; resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))\n"
        "try: read_content(sys.argv[1])\nexcept InputError as error: print(error)"
    )
    for name in ("stride.pt", "old.pt"):
        done = subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], capture_output=True, text=True)
        assert "would be larger" in done.stdout, done.stderr
