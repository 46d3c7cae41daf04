"""The judge enters no loss: rooms that train or optimise cannot reach it, and whatever takes a network refuses it.

By place: `training/`, `pretraining/`, `inversion/` and `models/` never get to the judge's module through any chain of
imports, and nobody asks `load_identity_network` for the judge but those who measure. By hand: `held_out` on the class.
"""

import ast

import pytest
import torch
from torch import nn

import idnb
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.inversion.hybrid import hybrid_guided
from idnb.inversion.objectives import Guidance, Reconstruction
from idnb.inversion.optimise import invert_guided, invert_images
from idnb.inversion.pulse import pulse
from idnb.models.baselines.psp import PSpEncoder
from idnb.models.baselines.restyle import ReStyleEncoder
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.stylegan2 import Generator
from idnb.training.losses import EncoderLoss
from tests.test_house import KNOWN, REPO, imported

JUDGE, DOOR = "idnb.models.judge", "idnb.models.identity_files"
CLOSED = ("idnb.training", "idnb.pretraining", "idnb.inversion", "idnb.models", "idnb.experiments")
# Who may ask the door for the judge: those who measure with it, and the export that writes it for other programs.
MEASURING = {
    "idnb.evaluation.metrics",
    "idnb.experiments.inspection",
    "idnb.export.networks",
    "idnb.widgets.session",
}
TRAINS_IT = "idnb.cli.train_identity"


def trees() -> dict[str, ast.Module]:
    """Every module of the package, by dotted name."""
    found = {}
    for path in sorted((REPO / "idnb").rglob("*.py")):
        name = ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def reached_from(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph.get(name, set())
    return seen


def closed(name: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in CLOSED) and name not in (JUDGE, DOOR)


def asks_for_the_judge(tree: ast.AST) -> list[int]:
    """Lines that call `load_identity_network` with a word about the judge, or in a way that might hold one."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "load_identity_network" in ast.unparse(node.func):
            starred = any(isinstance(word, ast.Starred) for word in node.args)
            if starred or len(node.args) > 1 or any(word.arg in ("judge", None) for word in node.keywords):
                lines.append(node.lineno)
    return lines


def trespassers(modules: dict[str, ast.Module]) -> set[str]:
    """Modules of closed rooms that get to the judge; the door itself is watched by another test."""
    graph = {name: imported(name, tree, KNOWN | set(modules)) for name, tree in modules.items()}
    assert JUDGE in graph[DOOR]
    graph[DOOR] -= {JUDGE}
    return {name for name in modules if closed(name) and JUDGE in reached_from(name, graph)}


def test_no_room_that_trains_or_optimises_reaches_the_judge():
    modules = trees()
    assert sum(closed(name) for name in modules) > 60
    assert trespassers(modules) == set()


@pytest.mark.parametrize(
    "room, source",
    [
        ("idnb.training", "from idnb.models import judge"),
        ("idnb.pretraining.gan", "def f():\n    import idnb.models.judge"),
        ("idnb.inversion", "TABLE = {'a': 'idnb.models.judge'}"),
        ("idnb.training", f"from {TRAINS_IT} import build"),  # by a detour
        ("idnb.pretraining", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import idnb.models.judge as j"),
    ],
)
def test_a_planted_import_is_found(room, source):
    modules = trees() | {f"{room}.planted": ast.parse(source)}
    assert trespassers(modules) == {f"{room}.planted"}


def test_only_those_who_measure_ask_for_the_judge():
    assert {name for name, tree in trees().items() if asks_for_the_judge(tree)} == MEASURING
    importers = {name for name, tree in trees().items() if JUDGE in imported(name, tree, KNOWN)}
    assert importers == {DOOR, TRAINS_IT}


@pytest.mark.parametrize(
    "call", ["f('tiny', True)", "f(judge=yes)", "f(**options)", "f(*words)", "f('tiny', judge=False)"]
)
def test_a_planted_call_is_found(call):
    assert asks_for_the_judge(ast.parse(call.replace("f(", "idnb.load_identity_network(", 1))) == [1]
    assert not asks_for_the_judge(ast.parse("idnb.load_identity_network('paper', path=file)"))


@pytest.fixture(scope="module")
def judge():
    return idnb.load_identity_network("tiny", judge=True)


class Distance(nn.Module):
    """A perceptual distance that hides a network."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, a, b):
        return (self.network(a) - self.network(b)).square().sum(1)


def refused(judge):
    """Everything that takes an identity network, each as a call that hands it the judge."""
    generator, x_c = Generator.from_preset(TINY), torch.zeros(1, 3, 8, 8)
    picture, other = torch.zeros(1, 3, 128, 128), idnb.load_identity_network("tiny")
    hidden, encoder = Distance(judge), IdentityGuidedEncoder("low_res", TINY)
    return {
        "loss": lambda: EncoderLoss(judge, Distance(other)),
        "loss, one of two": lambda: EncoderLoss([other, judge], Distance(other)),
        "loss, as perceptual": lambda: EncoderLoss(other, hidden),
        "reconstruction": lambda: Reconstruction(picture, identity_network=judge),
        "reconstruction, as perceptual": lambda: Reconstruction(picture, hidden),
        "guidance": lambda: Guidance(x_c, picture, judge),
        "invert_images": lambda: invert_images(generator, picture, identity_network=judge),
        "invert_guided": lambda: invert_guided(generator, x_c, picture, judge),
        "pulse": lambda: pulse(generator, x_c, picture, judge),
        "hybrid": lambda: hybrid_guided(encoder, generator, x_c, picture, judge),
        "dual encoder": lambda: encoder.load_identity(judge),
        "pSp": lambda: PSpEncoder("low_res", TINY).load_identity(judge),
        "ReStyle": lambda: ReStyleEncoder("low_res", TINY).load_identity(judge),
    }


@pytest.mark.parametrize("who", list(refused(nn.Identity())))
def test_whatever_takes_an_identity_network_refuses_the_judge(judge, who):
    with pytest.raises(InputError, match="the held-out judge may enter no loss and no objective"):
        refused(judge)[who]()


def test_the_network_of_the_losses_is_taken():
    network = idnb.load_identity_network("tiny")
    assert not network.held_out
    assert EncoderLoss(network, Distance(network)).identity_networks[0] is network
    assert Guidance(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 64, 64), network).identity_network is network
