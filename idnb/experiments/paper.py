"""The paper's own tables of numbers, and which of our rows stands for which of its."""

from __future__ import annotations

__all__ = ["OURS", "PAPER_TABLE_1", "PAPER_TABLE_2", "PAPER_TABLES", "paper_table"]

Rows = dict[str, tuple[float, float, float]]

# Bai et al., tables 1 and 2: LPIPS, IDSIM, FID. CelebA-HQ at 1024 px; their numbers and ours do not compare.
PAPER_TABLE_1: Rows = {
    "pSp": (0.2911, 0.6067, 67.9132),
    "ReStyle": (0.2913, 0.4431, 72.8556),
    "PULSE": (0.2758, 0.0215, 29.6793),
    "the paper's encoder": (0.2740, 0.7733, 57.6614),
}
PAPER_TABLE_2: Rows = {
    "baseline": (0.2913, 0.4431, 72.8556),
    "+ IFBlock": (0.2862, 0.6681, 63.2523),
    "+ input latent": (0.2782, 0.7620, 60.8977),
    "+ pretrained identity": (0.2740, 0.7733, 57.6614),
}
PAPER_TABLES = {"table1": PAPER_TABLE_1, "table2": PAPER_TABLE_2}

OURS = {
    "pSp": "pSp",
    "ReStyle": "ReStyle",
    "PULSE": "pulse",
    "the paper's encoder": "dual, trained alike",
    "baseline": "baseline: identity stacked on the input",
    "+ IFBlock": "+ IFBlock",
    "+ input latent": "+ input latent",
    "+ pretrained identity": "+ pretrained identity (the full encoder)",
}
"""A row of the paper -> the method of ours."""


def paper_table(rows: Rows) -> str:
    """The paper's own numbers, marked as such: Markdown."""
    lines = ["| as printed in the paper (CelebA-HQ, 1024 px) | LPIPS ↓ | IDSIM ↑ | FID ↓ |", "|---|---|---|---|"]
    lines += [f"| {name} | {lpips:.4f} | {idsim:.4f} | {fid:.2f} |" for name, (lpips, idsim, fid) in rows.items()]
    return "\n".join(lines) + "\n\nOther faces, other networks: only the order of rows compares with ours."
