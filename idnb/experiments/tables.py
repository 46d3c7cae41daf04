"""Tables of results as Markdown: at most seven columns, one n in each, rows in blocks, real pictures below."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.messages import printable
from idnb.experiments.columns import Column, cell, sizes_differ, table_columns, value_in
from idnb.experiments.sentences import sentences
from idnb.experiments.stored import BLOCKS, block_of, designs, grouped

__all__ = ["MEASURES", "method_table"]

MEASURES = 5
"""Columns of measures in a table; with the method and what its row rests on, seven."""

Results = list[dict[str, Any]]


def method_table(results: Results, keys: Iterable[str] | None = None) -> str:
    """Methods as rows, measures as columns, what real pictures give below: Markdown, as many tables as it takes.

    results: of one kind of contour and one mode; several runs of a method (seeds) become one row. Methods that were run
    on other numbers of pairs stand in a table of their own, as a distance between sets depends on that number.
    keys: which columns, see `idnb.experiments.columns`; None is all that were measured.
    """
    settings = {(result["setting"]["kind"], result["setting"]["mode"], result["set"]) for result in results}
    if len(settings) != 1:
        raise InputError(f"results of different kinds, modes or sets do not share a table: {sorted(settings)}")
    chosen = None if keys is None else list(keys)
    parts = []
    for (pairs, contours), members in (found := designs(results)).items():
        if len(found) > 1:
            parts.append(f"**On {pairs:,} pairs ({contours:,} contours):**")
        columns = table_columns(members, chosen)
        starts = range(0, len(columns), MEASURES)
        parts += [one_table(members, columns[start : start + MEASURES]) for start in starts]
        told = sentences(members, columns)
        parts += ["\n".join(f"- {sentence}" for sentence in told)] if told else []
    return "\n\n".join([*parts, note(results)])


def one_table(results: Results, columns: list[Column]) -> str:
    """One table of results of one design."""
    heads = [f"{one.heading} {one.arrow}".strip() for one in columns]
    lines = ["| method | n; runs; interval | " + " | ".join(heads) + " |", "|---" * (len(columns) + 2) + "|"]
    blocks = {name: [result for result in results if block_of(result) == name] for name in BLOCKS}
    blocks = {name: members for name, members in blocks.items() if members}
    for name, members in blocks.items():
        if len(blocks) > 1:
            lines.append(f"| **{name}** |" + " |" * (len(columns) + 1))
        for method, runs in grouped(members).items():
            cells = [cell(value_in(runs, one), one) for one in columns]
            mark = " †" if one_seed(runs) else ""
            lines.append(f"| {printable(method)}{mark} | {rests_on(runs)} | " + " | ".join(cells) + " |")
    for title, (count, row) in reference_rows(results[0], columns).items():
        if any(row):
            lines.append(f"| *{title}* | {count} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def one_seed(runs: Results) -> bool:
    """Whether a trained variant has one training only: what another seed would give is not in its interval."""
    return "training" in runs[0] and len(runs) == 1


def rests_on(runs: Results) -> str:
    """What a row rests on: pairs = contours x identities; runs; the kind of its interval."""
    pairs, contours, count = runs[0]["pairs"], runs[0]["contours"], runs[0]["setting"]["count"]
    whole = f"{pairs:,} = {contours} x {count}" if pairs == contours * count else f"{pairs:,} of {contours} contours"
    if len(runs) == 1:
        return f"{whole}; 1; bootstrap"
    return f"{whole}; {len(runs)}; t"


def reference_rows(result: dict[str, Any], columns: list[Column]) -> dict[str, tuple[str, list[str]]]:
    """What the measures give on real pictures: one person twice, two strangers, a contour's own photo, all photos.

    Returns title -> (what the row rests on, a text a column).
    """
    rows: dict[str, list[str]] = {"same": [], "strangers": [], "own": [], "crowd": []}
    distributions, oracle = result["distributions"], result["oracle"]
    for one in columns:
        name, _, measure = one.key.partition("/")
        known = distributions.get(name.removeprefix("judge."), {}) if name.startswith("judge.") else {}
        texts: dict[str, float | None] = {}
        if measure == "similarity" and known:
            texts = {who: known.get(who, {}).get("mean") for who in ("same", "strangers")}
        elif measure == "rank1" and known:
            texts = {"same": known["rank1"]}
        elif measure == "above_lower_quartile":
            texts = {"same": 0.75}
        elif name == "correlation":
            texts = {"own": oracle.get("correlation", {}).get(measure)}
        elif not measure and one.key.startswith(("frechet", "kernel")):
            texts = {"crowd": oracle.get(one.key)}
        elif not measure:
            texts = {"own": oracle.get(one.key)}
        for key, row in rows.items():
            value = texts.get(key)
            row.append("" if value is None else one.shown(value))
    asked: dict[str, Any] = next(iter(distributions.values()), {})
    counts = [asked.get(who, {}).get("n", 0) for who in ("same", "strangers")]
    return {
        "same person, two shots": (f"{counts[0]:,} pairs", rows["same"]),
        "two strangers": (f"{counts[1]:,} pairs", rows["strangers"]),
        "the contour's photo itself": (f"{result['contours']:,} photos", rows["own"]),
        "all real photos of the set": ("", rows["crowd"]),
    }


def note(results: Results) -> str:
    """One paragraph under a table: what was measured on what, and what the intervals are."""
    first = results[0]
    rendered = " of rendered people" if "correlation" in first["metrics"] else ""  # whose pose is known
    setting, measure = first["setting"], contour_kind(first["setting"]["kind"]).measure.title
    kinds = {len(runs) > 1 for members in designs(results).values() for runs in grouped(members).values()}
    words = {True: "t: Student's t over runs", False: "bootstrap: over contours, of one run"}
    perceptual = " and ".join(sorted({result["names"]["perceptual"] for result in results}))
    text = (
        f"Contours: {setting['kind']}, pairs: {setting['mode']} identity, set {first['set']!r}{rendered}, "
        f"n = contours x identities, none dropped. In brackets 95 % intervals "
        f"({'; '.join(words[kind] for kind in sorted(kinds, reverse=True))}). "
        f"{perceptual}{'' if sizes_differ(results) else f' and {measure}'} against the contour's photo."
    )
    marked = [runs for runs in grouped(results).values() if one_seed(runs)]
    if marked:
        text += " † One training: its interval says what other contours would change, and nothing about another seed."
    if sizes_differ(results):
        text += f" Contours differ in size, and {measure} at another size is another ruler: it is shown at one."
    return text
