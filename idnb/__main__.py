"""The command line: `idnb COMMAND ...`, the same as `python -m idnb COMMAND ...`.

Each command is a module with `add_arguments(parser)` and `run(args)`. Only the module of the command that was asked
for is imported, so `idnb --help` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from idnb.core.errors import InputError

__all__ = ["COMMANDS", "build_parser", "main"]

# Command -> (module, one line of help), in the order in which a newcomer would use them.
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("idnb.cli.doctor", "say what this machine can do, what is missing, and which command gets it"),
    "render": (
        "idnb.cli.render",
        "draw synthetic people: pictures, label maps, and all that is known of them",
    ),
    "data": ("idnb.cli.data", "check a folder of photographs before a run; merge the parts of its label maps"),
    "fetch": ("idnb.cli.fetch", "list the weights, and get those that are not part of the package"),
    "estimate": ("idnb.cli.estimate", "memory and time of training an encoder, before it is started"),
    "train": ("idnb.cli.train", "train a network of the course on rendered people; goes on where it stopped"),
    "generate": ("idnb.cli.generate", "a face with the contour of one picture and the identity of another"),
    "figure": ("idnb.cli.figure", "figures of the paper made anew: three kinds of contour, several identities"),
    "inspect": ("idnb.cli.inspect", "look into a network: sheets of samples, distances, what it can reproduce"),
    "evaluate": ("idnb.cli.evaluate", "measure methods on test pairs, with intervals, bands and a held-out judge"),
    "ablate": ("idnb.cli.ablate", "train the rows of an ablation, several seeds each, and measure them"),
    "results": ("idnb.cli.results", "tables and figures from stored results"),
    "export": ("idnb.cli.export_onnx", "networks as ONNX files, for programs other than Python"),
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of the whole command line.

    Args:
        command: the command whose arguments are wanted; the modules of all others stay unimported.

    Returns:
        A parser that stores the command's name as `command`.
    """
    parser = argparse.ArgumentParser(
        prog="idnb", description="GAN inversion by building it. The commands, in the order you will want them:"
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (module, summary) in COMMANDS.items():
        subparser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == command:
            import_module(module).add_arguments(subparser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `idnb`; those of the process when None.

    Returns:
        The exit code: 0 done, 1 done and something is amiss, 2 bad input, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), None)
    try:
        parser = build_parser(command)
        args = parser.parse_args(words)
        if args.version:
            import idnb

            print(f"idnb {idnb.__version__}")
            return 0
        if args.command is None:
            parser.print_help()
            return 0
        return int(import_module(COMMANDS[args.command][0]).run(args) or 0)
    except InputError as error:
        print(f"idnb: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("idnb: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `idnb fetch | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
