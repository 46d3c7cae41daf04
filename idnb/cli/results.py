"""`idnb results`: tables as Markdown and figures, from stored results; nothing is measured again."""

from __future__ import annotations

import argparse
from pathlib import Path

from idnb.cli.outputs import add_overwrite, check_outputs, figure_name
from idnb.core.errors import InputError
from idnb.core.messages import printable
from idnb.evaluation.store import RESULTS
from idnb.experiments.ablation import report
from idnb.experiments.columns import MAIN
from idnb.experiments.generators import generator_table
from idnb.experiments.pages import fill_pages, put_into
from idnb.experiments.paper import PAPER_TABLES
from idnb.experiments.signs import sign_table
from idnb.experiments.stored import read_results
from idnb.experiments.tables import method_table
from idnb.experiments.variants import TABLES

__all__ = ["add_arguments", "run"]

FIGURES = ("figure3", "variants", "ambiguity_curve", "tradeoff_curve", "judges")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb results`."""
    parser.add_argument(
        "what",
        choices=["methods", *TABLES, "signs", "generators", "pages", *FIGURES],
        help="methods: a table of `idnb evaluate` runs; the tables of `idnb ablate`; signs: differences between rows "
        "beside the paper's; generators: those of `idnb inspect generator --store`; "
        "pages: every table of README.md and docs/ into its place; figure3: methods side by side; "
        "variants: one measure with intervals; ambiguity_curve; "
        "tradeoff_curve: contour against person; judges: network of the loss against the held-out judge",
    )
    parser.add_argument("--results", default=None, help="folder of results; those of the package when not given")
    parser.add_argument("--kind", default=None, help="only results of this kind of contour")
    parser.add_argument("--mode", default=None, help="only results of these pairs: any, same, other")
    parser.add_argument("--data", default="test", help="set that figure3 shows (default test)")
    parser.add_argument(
        "--all", action="store_true", help="every column that was measured, not only those that say most"
    )
    parser.add_argument("--out", default=None, help="file for the figure")
    add_overwrite(parser)
    parser.add_argument("--into", default=None, help="put the table into this page, between its two comments")


def text_of(args: argparse.Namespace) -> str:
    """The text that a command prints: a table, or the signs of both tables."""
    folder = Path(args.results) if args.results else RESULTS
    keys = None if args.all else MAIN
    if args.what == "methods":
        return method_table(read_results(folder, args.kind, args.mode), keys)
    if args.what == "signs":
        return "\n\n".join(sign_table(table, read_results(folder / table)) for table in PAPER_TABLES)
    if args.what == "generators":
        return generator_table(folder / "generators")
    return report(args.what, folder / args.what, keys)


def run(args: argparse.Namespace) -> int:
    """Print the table, or draw the figure."""
    folder = Path(args.results) if args.results else RESULTS
    if args.what == "pages":
        parser = argparse.ArgumentParser(exit_on_error=False)
        add_arguments(parser)

        def table_of(words: list[str]) -> str:
            wanted = parser.parse_args(words)
            return "" if wanted.what in (*FIGURES, "pages") else text_of(wanted)

        print(f"{fill_pages(Path('.'), table_of)} tables are in their places")
        return 0
    if args.what not in FIGURES:
        text = text_of(args)
        if args.into:
            words = ["idnb results", args.what, *(["--kind", args.kind] if args.kind else []), *["--all"] * args.all]
            put_into(Path(args.into), " ".join(words), text)
        else:
            print(text)
        return 0
    if not args.out:
        raise InputError(f"{args.what} is a figure; say where it shall go with --out FILE.png")
    figure_name(args.out)
    check_outputs([("the figure", [Path(args.out)])], [Path(args.data)], args.overwrite)
    from idnb.experiments import figures
    from idnb.plots.style import save_figure

    results = read_results(folder, args.kind, args.mode)
    if args.what == "figure3":
        from idnb.faces.sources import load_faces

        fig = figures.methods_figure(results, load_faces(args.data, otherwise="test"))
    elif args.what == "variants":
        fig = figures.variants_figure(results)
    elif args.what == "ambiguity_curve":
        fig = figures.ambiguity_figure(results)
    elif args.what == "tradeoff_curve":
        fig = figures.tradeoff_figure(results)
    else:
        fig = figures.judges_figure(results)
    save_figure(fig, args.out)
    print(f"wrote {printable(args.out)}")
    return 0
