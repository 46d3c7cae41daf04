"""Who the synthetic people are: the distributions that every identity and every shot is drawn from.

An identity is what stays the same between two pictures of a person (shape, skin, brows, iris, hair, beard, glasses); a
shot is what changes (pose, expression, gaze, light, background, clothes, camera distance). Both are flat
dictionaries of named numbers (and a few words), so that they fit in one table beside the images.
"""

from typing import Any

import numpy as np

from idnb.faces.shape_controls import SHAPE_CONTROLS

__all__ = ["HAIR_STYLES", "identity_generator", "sample_identity", "sample_shot", "shot_generator"]

Parameters = dict[str, Any]

# A person stays within so many standard deviations of each shape control.
SHAPE_LIMIT = 2.2

# Shape controls whose mean differs between women and men: control, mean of women, mean of men.
SEX_MEANS = [
    ("chin-width-incr", -0.22, 0.10),
    ("chin-bones-incr", -0.15, 0.12),
    ("eyebrows-trans-forward", -0.25, 0.10),
    ("mouth-upperlip-volume-incr", 0.15, -0.05),
    ("mouth-lowerlip-volume-incr", 0.15, -0.05),
    ("nose-scale-horiz-incr", -0.10, 0.05),
    ("eye-scale-incr", 0.08, -0.05),
    ("head-fat-incr", -0.10, 0.0),
]

# Hair styles: how often (woman, man), then ranges. Lengths in metres; `cut` is the height below the eyes at which the
# hair ends; `sweep` combs towards the face (-1) or the back (+1); `lift` is how steeply the hair leaves the scalp.
_STYLE_COLUMNS = ("often", "top", "side", "curl", "sweep", "lift", "cut")
_STYLE_ROWS = {
    "bald": [(0.0, 0.06), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)],
    "buzz": [(0.02, 0.16), (0.004, 0.008), (0.003, 0.005), (0, 0), (0, 0.3), (0.9, 1)],
    "crop": [(0.05, 0.2), (0.015, 0.03), (0.006, 0.012), (0, 0.3), (-0.6, 0.2), (0.5, 0.8)],
    "side part": [(0.03, 0.2), (0.045, 0.08), (0.012, 0.022), (0, 0.25), (-0.1, 0.4), (0.3, 0.6)],
    "swept back": [(0.03, 0.16), (0.05, 0.09), (0.012, 0.03), (0, 0.3), (0.9, 1.2), (0.4, 0.9)],
    "short fringe": [(0.05, 0.1), (0.04, 0.06), (0.012, 0.03), (0, 0.5), (-1.2, -0.8), (0.25, 0.5)],
    "curls": [(0.1, 0.08), (0.05, 0.09), (0.03, 0.06), (1.2, 2.0), (-0.3, 0.3), (0.7, 1)],
    "afro": [(0.05, 0.03), (0.04, 0.09), (0.03, 0.07), (1.6, 2.4), (0, 0), (1, 1)],
    "bob": [(0.2, 0.0), (0.3, 0.3), (0.25, 0.25), (0, 0.5), (0, 0.35), (0.15, 0.35), (0.06, 0.12)],
    "long": [(0.3, 0.015), (0.45, 0.45), (0.4, 0.4), (0, 0.9), (0, 0.4), (0.15, 0.4), (0.16, 0.3)],
    "tied": [(0.17, 0.015), (0.16, 0.16), (0.14, 0.14), (0, 0.1), (1, 1), (0.0, 0.03)],
}
HAIR_STYLES = {name: dict(zip(_STYLE_COLUMNS, row, strict=False)) for name, row in _STYLE_ROWS.items()}

MALE_BROW, FEMALE_BROW = (0.0040, 0.0008), (0.0029, 0.0006)


def identity_generator(seed: int, identity: int) -> np.random.Generator:
    """Random numbers of one identity: they depend on the set's seed and the identity's number alone."""
    return np.random.Generator(np.random.PCG64([seed, identity]))


def shot_generator(seed: int, identity: int, shot: int) -> np.random.Generator:
    """Random numbers of one shot: they depend on seed, identity and shot number alone."""
    return np.random.Generator(np.random.PCG64([seed, identity, shot + 1]))


def _normal(rng: np.random.Generator, mean: float, std: float, low: float, high: float) -> float:
    return float(np.clip(rng.normal(mean, std), low, high))


def _hair(rng: np.random.Generator, woman: bool, age: float, african: float, asian: float) -> Parameters:
    often = np.array([style["often"][0 if woman else 1] for style in HAIR_STYLES.values()], dtype=float)
    names = list(HAIR_STYLES)
    often[names.index("afro")] *= 8 * african**2
    often[names.index("curls")] *= 1 + 1.5 * african - 0.8 * asian
    often[names.index("bald")] *= 0.3 + 6 * max(age - 0.66, 0)
    for straight in ("bob", "long", "side part", "swept back", "short fringe"):
        often[names.index(straight)] *= 1 - 0.6 * african
    style = names[int(rng.choice(len(names), p=often / often.sum()))]
    ranges = HAIR_STYLES[style]
    hair: Parameters = {"hair.style": style}
    for key in ("top", "side", "curl", "sweep", "lift"):
        hair[f"hair.{key}"] = float(rng.uniform(*ranges[key]))
    hair["hair.curl"] *= 0.6 + 0.8 * african if style not in ("curls", "afro") else 1.0
    hair["hair.cut"] = float(rng.uniform(*ranges["cut"])) if "cut" in ranges else 0.6
    hair["hair.part"] = float(rng.choice([-1, 1]) * rng.uniform(0.012, 0.042)) if rng.random() < 0.7 else 0.0
    hair["hair.fringe"] = float(style in ("bob", "long") and rng.random() < 0.3)
    hair["hair.bun"] = float(style == "tied" and rng.random() < 0.45)
    hair["hair.volume"] = float(rng.uniform(0.5, 1.4))
    hair["hair.clump"] = float(rng.uniform(0.3, 0.85))
    hair["hair.hairline"] = _normal(rng, 0.0, 0.004, -0.008, 0.009)
    receding = 0.0 if woman else max(0.0, rng.normal(-0.25, 0.35) + 1.6 * max(age - 0.66, 0))
    hair["hair.receding"] = float(min(receding, 1.0))
    # Colour: concentrations of the two pigments of hair, and the share of white hairs.
    dark = max(african, asian)
    middle = 1.5 * (1 - dark) ** 1.5 + 4.2 * (1 - (1 - dark) ** 1.5)
    hair["hair.eumelanin"] = float(np.clip(middle * np.exp(rng.normal(0, 0.75 - 0.5 * dark)), 0.16, 6.0))
    red = rng.random() < 0.12 * (1 - dark)
    hair["hair.pheomelanin"] = float(rng.uniform(0.6, 1.2) if red else rng.uniform(0.0, 0.25))
    hair["hair.grey"] = float(np.clip(rng.normal(3.2 * (age - 0.83), 0.16), 0, 0.95)) if age > 0.72 else 0.0
    return hair


def sample_identity(rng: np.random.Generator) -> Parameters:
    """Draw one person.

    rng: random numbers of this person, see `identity_generator`.
    Returns named parameters: `phenotype.*` and `shape.*` (controls of anny), `skin.*`, `brow.*`, `iris.*`, `lips.*`,
    `hair.*`, `beard.*`, `glasses.*`. Shares lie in [0, 1], lengths are metres.
    """
    woman = bool(rng.random() < 0.5)
    african, asian, caucasian = (float(x) for x in rng.dirichlet([0.45, 0.45, 0.45]))
    age = float(np.clip(0.63 + 0.33 * rng.beta(1.1, 1.8), 0.63, 0.95))  # anny: 2/3 is a young adult, 1 is old
    person: Parameters = {
        "phenotype.gender": float(rng.uniform(0.78, 1.0) if woman else rng.uniform(0.0, 0.22)),
        "phenotype.age": age,
        "phenotype.muscle": float(rng.uniform(0.35, 0.7)),
        "phenotype.weight": float(rng.uniform(0.3, 0.75)),
        "phenotype.african": african,
        "phenotype.asian": asian,
        "phenotype.caucasian": caucasian,
    }
    for control, std in SHAPE_CONTROLS.items():
        person[f"shape.{control}"] = _normal(rng, 0.0, std, -SHAPE_LIMIT * std, SHAPE_LIMIT * std)
        if control.split("-")[0] in ("cheek", "ear", "eye"):
            person[f"shape.asymmetry.{control}"] = _normal(rng, 0.0, 0.12 * std, -0.08, 0.08)
    for control, woman_mean, man_mean in SEX_MEANS:
        person[f"shape.{control}"] += woman_mean if woman else man_mean
    person["shape.eye-height2-incr"] += 0.12  # anny's neutral lids are a little heavy
    person["skin.melanin"] = float(
        np.clip(0.12 * caucasian + 0.86 * african + 0.34 * asian + rng.normal(0, 0.07), 0.03, 1)
    )
    person["skin.warmth"] = _normal(rng, 0.3 * asian, 0.5, -1, 1)
    person["skin.redness"] = _normal(rng, 0.45, 0.25, 0, 1)
    person["skin.shine"] = float(rng.uniform(0.3, 1.0))
    person["skin.freckles"] = float(rng.random() < 0.25 * caucasian) * float(rng.uniform(0.3, 1))
    person["skin.pattern"] = float(rng.uniform(0, 1000))
    person["lips.colour"] = _normal(rng, 0.62 if woman else 0.38, 0.2, 0, 1)
    mean, std = FEMALE_BROW if woman else MALE_BROW
    person["brow.thickness"] = _normal(rng, mean, std, 0.0012, 0.0055)
    person["brow.height"] = _normal(rng, 0.0, 0.0016, -0.003, 0.004)
    person["brow.arch"] = _normal(rng, 0.0035 if woman else 0.0022, 0.0015, 0.0, 0.007)
    person["brow.length"] = _normal(rng, 0.031, 0.002, 0.026, 0.036)
    person["brow.density"] = float(rng.uniform(0.55, 0.95))
    person["iris.brown"] = float(np.clip(rng.normal(0.25 + 1.2 * (1 - caucasian), 0.3), 0, 1))
    person["iris.hue"] = float(rng.uniform(0, 1))  # 0 blue, 0.5 grey, 1 green; seen where `iris.brown` is low
    person["iris.lightness"] = float(rng.uniform(0.6, 1.3))
    person.update(_hair(rng, woman, age, african, asian))
    bearded = not woman and rng.random() < 0.5
    person["beard.stubble"] = (
        float(rng.uniform(0.15, 0.9)) if bearded else (0.0 if woman else float(rng.uniform(0, 0.2)))
    )
    person["beard.length"] = float(rng.uniform(0.004, 0.016)) if bearded and rng.random() < 0.55 else 0.0
    person["beard.cheeks"] = float(rng.uniform(0, 1))
    person["beard.moustache"] = float(bearded and rng.random() < 0.8)
    person["beard.chin"] = float(bearded and (person["beard.moustache"] == 0 or rng.random() < 0.8))
    glasses = rng.random() < 0.2
    person["glasses.worn"] = float(glasses)
    person["glasses.width"] = float(rng.uniform(0.022, 0.028))
    person["glasses.height"] = float(rng.uniform(0.015, 0.023))
    person["glasses.squareness"] = float(rng.uniform(2.0, 5.0))
    person["glasses.frame"] = float(rng.uniform(0.0007, 0.0022))
    for channel, value in zip("rgb", rng.uniform(0.01, 0.09) * rng.uniform(0.3, 2.0, 3), strict=True):
        person[f"glasses.{channel}"] = float(value)
    return person


def _expression(rng: np.random.Generator) -> Parameters:
    smile = _normal(rng, 0.3, 0.32, 0, 0.95)
    frown = 0.0 if smile > 0.1 else _normal(rng, 0.0, 0.2, 0, 0.5)
    jaw = _normal(rng, -0.08, 0.14, 0, 0.45)
    blink = _normal(rng, 0.0, 0.08, 0, 0.35)
    brow_up, brow_down = _normal(rng, 0, 0.25, 0, 0.8), _normal(rng, -0.05, 0.2, 0, 0.6)
    sides = {
        "mouthSmile": smile,
        "mouthFrown": frown,
        "mouthUpperUp": _normal(rng, 0.35 * smile - 0.15, 0.1, 0, 0.45),
        "mouthPress": _normal(rng, -0.1, 0.2, 0, 0.5),
        "cheekSquint": 0.5 * smile,
        "eyeSquint": _normal(rng, 0.25 * smile, 0.12, 0, 0.7),
        "eyeBlink": blink,
        "eyeWide": _normal(rng, 0.12, 0.15, 0, 0.6),
        "browDown": brow_down,
        "browOuterUp": brow_up * 0.6,
    }
    actions = {
        f"{name}{side}": float(np.clip(value * rng.normal(1, 0.06), 0, 1))
        for name, value in sides.items()
        for side in ("Left", "Right")
    }
    actions |= {"browInnerUp": brow_up, "jawOpen": jaw, "mouthPucker": _normal(rng, -0.15, 0.2, 0, 0.5) * (smile < 0.2)}
    actions |= {"mouthFunnel": _normal(rng, -0.2, 0.15, 0, 0.3), "mouthShrugLower": _normal(rng, -0.1, 0.2, 0, 0.4)}
    return {f"expression.{name}": float(value) for name, value in actions.items()}


def sample_shot(rng: np.random.Generator) -> Parameters:
    """Draw what one picture of a person adds: pose, expression, gaze, light, background, clothes.

    rng: random numbers of this shot, see `shot_generator`.
    Returns named parameters: `pose.yaw`, `pose.pitch` (radians; yaw > 0: the face turns to the right edge of the image,
    pitch > 0: it looks up), `camera.distance` (metres), `gaze.*` (radians from the camera), `expression.*` (controls of
    anny in [0, 1]), `light.*`, `background.*`, `cloth.*`.
    """
    shot: Parameters = {
        "pose.yaw": _normal(rng, 0, 0.27, -0.65, 0.65),
        "pose.pitch": _normal(rng, 0, 0.11, -0.28, 0.28),
        "camera.distance": float(rng.uniform(0.9, 1.6)),
        "gaze.yaw": _normal(rng, 0, 0.06, -0.2, 0.2),
        "gaze.pitch": _normal(rng, 0, 0.03, -0.1, 0.1),
    }
    shot |= _expression(rng)
    shot["light.azimuth"] = _normal(rng, 0, 0.7, -1.4, 1.4)  # radians from the head's front, > 0: from the right
    shot["light.elevation"] = float(rng.uniform(0.15, 1.0))
    shot["light.strength"] = float(rng.uniform(0.8, 1.35))
    shot["light.warmth"] = _normal(rng, 0.25, 0.4, -0.7, 1)
    shot["light.softness"] = float(rng.uniform(0.15, 0.5))  # radius of the light seen from the face, radians
    shot["light.ambient"] = float(rng.uniform(0.5, 0.9))
    shot["light.ambient_warmth"] = _normal(rng, -0.1, 0.35, -1, 1)
    shot["light.rim"] = float(rng.uniform(0.2, 0.8)) * float(rng.random() < 0.4)
    hue, value = rng.uniform(0, 1), rng.uniform(0.08, 0.75)
    shot["background.hue"], shot["background.value"] = float(hue), float(value)
    shot["background.saturation"] = float(rng.beta(1.2, 2.6))
    shot["background.gradient"] = float(rng.uniform(-0.5, 0.5))
    shot["background.blobs"] = float(rng.uniform(0, 1) ** 1.5)
    shot["background.pattern"] = float(rng.integers(0, 1 << 20))
    shot["cloth.hue"], shot["cloth.saturation"] = float(rng.uniform(0, 1)), float(rng.beta(1.2, 2.0))
    shot["cloth.value"] = float(rng.choice([rng.uniform(0.02, 0.12), rng.uniform(0.12, 0.7)]))
    shot["cloth.neckline"] = float(rng.uniform(-0.012, 0.035))  # metres above the collar bones' middle
    shot["cloth.vee"] = float(rng.random() < 0.3) * float(rng.uniform(0.2, 1.0))
    shot["cloth.stripes"] = float(rng.random() < 0.18) * float(rng.uniform(0.3, 0.8))
    return shot
