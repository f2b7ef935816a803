"""networks.build("cgan", 64, 3) and the WGAN-GP step in eager PyTorch.

python torch_wgan_gp.py VARIANT THREADS (see torch_process.py).
VARIANT is "plain", the step as it is usually written, or "savings", which takes what ours saves too: upsampling merged
into the convolution, the last critic's fakes used for the generator, and channels last in memory.
"""

import sys

import torch
from torch import nn
from torch.nn import functional
from torch_layers import upsampled_convolution
from torch_process import serve
from torch_steps import CLASSES, WassersteinGP

LATENTS = 100


class UpsampledConv2d(nn.Conv2d):
    """Bilinear upsampling by 2 over zeros around it, then a 3x3 convolution; merged: a quarter of the products."""

    def __init__(self, before, after, merged):
        super().__init__(before, after, 3, bias=False)
        self.merged = merged

    def forward(self, x):
        """(B, C, H, W) -> (B, D, 2H, 2W)."""
        if not self.merged:
            surrounded = functional.pad(x, (1, 1, 1, 1))
            return super().forward(functional.interpolate(surrounded, scale_factor=2, mode="bilinear")[..., 1:-1, 1:-1])
        return upsampled_convolution(x, self.weight)


class Generator(nn.Module):
    """(B, 100), labels (B,) -> (B, 1, 64, 64) in [-1, 1]."""

    def __init__(self, merged):
        super().__init__()
        self.label = nn.Embedding(CLASSES, 50)
        self.dense = nn.Linear(LATENTS + 50, 8 * 8 * 512, bias=False)
        layers = []
        for before, after in ((512, 256), (256, 128), (128, 64)):
            layers += [_batch_norm(before), nn.ReLU(), UpsampledConv2d(before, after, merged)]
        self.blocks = nn.Sequential(*layers, _batch_norm(64), nn.ReLU(), nn.Conv2d(64, 1, 3, padding=1), nn.Tanh())

    def forward(self, latents, labels):
        """The Keras map is (8, 8, 512), so the dense layer's numbers are ordered that way."""
        x = self.dense(torch.cat([latents, self.label(labels)], dim=1))
        return self.blocks(x.view(-1, 8, 8, 512).permute(0, 3, 1, 2))


class Critic(nn.Module):
    """(B, 1, 64, 64), labels (B,) -> (B, 1)."""

    def __init__(self):
        super().__init__()
        layers = []
        for before, after in ((1, 64), (64, 128), (128, 256), (256, 512)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.blocks = nn.Sequential(*layers)
        self.label = nn.Embedding(CLASSES, 4 * 4 * 512)
        self.score = nn.Linear(4 * 4 * 512, 1)

    def forward(self, images, labels):
        """f(phi) + <e_y, phi>; the numbers of phi are in Keras's order, (4, 4, 512)."""
        phi = self.blocks(images).permute(0, 2, 3, 1).flatten(1)
        return self.score(phi) + (self.label(labels) * phi).sum(dim=1, keepdim=True)


def _batch_norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)


def trainer(savings):
    """The step, all in one layout."""
    layout = torch.channels_last if savings else torch.contiguous_format
    networks = (network.to(memory_format=layout) for network in (Generator(savings), Critic()))
    found = WassersteinGP(*networks, 32, 5, LATENTS, 1e-4, (0.5, 0.9), shared=savings)
    found.images = found.images.contiguous(memory_format=layout)
    return found


if __name__ == "__main__":
    serve(trainer(sys.argv[1] == "savings"), sys.argv[2])
