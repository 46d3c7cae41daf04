"""The command line: `idnb COMMAND ...`, the same as `python -m idnb COMMAND ...`.

Each command is a module with `add_arguments(parser)` and `run(args)`. Only the module of the command that was asked
for is imported, so `idnb --help` answers at once.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from idnb.cli.arguments import Parser, expand_home
from idnb.cli.memory import memory_told
from idnb.core.errors import InputError
from idnb.core.messages import explain

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
    "inspect": ("idnb.cli.inspect", "look into a network: sheets of samples, distances, what it can draw again"),
    "evaluate": (
        "idnb.cli.evaluate",
        "measure methods on test pairs, with intervals, genuine and impostor scores, a held-out judge",
    ),
    "game": ("idnb.cli.game", "likeness to an eye: sheets that ask which of four people is drawn, and the score"),
    "ablate": ("idnb.cli.ablate", "train the rows of an ablation, several seeds each, and measure them"),
    "results": ("idnb.cli.results", "tables and figures from stored results"),
    "export": ("idnb.cli.export_onnx", "networks as ONNX files, for programs other than Python"),
    "reproduce": ("idnb.cli.reproduce", "all stages of the recipe, from the renderer to the bundled weights"),
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of the whole command line.

    command: the command whose arguments are wanted; the modules of all others stay unimported.
    Returns a parser that stores the command's name as `command`.
    """
    parser = Parser(
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

    argv: the words after `idnb`; those of the process when None.
    Returns the exit code: 0 done, 1 done and something is amiss, 2 bad input or a disk that fails, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal or file that is not UTF-8 gets escapes, never an error
            stream.reconfigure(errors="backslashreplace")
    try:
        with _stopped_from_outside():
            code = _run(words)
            _flush_output()  # here, where a full disk can still be told; at the interpreter's end nobody listens
            return code
    except KeyboardInterrupt:
        print("idnb: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `idnb fetch | head -1`
        _drop_output()
        return 0
    except (InputError, OSError) as error:
        print(f"idnb: {explain(error)}", file=sys.stderr)
        _drop_output()
        return 2


def _run(words: list[str]) -> int:
    command = next((word for word in words if not word.startswith("-")), None)
    parser = build_parser(command)
    args = parser.parse_args(words)
    if args.version:
        import idnb

        print(f"idnb {idnb.__version__}")
        return 0
    if args.command is None:
        parser.print_help()
        return 0
    with memory_told(args):
        return int(import_module(COMMANDS[args.command][0]).run(expand_home(args)) or 0)


def _flush_output() -> None:
    """Write what was printed. Raises OSError that says so where it cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "what was printed") from error


def _drop_output() -> None:
    """Where what was printed cannot be written any more, let the interpreter not try again at its end."""
    try:
        _flush_output()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _stopped_from_outside() -> Iterator[None]:
    """Let SIGTERM end a command as an error does: half-written files are removed and children stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    raise SystemExit(main())
