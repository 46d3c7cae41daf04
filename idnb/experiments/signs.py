"""Paired differences over training seeds, and whether their signs are the paper's: agrees, reversed, open.

Two variants with one seed saw the same people in the same order, so their difference is taken seed by seed. A sign
counts when the 95 % interval of Student's t holds no 0; else it is open, however the means stand.
"""

from __future__ import annotations

import itertools
from typing import Any

from idnb.evaluation.intervals import seed_interval
from idnb.experiments.columns import Column, table_columns, value_in
from idnb.experiments.paper import OURS, PAPER_TABLES
from idnb.experiments.stored import design_of, grouped, metric_of

__all__ = ["paired_difference", "sign_table", "verdict"]

Results = list[dict[str, Any]]

PAPER_COLUMN = {"perceptual": 0, "judge.training/similarity": 1, "judge.judge/similarity": 1, "frechet": 2}
"""Our column -> the paper's: LPIPS, IDSIM, FID."""


def paired_difference(one: Results, other: Results, key: str) -> tuple[float, float, float, int] | None:
    """Mean of one minus other over the training seeds that both have, its 95 % interval, and the number of seeds.

    None with fewer than two such seeds. key: a path in "metrics".
    """
    sides = []
    for runs in (one, other):
        metrics = {run["training"]["seed"]: metric_of(run, key) for run in runs if "training" in run}
        sides.append({seed: figure["value"] for seed, figure in metrics.items() if figure is not None})
    seeds = sorted(set(sides[0]) & set(sides[1]))
    if len(seeds) < 2:
        return None
    return *seed_interval([sides[0][seed] - sides[1][seed] for seed in seeds]), len(seeds)


def verdict(low: float, high: float, paper: float) -> str:
    """What an interval of a difference says of the paper's difference: "agrees", "reversed" or "open"."""
    if paper == 0 or low <= 0 <= high:
        return "open"
    return "agrees" if (low > 0) == (paper > 0) else "reversed"


def sign_table(table: str, results: Results) -> str:
    """Every pair of the paper's rows, the difference of ours in each column, and what it says of the paper's: Markdown.

    table: "table1" or "table2". results: stored ones of that table.
    """
    paper = PAPER_TABLES[table]
    groups = grouped(results)
    mine = {name: groups[OURS[name]] for name in paper if OURS[name] in groups}
    trained = [run for runs in mine.values() for run in runs if "training" in run] or results
    columns = [one for one in table_columns(trained, PAPER_COLUMN) if one.key in PAPER_COLUMN]
    heads = [f"{one.heading} {one.arrow}" for one in columns]
    lines = ["| second row minus first | seeds | " + " | ".join(heads) + " |", "|---" * (len(columns) + 2) + "|"]
    counts = dict.fromkeys(("agrees", "reversed", "open"), 0)
    for first, second in itertools.combinations(mine, 2):
        cells, seeds = [], 0
        for one in columns:
            place = PAPER_COLUMN[one.key]
            found = None
            if design_of(mine[first][0]) == design_of(mine[second][0]):
                found = paired_difference(mine[second], mine[first], one.key)
            said = "open" if found is None else verdict(found[1], found[2], paper[second][place] - paper[first][place])
            counts[said] += 1
            seeds = seeds if found is None else found[3]
            cells.append(f"–: {said}" if found is None else f"{signed(found, one)}: {said}")
        lines.append(f"| {second} − {first} | {seeds or 'none in common'} | " + " | ".join(cells) + " |")
    total = sum(counts.values())
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    return "\n".join(lines) + (
        f"\n\nOf {total} signs: {said}. In brackets 95 % intervals of Student's t over seeds, paired seed by seed; "
        f"open: the interval holds 0, or the two rows share no seeds and pairs. No correction for {total} comparisons "
        f"is made: about {total / 20:.0f} would be called by chance alone." + clash(paper, mine, columns)
    )


def signed(found: tuple[float, float, float, int], one: Column) -> str:
    """A difference with its sign and interval."""
    mean, low, high = (f"{one.factor * value:+.{one.digits}f}" for value in found[:3])
    return f"{mean} ({low} to {high})"


def clash(paper: dict[str, tuple[float, float, float]], mine: dict[str, Results], columns: list[Column]) -> str:
    """The row whose place by the paper's IDSIM is farthest from its place by ours, where it is two places or more."""
    one = next((one for one in columns if one.key == "judge.training/similarity"), None)
    if one is None:
        return ""
    values = {name: found[0] for name, runs in mine.items() if (found := value_in(runs, one))}
    ours = sorted(values, key=values.__getitem__, reverse=True)
    theirs = sorted(values, key=lambda name: paper[name][1], reverse=True)
    if not ours:
        return ""
    worst = max(ours, key=lambda name: abs(ours.index(name) - theirs.index(name)))
    if abs(ours.index(worst) - theirs.index(worst)) < 2:
        return ""
    runs = mine[worst]
    judged = metric_of(runs[0], "judge.judge/similarity")
    judge = "" if judged is None else f", by the held-out judge {judged['value']:.2f}"
    return (
        f"\n\nThe largest clash is {worst}: in the paper its IDSIM is {paper[worst][1]:.4f}, place "
        f"{theirs.index(worst) + 1} of {len(theirs)}; here it is {one.shown(values[worst])}{judge}, place "
        f"{ours.index(worst) + 1}, over {runs[0]['pairs']:,} pairs and {len(runs)} run{'s' * (len(runs) > 1)}."
    )
