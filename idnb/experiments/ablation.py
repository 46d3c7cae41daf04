"""Ablations: each variant is an encoder trained from scratch under one budget, with several seeds, and measured alike.

Paper: section 3.4, table 2. It names neither seeds nor intervals; here each row has at least three seeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from idnb.core.checkpoints import counter, read_run, taking_up
from idnb.core.errors import InputError
from idnb.core.files import note_or_compare
from idnb.core.folders import is_hidden
from idnb.core.presets import get_preset
from idnb.core.weights import find_weight
from idnb.evaluation.dataset import EvaluationSet
from idnb.evaluation.protocol import evaluate
from idnb.evaluation.results import read_result
from idnb.evaluation.setting import Setting
from idnb.evaluation.store import keep
from idnb.experiments.columns import MAIN
from idnb.experiments.paper import PAPER_TABLES, paper_table
from idnb.experiments.stored import read_results
from idnb.experiments.tables import method_table
from idnb.experiments.variants import TABLES, Variant
from idnb.faces.set_files import set_checksum
from idnb.models.contour_encoder import ContourEncoder
from idnb.models.encoder_files import bundled_name, encoder_class, load_encoder
from idnb.models.stylegan2 import Generator
from idnb.training.config import EncoderConfig, Phase
from idnb.training.losses import WEIGHTS, LossWeights

__all__ = ["Budget", "build_encoder", "describe", "plan", "report", "run_variant", "same_training", "take_over"]


@dataclass(frozen=True)
class Budget:
    """What every variant of a table gets, so that rows differ in nothing else.

    images: shown in training, three quarters of them with one refinement step and the rest with `steps`; a bundled
    encoder takes `steps` from the start. batch,
    learning_rate: see `EncoderConfig`. people: of each training set, at most. kind: of contour. contours: of the test
    set, each with ten identities. perceptual: backbone of LPIPS in the loss: "alex", as in the code of pSp and ReStyle,
    or "vgg". precision: of the training, "no" or "bf16"; all are measured in float32.
    """

    images: int = 2_400
    batch: int = 8
    learning_rate: float = 8e-4
    steps: int = 2
    people: int | None = None
    kind: str = "low_res"
    contours: int | None = 100
    perceptual: str = "alex"
    precision: str = "no"

    def phases(self, variant: Variant) -> tuple[Phase, ...]:
        """The phases of a variant's training; pSp takes one refinement step, a bundled encoder all."""
        if variant.bundled or variant.encoder == "psp" or self.steps == 1 or self.images < 4:
            return (Phase(1 if variant.encoder == "psp" else self.steps, self.images, variant.size),)
        first = self.images * 3 // 4
        return (Phase(1, first, variant.size), Phase(self.steps, self.images - first, variant.size))


def plan(table: str, seeds: list[int]) -> Iterator[tuple[Variant, int]]:
    """All variants with all seeds; the first seed of every variant comes before the second of any.

    Raises InputError for an unknown table and for seeds that repeat.
    """
    if table not in TABLES:
        raise InputError(f"table {table!r} is unknown; choose one of: {', '.join(TABLES)}")
    if not seeds or len(set(seeds)) != len(seeds):
        raise InputError(f"seeds {seeds}: give at least one, each once")
    for seed in seeds:
        for variant in TABLES[table]:
            yield variant, seed


def build_encoder(variant: Variant, kind: str, preset_name: str, seed: int) -> ContourEncoder:
    """The encoder that a variant begins with: bundled, or fresh from the seed with the identity network's weights."""
    from idnb.models.identity_files import load_identity_network

    if variant.bundled:
        return load_encoder(preset_name, kind, method=variant.encoder).requires_grad_(True).train()
    make = encoder_class(variant.encoder)
    preset = get_preset(preset_name)
    if variant.contour_size is not None:
        preset = replace(preset, low_res_size=variant.contour_size)
    torch.manual_seed(seed)
    encoder: Any = make(kind, preset, **variant.options)
    pretrained = variant.options.get("pretrained_identity", True)
    if pretrained and hasattr(encoder, "load_identity"):
        encoder.load_identity(load_identity_network(preset_name))
    return encoder


def describe(variant: Variant, seed: int, budget: Budget, preset: str) -> dict[str, Any]:
    """All that decides what a variant becomes, as it stands in its result. Two are one where only names differ."""
    loss = asdict(replace(WEIGHTS[preset], **variant.weights))
    words = {"variant": asdict(variant), "loss": loss, "seed": seed, "budget": asdict(budget), "preset": preset}
    if variant.bundled:
        words["start"] = find_weight(bundled_name(budget.kind, variant.encoder)).sha256
    return json.loads(json.dumps(words))


def same_training(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two descriptions are of the same training; names and titles do not matter."""
    named = [{**words, "variant": {**words["variant"], "name": "", "title": ""}} for words in (one, other)]
    return named[0] == named[1]


def run_variant(
    variant: Variant,
    seed: int,
    budget: Budget,
    generator: Generator,
    faces: list[Any],
    data: EvaluationSet,
    out: Path,
    preset: str = "tiny",
    minutes: float | None = None,
    ideals: str | Path | None = None,
) -> dict[str, Any] | None:
    """Train a variant and measure it, or go on where it stopped.

    faces: training sets. data: who measures. out: folder of the table's runs; this one uses `VARIANT_seedN` below it.
    minutes: stop training after so much time; the run goes on with the next call. ideals: folder of ideal results over
    the first training set, for variants that learn from some.
    Returns the result, with the variant, seed and budget in it; None when training is not finished.
    Raises InputError where a variant needs ideal results and has none.
    """
    from idnb.training.ideals import read_ideals
    from idnb.training.pair_data import read_pair_data
    from idnb.training.recipe import build_loss, make_accelerator
    from idnb.training.run import train_encoder

    if variant.p_ideal and budget.people is not None:
        raise InputError(f"{variant.title}: ideal results belong to a whole set; leave --people out")
    if variant.p_ideal and ideals is None:
        raise InputError(
            f"{variant.title}: learns from ideal results; make some with `idnb render --pairs`: --ideals DIR"
        )
    folder = out / f"{variant.name}_seed{seed}"
    description = describe(variant, seed, budget, preset)
    if variant.p_ideal:
        description["ideals"] = set_checksum(Path(str(ideals)))
    note_or_compare(folder / "variant.json", description, "a variant with another budget or other options")
    encoder = build_encoder(variant, budget.kind, preset, seed)
    pairs = read_pair_data(faces, budget.kind, encoder.preset, budget.people)
    if variant.p_ideal:
        pairs.ideals = read_ideals(str(ideals), faces[0], budget.kind, encoder.preset, variant.p_ideal)
    config = EncoderConfig(
        phases=budget.phases(variant),
        batch=budget.batch,
        learning_rate=budget.learning_rate,
        warmup=budget.images // 20,
        decay=0.4,
        ema=budget.images / 30,
        clip=5.0,
        seed=seed,
    )
    weights = LossWeights(**description["loss"])
    loss = build_loss(encoder.preset, budget.kind, weights, int(variant.augment), perceptual=budget.perceptual)
    accelerator = make_accelerator(None, budget.precision)
    trained = train_encoder(encoder, generator, pairs, loss, config, folder / "training", accelerator, minutes)
    if not finished(folder / "training", budget.images):
        return None
    setting = Setting(
        variant.title,
        kind=budget.kind,
        contours=budget.contours,
        steps=1 if variant.encoder == "psp" else budget.steps,
        contour_size=variant.contour_size,
        preset=preset,
    )
    trained.requires_grad_(False).eval()
    result = evaluate(trained, generator, data, setting, folder / "evaluation")
    return None if result is None else result | {"training": description}


def finished(folder: Path, images: int) -> bool:
    """Whether the checkpoint of a training run says that all images were shown."""
    checkpoint = folder / "checkpoint.pt"
    if not checkpoint.is_file():
        return False
    state = read_run(checkpoint)
    with taking_up(checkpoint):
        return counter(state, "images") >= images


def take_over(store: Path, table: str, variant: Variant, wanted: dict[str, Any]) -> bool:
    """Store the result of the same training from another table under this variant's name, if there is one."""
    for path in sorted(store.glob(f"*/*_seed{wanted['seed']}.json")):
        if is_hidden(path.name) or is_hidden(path.parent.name):
            continue
        found = read_result(path)
        if "training" in found and same_training(found["training"], wanted):
            result = found | {"setting": found["setting"] | {"method": variant.title}, "training": wanted}
            keep(result, store / table / f"{variant.name}_seed{wanted['seed']}.json", path.with_suffix(".webp"))
            return True
    return False


def report(table: str, folder: Path, keys: Iterable[str] | None = MAIN) -> str:
    """The table of all stored results of an ablation, with the paper's numbers where it has such a table.

    keys: columns, see `method_table`.
    """
    order = {variant.title: place for place, variant in enumerate(TABLES[table])}
    try:
        results = read_results(folder)
    except InputError:
        return "No variant is finished yet; give the same command again."
    results.sort(
        key=lambda r: order.get(r["setting"]["method"], len(order))
    )  # untrained methods stand below the variants
    trained = [r["training"] for r in results if "training" in r]
    budgets = {json.dumps(training["budget"], sort_keys=True) for training in trained}
    if len(budgets) > 1:
        raise InputError(f"{folder}: holds results of different budgets; keep each budget in a folder of its own")
    text = method_table(results, keys)
    if trained:
        budget = trained[0]["budget"]
        text += f"\n\nEvery variant: {budget['images']:,} images, batch {budget['batch']}, "
        text += f"rate {budget['learning_rate']}{', in bf16' if budget['precision'] == 'bf16' else ''}; "
        if any(training["variant"]["bundled"] for training in trained):
            text += f"all with {budget['steps']} refinement steps, from the weights of the bundled encoder on. "
        else:
            text += f"the last quarter with {budget['steps']} refinement steps, what comes before with one. "
        text += f"Training seeds {', '.join(str(seed) for seed in sorted({run['seed'] for run in trained}))}."
    paper = PAPER_TABLES.get(table)
    return text + ("" if paper is None else "\n\n" + paper_table(paper))
