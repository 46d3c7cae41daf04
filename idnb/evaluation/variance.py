"""Where the variance of a map comes from: channel, position, person, and person x position.

"gamma depends on the position" may mean one template that everybody shares, or positions that differ between people.
Only the second says something about a person that a vector cannot hold.
"""

from __future__ import annotations

from torch import Tensor

from idnb.core.errors import InputError

__all__ = ["split_variance"]


def split_variance(maps: Tensor) -> dict[str, float]:
    """Shares of the variance of maps by where it comes from; they add up to 1.

    maps: [N, C, H, W], gamma or beta of N people, two at least. Returns

        channel            each channel has a value of its own
        position           each channel has one map that is the same for everybody
        person             each person has one value in each channel: what a vector can hold
        person x position  the rest: positions that differ between people, which only a tensor can hold

    Each is the mean square of one layer of the sum  x = mean + channel + position + person + rest,  whose layers are
    orthogonal (two-way analysis of variance within each channel). Maps that are all alike have shares of 0.
    Raises InputError for another shape.
    """
    if maps.ndim != 4 or len(maps) < 2:
        raise InputError(f"maps: expected [N, C, H, W] of two people at least, got {list(maps.shape)}")
    x = maps.double()
    centre = x.mean(dim=(0, 2, 3), keepdim=True)  # [1, C, 1, 1]
    position = x.mean(dim=0, keepdim=True) - centre  # [1, C, H, W]
    person = x.mean(dim=(2, 3), keepdim=True) - centre  # [N, C, 1, 1]
    layers = {
        "channel": centre - x.mean(),
        "position": position,
        "person": person,
        "person x position": x - centre - position - person,
    }
    squares = {name: float(layer.square().mean()) for name, layer in layers.items()}
    total = sum(squares.values())
    return {name: square / total if total else 0.0 for name, square in squares.items()}
