"""`idnb train WHAT`: every learned network of the package, each by one command."""

import argparse
from importlib import import_module

__all__ = ["NETWORKS", "add_arguments", "run"]

# What -> (module with add_arguments(parser, what) and run(args), one line of help), in the order of the course.
NETWORKS: dict[str, tuple[str, str]] = {
    "identity": ("idnb.cli.train_identity", "ArcFace on rendered people: the network that losses use"),
    "judge": ("idnb.cli.train_identity", "the held-out judge of identity: another network, used in no loss"),
    "generator": ("idnb.cli.train_generator", "StyleGAN2 on rendered people: the generator that is inverted"),
    "encoder": ("idnb.cli.train_encoder", "the dual encoder for one kind of contour: the paper's own network"),
    "parser": ("idnb.cli.train_measuring", "the label map of a face, to measure outputs with; used in no loss"),
    "attributes": (
        "idnb.cli.train_measuring",
        "pose, light and shape of a face, to measure outputs with; used in no loss",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand for each network."""
    networks = parser.add_subparsers(dest="network", metavar="WHAT", title="networks", required=True)
    for name, (module, summary) in NETWORKS.items():
        subparser = networks.add_parser(name, help=summary, description=summary)
        import_module(module).add_arguments(subparser, name)


def run(args: argparse.Namespace) -> int:
    """Train the network that was asked for; an interrupted run goes on where it stopped."""
    return int(import_module(NETWORKS[args.network][0]).run(args) or 0)
