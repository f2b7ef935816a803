"""networks.build("pggan", 64, 3) at the quick profile's widths, without attention, and its step in eager PyTorch.

python torch_pggan.py THREADS (see torch_process.py). It is fully grown: what enters and leaves at earlier stages idles.
"""

import sys
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional
from torch_layers import HE_GAIN, EqualisedConv2d, EqualisedLinear, minibatch_deviation, normalised
from torch_process import serve
from torch_steps import CLASSES, WassersteinGP

LATENTS, EMBEDDING, COARSE = 128, 50, 8
WIDTHS = (64, 32, 16, 8)  # channels at 8 px, 16 px, ...


class Generator(nn.Module):
    """(B, 128), labels (B,) -> (B, 1, 64, 64) in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.label = nn.Embedding(CLASSES, EMBEDDING)
        dense = EqualisedLinear(LATENTS + EMBEDDING, COARSE**2 * WIDTHS[0], HE_GAIN / 4)
        doubling = (EqualisedConv2d(before, after, 3, HE_GAIN, up=True) for before, after in pairwise(WIDTHS))
        self.first = nn.ModuleList([dense, *doubling])
        self.second = nn.ModuleList(EqualisedConv2d(width, width, 3, HE_GAIN) for width in WIDTHS)
        self.to_image = nn.ModuleList(EqualisedConv2d(width, 1, 1) for width in WIDTHS)

    def forward(self, latents, labels):
        """The Keras map is (8, 8, 64), so the dense layer's numbers are ordered that way."""
        x = self.first[0](torch.cat([normalised(latents), normalised(self.label(labels))], dim=1))
        x = _activated(x.view(-1, COARSE, COARSE, WIDTHS[0]).permute(0, 3, 1, 2))
        x = self._finished(x, 0)
        for stage in range(1, len(WIDTHS)):
            x = self._finished(_activated(self.first[stage](x)), stage)
        return self.to_image[-1](x).tanh()

    def _finished(self, x, stage):
        return normalised(_activated(self.second[stage](normalised(x))))


class Critic(nn.Module):
    """(B, 1, 64, 64), labels (B,) -> (B, 1)."""

    def __init__(self):
        super().__init__()
        width = WIDTHS[0]
        self.label = nn.Embedding(CLASSES, width)
        self.from_image = nn.ModuleList(EqualisedConv2d(1, after, 1, HE_GAIN) for after in WIDTHS)
        same = (EqualisedConv2d(after, after, 3, HE_GAIN) for after in WIDTHS[1:])
        self.first = nn.ModuleList([EqualisedConv2d(width + 1, width, 3, HE_GAIN), *same])
        widening = (EqualisedConv2d(before, after, 3, HE_GAIN) for after, before in pairwise(WIDTHS))
        self.second = nn.ModuleList([EqualisedLinear(COARSE**2 * width, width, HE_GAIN), *widening])
        self.score = EqualisedLinear(width, 1)

    def forward(self, images, labels):
        """f(phi) + <e_y, phi>; the numbers of the last map are in Keras's order, (8, 8, 64)."""
        x = _activated(self.from_image[-1](images))
        for stage in range(len(WIDTHS) - 1, 0, -1):
            x = functional.avg_pool2d(_activated(self.second[stage](_activated(self.first[stage](x)))), 2)
        x = _activated(self.first[0](minibatch_deviation(x)))
        phi = _activated(self.second[0](x.permute(0, 2, 3, 1).flatten(1)))
        return self.score(phi) + (self.label(labels) * phi).sum(dim=1, keepdim=True) / WIDTHS[0] ** 0.5


def _activated(x):
    return functional.leaky_relu(x, 0.2)


if __name__ == "__main__":
    serve(WassersteinGP(Generator(), Critic(), 16, 2, LATENTS, 1e-3, (0.0, 0.9)), sys.argv[1])
