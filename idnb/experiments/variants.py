"""The rows of the ablations; `idnb.experiments.ablation` trains and measures them.

A variant says what is different; everything else is the full encoder. The tables are

    table2      the paper's: baseline, + IFBlock, + input latent code, + pretrained identity encoder
    modulation  gamma and beta as tensors or as one value a channel, or identity stacked on the input
    losses      each term of equation 6 left out, a stronger identity term, and a term that the paper does not have
    identity    what makes the identity real: whole pictures, other weights, random views
    table1      pSp and ReStyle beside the full encoder
    ambiguity   contours of 4, 16 and 64 pixels, with and without an identity image
    tradeoff    contour against person: the bundled encoder goes on with other L2 weights, or with ideal results

Paper: section 3.4, table 2.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from idnb.training.losses import LossWeights

__all__ = ["TABLES", "Variant"]


@dataclass(frozen=True)
class Variant:
    """One row of an ablation.

    name: short, for files. title: in tables. encoder: "dual", "restyle" or "psp". options: of that class, where they
    differ from the full encoder. weights: of the loss, where they differ from the preset's. augment: whether the
    identity loss sees random augmentations. size: in pixels at which the generator stops in training; None is the whole
    picture. contour_size: of low-resolution contours; None is the preset's. bundled: whether it begins with the weights
    of the bundled encoder, all of which go on learning. p_ideal: share of pairs whose target is an ideal result
    (`idnb.training.ideals`).
    """

    name: str
    title: str
    encoder: str = "dual"
    options: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    augment: bool = False
    size: int | None = None
    contour_size: int | None = None
    bundled: bool = False
    p_ideal: float = 0.0


def going_on(name: str, title: str, l2: float, p_ideal: float = 0.0) -> Variant:
    """The bundled encoder of low-resolution contours goes on with the weights of its loss, but for that of L2."""
    weights = {"l2": l2, "perceptual": 0.8, "identity": 1.2, "w_norm": 0.004, "contour": 10.0, "latent_norm": 0.002}
    return Variant(name, title, weights=weights, bundled=True, p_ideal=p_ideal)


FULL = Variant("full", "+ pretrained identity (the full encoder)")
PAPER_WEIGHTS = asdict(LossWeights())
TABLES: dict[str, tuple[Variant, ...]] = {
    "table2": (
        Variant(
            "baseline",
            "baseline: identity stacked on the input",
            options={"modulation": "none", "input_latent": False, "pretrained_identity": False},
        ),
        Variant("ifblock", "+ IFBlock", options={"input_latent": False, "pretrained_identity": False}),
        Variant("input_latent", "+ input latent", options={"pretrained_identity": False}),
        FULL,
    ),
    "modulation": (
        Variant("stacked", "identity stacked on the input", options={"modulation": "none"}),
        Variant("vector", "gamma and beta as vectors", options={"modulation": "vector"}),
        replace(FULL, title="gamma and beta as tensors (the full encoder)"),
    ),
    "losses": (
        replace(FULL, title="all terms (the full encoder)"),
        Variant("no_l2", "without the L2 term", weights={"l2": 0.0}),
        Variant("no_perceptual", "without the perceptual term", weights={"perceptual": 0.0}),
        Variant("no_identity", "without the identity term", weights={"identity": 0.0}),
        Variant("no_w_norm", "without the W-norm term", weights={"w_norm": 0.0}),
        Variant("identity_x3", "identity term three times as strong", weights={"identity": 3.0}),
        Variant("latent_norm", "with the norm of the input latent (not in the paper)", weights={"latent_norm": 0.01}),
    ),
    "identity": (
        Variant("paper", "the paper's weights, pictures of 64 px", weights=PAPER_WEIGHTS, size=64),
        Variant("whole", "+ whole pictures", weights=PAPER_WEIGHTS),
        replace(FULL, title="+ weights of this preset (the full encoder)"),
        Variant("views", "+ random views in the identity loss", augment=True),
    ),
    "table1": (
        Variant("psp", "pSp", encoder="psp"),
        Variant("restyle", "ReStyle", encoder="restyle"),
        replace(FULL, title="dual, trained alike"),
    ),
    "ambiguity": tuple(
        variant
        for size in (4, 16, 64)
        for variant in (
            Variant(
                f"alone_{size}",
                f"{size} px, contour alone",
                options={"uses_identity": False},
                weights={"identity": 0.0},
                contour_size=size,
            ),
            Variant(f"guided_{size}", f"{size} px, with an identity image", contour_size=size),
        )
    ),
    "tradeoff": (
        going_on("ideals", "L2 0.5, ideal results as targets", 0.5, 0.6),
        *(
            going_on(f"l2_{weight:g}", f"L2 {weight:g}, photographs alone as targets", weight)
            for weight in (0.5, 2.0, 8.0, 32.0)
        ),
    ),
}
