"""networks.build("gan", 64) and its step in eager PyTorch: python torch_gan.py THREADS (see torch_process.py)."""

import sys

from torch import nn
from torch_process import serve
from torch_steps import NonSaturating

LATENTS, PIXELS = 100, 64 * 64


def generator():
    """(B, 100) -> (B, 1, 64, 64) in [-1, 1]."""
    layers = []
    for before, after in ((LATENTS, 256), (256, 512), (512, 1024)):
        batch_norm = nn.BatchNorm1d(after, eps=1e-3, momentum=0.1)
        layers += [nn.Linear(before, after, bias=False), batch_norm, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(1024, PIXELS), nn.Tanh(), nn.Unflatten(1, (1, 64, 64)))


def discriminator():
    """(B, 1, 64, 64) -> (B, 1)."""
    layers = [nn.Flatten()]
    for before, after in ((PIXELS, 1024), (1024, 512), (512, 256)):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(256, 1))


if __name__ == "__main__":
    serve(NonSaturating(generator(), discriminator(), 64, LATENTS, 2e-4, (0.5, 0.999), r1=1.0), sys.argv[1])
