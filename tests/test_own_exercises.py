"""Exercises that a student writes from nothing: wrong answers are refused, unusual right ones accepted."""

import functools
import itertools
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from test_exercise_checks import cell_of

import idnb
from idnb.checks import compare
from idnb.evaluation.frechet import frechet_distance
from idnb.models.contour_encoder import Latents
from idnb.models.stylegan2_layers import upsample
from idnb.training.cost import RESERVE
from idnb.widgets.session import blend as package_blend


def verdicts(capsys, names, notebook, cell_id):
    """What a check says of an answer: the word after each name, or the whole line."""
    capsys.readouterr()
    exec(cell_of(notebook, cell_id), {"compare": compare, "torch": torch, "SEED": 0, **names})
    return capsys.readouterr().out


bundled_generator = functools.cache(lambda: idnb.load_generator("tiny"))


def accepted(text):
    return "correct" in text and "not yet" not in text and "close" not in text


# --- 02 Picture to code, exercise 3: the search ---


def objective(draw, code, x, start, leash):
    return (draw(code) - x).square().flatten(1).mean(dim=1) + leash * (code - start).square().mean(dim=1)


def searching(rate_of=lambda rate, n: rate, aim=objective, total=torch.sum, more=0):
    def search(draw, x, start, steps, rate, leash):
        code = start.clone()
        for _ in range(steps + more):
            code = code.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(total(aim(draw, code, x, start, leash)), code)
            code = code - rate_of(rate, len(x)) * gradient
        return code.detach()

    return search


def by_sgd(draw, x, start, steps, rate, leash, clear=True):
    code = start.clone().requires_grad_()
    adjust = torch.optim.SGD([code], lr=rate)
    for _ in range(steps):
        if clear:
            adjust.zero_grad()
        objective(draw, code, x, start, leash).sum().backward()
        adjust.step()
    return code.detach()


SEARCH_WRONG = [
    lambda *a: ...,
    lambda *a: None,
    lambda draw, x, start, *a: start,
    searching(rate_of=lambda rate, n: -rate),
    searching(rate_of=lambda rate, n: 2 * rate),
    searching(total=torch.mean),
    searching(more=1),
    searching(more=-1),
    searching(aim=lambda d, c, x, s, leash: objective(d, c, x, s, 0.0)),
    lambda *a: by_sgd(*a, clear=False),
    lambda *a: searching()(*a)[:1],
]
SEARCH_RIGHT = [
    searching(),
    by_sgd,
    searching(rate_of=lambda rate, n: rate * n, total=torch.mean),
    lambda *a: searching()(*a).double(),
    lambda draw, x, s, *a: torch.cat([searching()(draw, x[k : k + 1], s[k : k + 1], *a) for k in range(len(x))]),
]


def searched(capsys, search):
    return verdicts(capsys, {"objective": objective, "search": search}, "02_picture", "inv-28c")


# --- 02 The generator, exercise 3: to_rgb ---


def rgb_layer(style=True, scale=True, bias=True, demodulate=False, grow=upsample, sign=1):
    def to_rgb(x, w, rgb, layer):
        weight = layer.conv.weight[0] * (layer.conv.scale if scale else 1)
        s = layer.conv.modulation(w) if style else torch.ones(len(w), x.shape[1])
        y = F.conv2d(x * s[:, :, None, None], weight)
        if demodulate:
            y = y * torch.rsqrt(s.square() @ weight.square().sum(dim=(2, 3)).T + 1e-8)[:, :, None, None]
        y = y + (layer.bias if bias else 0)
        return y if rgb is None else y + sign * grow(rgb)

    return to_rgb


def by_einsum(x, w, rgb, layer):
    weight = (layer.conv.weight * layer.conv.scale)[0, :, :, 0, 0]
    y = torch.einsum("bihw,bi,oi->bohw", x, layer.conv.modulation(w), weight) + layer.bias
    return y if rgb is None else upsample(rgb) + y


RGB_WRONG = [
    lambda *a: ...,
    lambda x, w, rgb, layer: rgb,
    lambda x, w, rgb, layer: layer.conv(x, w),
    rgb_layer(style=False),
    rgb_layer(scale=False),
    rgb_layer(bias=False),
    rgb_layer(demodulate=True),
    rgb_layer(grow=lambda p: 0.0),
    rgb_layer(grow=lambda p: F.interpolate(p, scale_factor=2.0)),
    rgb_layer(sign=-1),
]
RGB_RIGHT = [
    rgb_layer(),
    by_einsum,
    lambda x, w, rgb, layer: layer(x, w, rgb),
    lambda x, w, rgb, layer: rgb_layer()(x, w, rgb, layer).double(),
    lambda x, w, rgb, layer: torch.cat(
        [rgb_layer()(x[k : k + 1], w[k : k + 1], None if rgb is None else rgb[k : k + 1], layer) for k in range(len(x))]
    ),
]


def drawn(capsys, answer):
    generator = bundled_generator()
    w = generator.mapping(torch.randn(2, generator.style_dim, generator=torch.Generator().manual_seed(0)))
    names = {"to_rgb": answer, "generator": generator, "w": w, "F": F, "upsample": upsample}
    with torch.no_grad():
        return verdicts(capsys, names, "02_generator", "generator-24d")


# --- 07, exercise 3: passes ---


def at_once(memory, fixed, sample):
    return max(0, int((memory - RESERVE - fixed) // sample))


def passes(memory, fixed, sample, batch):
    fits = at_once(memory, fixed, sample)
    return -(-batch // fits) if fits else 0


def counted(memory, fixed, sample, batch):
    done, rounds = 0, 0
    while done < batch and at_once(memory, fixed, sample):
        done, rounds = done + at_once(memory, fixed, sample), rounds + 1
    return rounds


PASSES_WRONG = [
    lambda *a: ...,
    lambda *a: 0,
    lambda *a: 1,
    lambda m, f, s, b: b // max(1, at_once(m, f, s)),
    lambda m, f, s, b: b // at_once(m, f, s) + 1 if at_once(m, f, s) else 0,
    lambda m, f, s, b: at_once(m, f, s),
    lambda m, f, s, b: b / at_once(m, f, s),
    lambda m, f, s, b: -(-b // max(1, int((m - f) // s))),
    lambda m, f, s, b: -(-b // max(1, at_once(m, f, s))),
    lambda m, f, s, b: b,
]
PASSES_RIGHT = [
    passes,
    counted,
    lambda *a: float(passes(*a)),
    lambda *a: torch.tensor(passes(*a)),
    lambda m, f, s, b: len(range(0, b, at_once(m, f, s))) if at_once(m, f, s) else 0,
]


def passed(capsys, answer):
    sizes = {"as it is": (3e9, 4.2e9), "checkpoints": (3e9, 1.6e9), "mixed": (2e9, 2.3e9), "both": (2e9, 0.9e9)}
    costs = {name: SimpleNamespace(fixed=f, per_sample=s) for name, (f, s) in sizes.items()}
    return verdicts(capsys, {"passes_needed": answer, "costs": costs, "RESERVE": RESERVE}, "07", "own-check")


# --- 06, exercise 2: any number of codes ---


def blend(codes, shares):
    parts = [share / sum(shares) for share in shares]
    return Latents(*(sum(p * code[k] for p, code in zip(parts, codes, strict=True)) for k in (0, 1)))


def mixed(code_low, code_sketch, u):
    return blend([code_low, code_sketch], [1 - u, u])


MIXED_WRONG = [
    lambda codes, shares: ...,
    lambda codes, shares: codes[0],
    lambda codes, shares: blend(codes, [1.0] * len(codes)),
    lambda codes, shares: blend(codes, shares[::-1]),
    lambda codes, shares: blend(codes[:2], shares[:2]),
    lambda codes, shares: Latents(*(sum(s * c[k] for s, c in zip(shares, codes, strict=True)) for k in (0, 1))),
    lambda codes, shares: Latents(blend(codes, shares)[0], codes[0][1]),
    lambda codes, shares: Latents(codes[0][0], blend(codes, shares)[1]),
    lambda codes, shares: blend(codes, [s * s for s in shares]),
    lambda codes, shares: blend(codes, shares)[0],
]
MIXED_RIGHT = [
    blend,
    lambda codes, shares: tuple(blend(codes, shares)),
    lambda codes, shares: list(blend(codes, [10 * s for s in shares])),
    lambda codes, shares: Latents(*(v.double() for v in blend(codes, shares))),
    lambda codes, shares: Latents(
        *(
            torch.einsum("n,n...->...", torch.tensor(shares) / sum(shares), torch.stack(v))
            for v in zip(*codes, strict=True)
        )
    ),
]


def mixing(capsys, answer):
    random = torch.Generator().manual_seed(0)
    codes = itertools.cycle(
        Latents(torch.randn(1, 4, 6, generator=random), torch.randn(1, 3, 4, 4, generator=random)) for _ in range(3)
    )
    session = SimpleNamespace(contour=lambda *a: None, run=lambda *a: SimpleNamespace(latents=next(codes)))
    faces = SimpleNamespace(label_maps=lambda rows: [None])
    names = {
        "session": session,
        "faces": faces,
        "blend": package_blend,
        "contour_rows": {0: 0},
        "CONTOUR": 0,
    }
    names |= {"photo": None, "x_c": None, "person": None, "a": None, "mixed_kinds": mixed, "mixed_codes": answer}
    return verdicts(capsys, names, "06", "exercise-2-check")


# --- 04, exercise 2: the distance with correlations ---


def full(a, b, cross=2.0, cov=torch.cov, root=True):
    s_a, s_b = cov(a.T), cov(b.T)
    roots = torch.linalg.eigvals(s_a @ s_b).real.clamp_min(0)
    roots = roots.sqrt() if root else roots
    return float((a.mean(0) - b.mean(0)).square().sum() + s_a.trace() + s_b.trace() - cross * roots.sum())


def by_symmetric_root(a, b):
    values, vectors = torch.linalg.eigh(torch.cov(a.T))
    half = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    roots = torch.linalg.eigvalsh(half @ torch.cov(b.T) @ half).clamp_min(0).sqrt()
    means = torch.dist(a.mean(0), b.mean(0)) ** 2
    return means + torch.cov(a.T).trace() + torch.cov(b.T).trace() - 2 * roots.sum()


def diagonal(a, b):
    return float(((a.mean(0) - b.mean(0)).square() + (a.std(0) - b.std(0)).square()).sum())


FULL_WRONG = [
    lambda a, b: ...,
    lambda a, b: 0.0,
    diagonal,
    lambda a, b: full(a, b, cross=0.0),
    lambda a, b: full(a, b, cross=1.0),
    lambda a, b: full(a, b, root=False),
    lambda a, b: full(a, b) ** 0.5,
    lambda a, b: full(a, b) - float((a.mean(0) - b.mean(0)).square().sum()),
    lambda a, b: full(a, b) + 2.0,
    lambda a, b: full(b, a) * 2,
]
FULL_RIGHT = [
    full,
    by_symmetric_root,
    lambda a, b: full(b, a),
    lambda a, b: full(a, b, cov=lambda rows: torch.cov(rows, correction=0)),
    lambda a, b: torch.tensor(full(a.float().double(), b)),
]


def compared(capsys, answer):
    random = torch.Generator().manual_seed(0)
    mix = torch.randn(6, 6, generator=random)
    real, other = torch.randn(500, 6, generator=random) @ mix, torch.randn(500, 6, generator=random) @ mix.T
    names = {"real": real, "smeared": 0.5 * other + 0.3, "frechet_distance": frechet_distance}
    names |= {"diagonal_distance": diagonal, "full_distance": answer}
    return verdicts(capsys, names, "04", "eval-e0fd9503")


EXERCISES = {
    "a search on a leash": (searched, SEARCH_WRONG, SEARCH_RIGHT),
    "to_rgb": (drawn, RGB_WRONG, RGB_RIGHT),
    "passes": (passed, PASSES_WRONG, PASSES_RIGHT),
    "any number of codes": (mixing, MIXED_WRONG, MIXED_RIGHT),
    "the Frechet distance": (compared, FULL_WRONG, FULL_RIGHT),
}


@pytest.mark.parametrize(
    ("name", "place"), [(n, k) for n, (_, wrong, _) in EXERCISES.items() for k in range(len(wrong))]
)
def test_a_wrong_answer_is_refused(name, place, capsys):
    check, wrong, _ = EXERCISES[name]
    assert not accepted(check(capsys, wrong[place]))


@pytest.mark.parametrize(("name", "place"), [(n, k) for n, (*_, right) in EXERCISES.items() for k in range(len(right))])
def test_an_unusual_right_answer_is_accepted(name, place, capsys):
    check, _, right = EXERCISES[name]
    assert accepted(check(capsys, right[place]))
