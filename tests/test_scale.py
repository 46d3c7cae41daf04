"""Training at scale: shards on disk, accumulated gradients, photographs as training data, the estimate before a run."""

import pytest
import torch

import idnb
from idnb.core.presets import TINY
from idnb.training.config import EncoderConfig, Phase
from idnb.training.cost import count_kept, step_cost
from idnb.training.pair_data import PairBatch, read_pair_data
from idnb.training.run import EncoderRun
from idnb.training.shards import Rows, joined
from idnb.training.step import run_step
from tests.encoder_run import config, parts, random_pairs
from tests.photo_trees import celebamask_tree, photo

GB = 1e9


@pytest.fixture
def accelerator():
    from accelerate import Accelerator

    return Accelerator(cpu=True)


# --- shards ---------------------------------------------------------------------------------------------------------


def test_rows_of_shards_are_those_of_one_tensor():
    parts = [torch.arange(12.0).view(3, 2, 2), torch.arange(8.0).view(2, 2, 2) + 100]
    whole, rows = joined(parts), joined(parts, limit=10)
    assert isinstance(whole, torch.Tensor) and isinstance(rows, Rows)
    index = torch.tensor([4, 0, 3, 3, 2])
    assert len(rows) == 5 and rows.shape == whole.shape and rows.dtype == whole.dtype
    assert torch.equal(rows[index], whole[index])
    assert torch.equal(rows[index, 1], whole[index, 1])


def test_large_sets_give_the_same_batches(monkeypatch, tmp_path):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path))
    faces = idnb.load_faces("test")
    batches = []
    for limit in (1 << 30, 1):
        monkeypatch.setattr("idnb.training.shards.joined.__defaults__", (limit,))
        data = read_pair_data([faces, faces], "low_res", TINY, people=2, report=lambda text: None)
        batches.append(data.draw(6, torch.Generator().manual_seed(0)))
    assert isinstance(data.photos, Rows)
    assert all(torch.equal(a, b) for a, b in zip(*batches, strict=True))


@pytest.mark.parametrize("kind", ["low_res", "sketch", "label_map"])
def test_photographs_are_read_like_rendered_people(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "cache"))
    tree = celebamask_tree(tmp_path / "c", side=128)
    data = read_pair_data([idnb.load_faces(tree, split="train")], kind, TINY, report=lambda text: None)
    assert len(data) == 2 and data.people == 1
    batch = data.draw(3, torch.Generator().manual_seed(0))
    assert batch.photo.shape == (3, 3, 128, 128) and batch.contour_input.shape[-1] == 64
    (first,) = (tmp_path / "cache" / "pairs").glob("*.pt")
    assert first.with_suffix(".sha256").is_file()
    photo(9, 128).save(tree / "CelebA-HQ-img" / "0.jpg")  # another picture under the same name
    read_pair_data([idnb.load_faces(tree, split="train")], kind, TINY, report=lambda text: None)
    assert len(list((tmp_path / "cache" / "pairs").glob("*.pt"))) == 2 and first.exists()


# --- one step -------------------------------------------------------------------------------------------------------


def gradients(encoder, run):
    encoder.zero_grad()
    run()
    return {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("checkpoint", [False, True])
def test_two_half_batches_make_the_step_of_a_whole_one(accelerator, checkpoint):
    encoder, generator, data, loss = parts()
    torch.nn.init.normal_(encoder.style_head.weight, std=0.02)
    encoder.eval()
    generator.eval().requires_grad_(False)
    batch, phase = data.draw(4, torch.Generator().manual_seed(0)), Phase(1, 10, 16)

    def step(part, batches):
        run_step(encoder, generator, loss, part, phase, torch.Generator(), accelerator, batches)

    whole = gradients(encoder, lambda: step(batch, 1))
    generator.checkpoint = checkpoint
    halves = [PairBatch(*(x[rows] for x in batch)) for rows in (slice(0, 2), slice(2, 4))]
    added = gradients(encoder, lambda: [step(half, 2) for half in halves])
    assert added.keys() == whole.keys()
    for name, gradient in whole.items():
        difference = (added[name] - gradient).norm()  # single numbers round differently in batches of two and of four
        assert difference <= 2e-3 * gradient.norm() + 1e-6, f"{name}: {difference:.2e} of {gradient.norm():.2e}"


def test_accumulated_batches_count_as_one_step(accelerator):
    encoder, generator, data, loss = parts()
    settings = EncoderConfig((Phase(1, 8, 8),), batch=1, accumulate=4, checkpoint=True)
    run = EncoderRun(encoder, generator, data, loss, settings, accelerator)
    metrics = run.run_step()
    assert run.images == run.batch == 4 and run.step == 1 and metrics["total"] > 0 and generator.checkpoint
    assert config(8).accumulate == 1 and len(random_pairs()) == 12


# --- the estimate ---------------------------------------------------------------------------------------------------


def test_kept_bytes_are_those_of_autograd():
    layer = torch.nn.Linear(100, 100, bias=False)
    x = torch.randn(50, 100, requires_grad=True)
    with count_kept(layer) as counter:
        layer(x).square().sum()
    assert counter.total == 2 * 50 * 100 * 4  # x for the weight, the product for the square; the weight is there anyway


def test_the_estimate_follows_the_code():
    plain, checkpointed = step_cost("tiny"), step_cost("tiny", checkpoint=True)
    encoder, generator, _, _ = parts()
    assert plain.trained == sum(p.numel() for p in encoder.parameters())
    assert checkpointed.kept["generator"] < plain.kept["generator"] / 3 and checkpointed.again > 0
    assert plain.operations < checkpointed.operations < 1.5 * plain.operations
    assert step_cost("tiny", dtype=torch.bfloat16).per_sample < 0.7 * plain.per_sample
    generator.requires_grad_(False)
    code, _ = encoder.start(generator, 1)
    w_plus = code.w_plus.clone().requires_grad_()
    latent = code.input_latent.clone().requires_grad_()
    with count_kept(generator) as counter:
        generator.synthesis(w_plus, latent)
    assert abs(counter.total - plain.kept["generator"]) < 0.05 * counter.total


def test_what_fits_grows_with_memory():
    cost = step_cost("tiny")
    assert cost.memory(2) - cost.memory(1) == cost.per_sample
    batch = cost.largest_batch(16 * GB)
    assert cost.memory(batch) + 1e9 <= 16 * GB < cost.memory(batch + 1) + 1e9
    assert cost.largest_batch(0.5 * GB) == 0
