"""The additive angular margin: what makes an embedding tell people apart.

A classifier over the training people whose weights are one unit vector a person. Its logit for a person is the cosine
of the angle between embedding and that vector. The margin makes the right answer harder by adding an angle to it, so
that shots of one person must come closer together than plain softmax asks.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ArcFaceHead", "CosFaceHead", "add_angular_margin"]


def add_angular_margin(cosine: Tensor, margin: float) -> Tensor:
    """cos(theta + margin) from cos(theta), safe at both ends.

    cosine: any shape, values in [-1, 1] (rounding beyond is clamped).
    margin: angle in radians, 0 <= margin < pi.
    Returns the same shape. Uses cos(t + m) = cos t cos m - sin t sin m. Past t = pi - m, where cos(t + m) would rise
    again and reward a worse embedding, it goes on as cos t - (1 - cos m): same value at the seam, still falling.
    Source: ArcFace, equation 3.
    """
    cosine = cosine.clamp(-1.0, 1.0)
    # The slope of the root is infinite at 0; held above 1e-6 its gradient is finite (zero inside the held range).
    sine = (1.0 - cosine * cosine).clamp_min(1e-6).sqrt()
    shifted = cosine * math.cos(margin) - sine * math.sin(margin)
    beyond = cosine - (1.0 - math.cos(margin))
    return torch.where(cosine > math.cos(math.pi - margin), shifted, beyond)


class ArcFaceHead(nn.Module):
    """Loss of an embedding against the person it belongs to, with the margin added to the angle.

    embedding: length of the vectors; identities: number of training people.
    scale: s of the paper, the inverse temperature. margin: m of the paper, in radians; may be changed while training.
    Source: ArcFace, equation 3: -log(e^{s cos(t_y + m)} / (e^{s cos(t_y + m)} + sum_{j != y} e^{s cos t_j})).
    """

    def __init__(self, embedding: int, identities: int, scale: float = 32.0, margin: float = 0.5) -> None:
        super().__init__()
        self.scale = scale
        self.margin = margin
        self.weight = nn.Parameter(torch.empty(identities, embedding))
        nn.init.normal_(self.weight, std=0.01)

    def penalise(self, cosine: Tensor) -> Tensor:
        """The right person's cosines [B] with the margin applied."""
        return add_angular_margin(cosine, self.margin)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """embeddings: [B, embedding], length one. Returns the cosine to every person, [B, identities]."""
        return F.linear(embeddings, F.normalize(self.weight, dim=1))

    def forward(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        """embeddings: [B, embedding], length one; identity: [B] long. Returns the mean loss (a scalar)."""
        cosine = self.cosines(embeddings)  # [B, identities]
        rows = torch.arange(len(identity), device=cosine.device)
        target = self.penalise(cosine[rows, identity])  # [B]
        logits = cosine.index_put((rows, identity), target)  # [B, identities]
        return F.cross_entropy(self.scale * logits, identity)


class CosFaceHead(ArcFaceHead):
    """The same classifier with the margin taken off the cosine; the judge is trained with this one.

    Source: Wang et al., "CosFace", CVPR 2018, equation 4.
    """

    def penalise(self, cosine: Tensor) -> Tensor:
        """The right person's cosines [B] less the margin."""
        return cosine - self.margin
