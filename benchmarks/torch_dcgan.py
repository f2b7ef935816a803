"""networks.build("dcgan", 64) and its step in eager PyTorch: python torch_dcgan.py THREADS (see torch_process.py)."""

import sys

from torch import nn
from torch_process import serve
from torch_steps import NonSaturating

LATENTS = 100


class Generator(nn.Module):
    """(B, 100) -> (B, 1, 64, 64) in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(LATENTS, 4 * 4 * 512, bias=False)
        layers = []
        for before, after in ((512, 256), (256, 128), (128, 64)):
            layers += [_batch_norm(before), nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
        self.blocks = nn.Sequential(*layers, _batch_norm(64), nn.ReLU(), nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh())

    def forward(self, latents):
        """The Keras map is (4, 4, 512), so the dense layer's numbers are ordered that way."""
        return self.blocks(self.dense(latents).view(-1, 4, 4, 512).permute(0, 3, 1, 2))


class Discriminator(nn.Module):
    """(B, 1, 64, 64) -> (B, 1)."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after in ((64, 128), (128, 256), (256, 512)):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), _batch_norm(after), nn.LeakyReLU(0.2)]
        self.blocks = nn.Sequential(*layers)
        self.score = nn.Linear(4 * 4 * 512, 1)

    def forward(self, images):
        """The numbers of the last map are in Keras's order, (4, 4, 512)."""
        return self.score(self.blocks(images).permute(0, 2, 3, 1).flatten(1))


def _batch_norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)


if __name__ == "__main__":
    serve(NonSaturating(Generator(), Discriminator(), 64, LATENTS, 2e-4, (0.5, 0.999)), sys.argv[1])
