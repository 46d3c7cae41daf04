"""What a table shows, one sentence a block, made from its numbers; a sentence that intervals do not carry says so."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from idnb.experiments.columns import Column, value_in
from idnb.experiments.signs import paired_difference
from idnb.experiments.stored import BLOCKS, block_of, grouped, metric_of

__all__ = ["scatter", "sentences"]

Results = list[dict[str, Any]]
JUDGE = "judge.judge/similarity"


def sentences(results: Results, columns: list[Column]) -> list[str]:
    """One sentence for each block of results of one design, and one about the scatter of seeds where there are some.

    columns: of their table. Blocks of which nothing can be said have no sentence.
    """
    found = []
    for name in BLOCKS:
        members = [result for result in results if block_of(result) == name]
        rest = [result for result in results if block_of(result) != name]
        if not members:
            continue
        if name == "trained alike":
            found.append(of_arms(members, columns))
            found.append(scatter(members, columns))
        elif name == "bundled":
            way = share_of_the_way(name, members, columns)
            found.append(way + rulers_of(members[0]) if way else "")
        elif name in ("searches", "do nothing"):
            found.append(share_of_the_way(name, members, columns) if name == "searches" else "")
            found.append(of_others(name, members, rest, columns) if rest else "")
        elif name == "ideal results":
            drawn = [result for result in rest if block_of(result) != "do nothing"]
            found.append(beyond_ideal(members, drawn, columns) if drawn else "")
    return [sentence for sentence in found if sentence]


def lead(columns: list[Column]) -> Column | None:
    """The column that a sentence is about: likeness by the held-out judge."""
    return next((one for one in columns if one.key == JUDGE), None)


def of_arms(results: Results, columns: list[Column]) -> str:
    """Which variant is first, and whether the way to the next is more than seeds explain."""
    one, groups = lead(columns), grouped(results)
    if one is None or len(groups) < 2:
        return ""
    values = {name: found[0] for name, runs in groups.items() if (found := value_in(runs, one))}
    first, second = sorted(values, key=values.__getitem__, reverse=True)[:2]
    text = f"Trained alike: by {one.heading}, {first!r} is first ({one.shown(values[first])}) "
    text += f"and {second!r} next ({one.shown(values[second])}); "
    difference = paired_difference(groups[first], groups[second], one.key)
    if difference is None:
        return text + "with one seed in common at most, which of the two is ahead stays open."
    mean, low, high, seeds = difference
    carried = "more than seeds explain" if low > 0 else "open, as the interval holds 0"
    return text + f"paired over {seeds} seeds {one.shown(mean)} ({one.shown(low)}–{one.shown(high)}): {carried}."


def scatter(results: Results, columns: list[Column]) -> str:
    """Scatter over seeds by variant, and how many comparisons rest on one seed."""
    one, groups = lead(columns), grouped(results)
    if one is None:
        return ""
    many = {name: runs for name, runs in groups.items() if len(runs) > 1}
    single = len(groups) - len(many)
    parts = []
    if many:
        spreads = []
        for name, runs in many.items():
            values = [metric["value"] for run in runs if (metric := metric_of(run, one.key)) is not None]
            spreads.append(f"{name!r} {one.factor * np.std(values, ddof=1):.{one.digits}f}")
        parts.append(f"Scatter over seeds (standard deviation), {one.heading}: {', '.join(spreads)}.")
    if single and len(groups) > 1:
        pairs = len(list(itertools.combinations(groups, 2))) - len(list(itertools.combinations(many, 2)))
        count = pairs * len([one for one in columns if one.arrow])
        parts.append(
            f"{count} comparisons (pairs of rows x columns) rest on a row of one seed; with no effect at all about "
            f"{count / 20:.0f} of them would be called different at 95 %, and the seeds' own scatter comes on top."
        )
    return " ".join(parts)


def share_of_the_way(block: str, results: Results, columns: list[Column]) -> str:
    """How far each method of a block is on the way from strangers to the same person."""
    one, texts = lead(columns), []
    real = results[0]["distributions"].get("judge")
    if one is None or not real or real["same"].get("mean") is None or real["strangers"].get("mean") is None:
        return ""
    low, high = real["strangers"]["mean"], real["same"]["mean"]
    for name, runs in grouped(results).items():
        value = value_in(runs, one)
        if value is not None:
            texts.append(f"{name!r} {100 * (value[0] - low) / (high - low):.0f} %")
    title = block.capitalize()
    return f"{title}: share of the way from two strangers to one person, by {one.heading}: {', '.join(texts)}."


def rulers_of(result: dict[str, Any]) -> str:
    """What the same pictures measure at every contour size: each size is a ruler of its own."""
    sides = [side for side in result["metrics"].get("psnr_at", {}) if side.isdigit()]
    if len(sides) < 2:
        return ""
    told = ", ".join(f"{result['metrics']['psnr_at'][side]['value']:.1f} dB at {side} px" for side in sides)
    return f" The same pictures of {result['setting']['method']!r}, by contours of other sizes: {told}."


def beyond_ideal(ideal: Results, drawn: Results, columns: list[Column]) -> str:
    """In which columns a method is better than the ideal result of the same pairs."""
    compared, beyond = 0, []
    for one in (one for one in columns if one.arrow):
        best = value_in(ideal, one)
        values = {name: found[0] for name, runs in grouped(drawn).items() if (found := value_in(runs, one))}
        if best is None or not values:
            continue
        compared += 1
        first = max(values, key=lambda name: one.sign * values[name])
        if one.sign * values[first] > one.sign * best[0]:
            beyond.append(f"{one.heading} ({first!r} {one.shown(values[first])}, ideal {one.shown(best[0])})")
    if not beyond:
        return f"Ideal results: no method is better in any of {compared} columns."
    text = (
        f"Ideal results: a method is better than they are in {len(beyond)} of {compared} columns: {', '.join(beyond)}."
    )
    return text + " There a better value is no better picture."


def of_others(name: str, members: Results, rest: Results, columns: list[Column]) -> str:
    """In which columns a block of searches, or of methods that do nothing, has the best value of all on these pairs."""
    won = []
    for one in (one for one in columns if one.arrow):
        sides = [
            {m: one.sign * found[0] for m, runs in grouped(group).items() if (found := value_in(runs, one))}
            for group in (members, rest)
        ]
        if all(sides) and max(sides[0].values()) > max(sides[1].values()):  # a tie is no win
            won.append(f"{one.heading} ({max(sides[0], key=sides[0].__getitem__)!r})")
    head = "Searches" if name == "searches" else "Doing nothing"
    if not won:
        return f"{head}: best of all rows on these pairs in no column."
    total = len([one for one in columns if one.arrow])
    text = f"{head}: best of all rows on these pairs in {len(won)} of {total} columns: {', '.join(won)}."
    return text + ("" if name == "searches" else " Such a column alone does not show that a method works.")
