"""networks.build("stylegan2", 64) at the quick profile's widths and its step in eager PyTorch.

python torch_stylegan2.py THREADS (see torch_process.py). R1 at every 16th step, path lengths at every fourth.
"""

import math
import sys

import torch
from torch import nn
from torch.nn import functional
from torch_layers import HE_GAIN, EqualisedConv2d, EqualisedLinear, minibatch_deviation, normalised, upsampled
from torch_process import serve
from torch_steps import NonSaturating

LATENTS, WIDTHS = 128, (64, 64, 64, 32, 16)  # channels at 4 px, 8 px, ...
NUM_WS = 2 * len(WIDTHS)
PATH_LENGTHS, PATH_INTERVAL = 2.0, 4  # weight of the penalty, steps between two


class Mapping(nn.Module):
    """Latents (B, 128) -> w (B, 128); two layers with a hundredth of the learning rate."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(EqualisedLinear(LATENTS, LATENTS, multiplier=0.01) for _ in range(2))
        self.register_buffer("w_avg", torch.zeros(LATENTS))

    def forward(self, latents):
        """In training the running mean follows."""
        x = normalised(latents)
        for layer in self.layers:
            x = activated(layer(x))
        if self.training:
            self.w_avg.lerp_(x.detach().mean(dim=0), 0.002)
        return x


class ModulatedConv2d(EqualisedConv2d):
    """Karras et al. 2020, section 2.2, by scaled maps and one convolution, as the authors' code has it in training."""

    def __init__(self, before, after, kernel, demodulate=True, up=False):
        super().__init__(before, after, kernel, up=up)
        self.affine, self.demodulate = EqualisedLinear(LATENTS, before), demodulate

    def forward(self, x, w):
        """(B, C, H, W), (B, 128) -> (B, D, H, W), or twice the size."""
        styles, weight = 1 + self.affine(w), self.weight * self.scale
        x = self.convolved(x * styles[:, :, None, None], weight)
        if self.demodulate:
            power = functional.linear(styles.square(), weight.square().sum(dim=(2, 3)))
            x = x * (power + 1e-8).rsqrt()[:, :, None, None]
        return x + self.bias[:, None, None]


class Noise(nn.Module):
    """One map of noise for all channels, times a strength that starts at 0."""

    def __init__(self):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        """New for each image."""
        return x + self.strength * torch.randn(len(x), 1, *x.shape[2:])


class StyledConv2d(nn.Module):
    """Modulated convolution, noise, activation."""

    def __init__(self, before, after, up=False):
        super().__init__()
        self.convolution, self.noise = ModulatedConv2d(before, after, 3, up=up), Noise()

    def forward(self, x, w):
        """(B, C, H, W), (B, 128) -> (B, D, H, W), or twice the size."""
        return activated(self.noise(self.convolution(x, w)))


class Synthesis(nn.Module):
    """ws (B, 10, 128) -> (B, 1, 64, 64): the sum of every resolution's image."""

    def __init__(self):
        super().__init__()
        self.constant = nn.Parameter(torch.randn(WIDTHS[0], 4, 4))
        self.resolutions = nn.ModuleList()
        for before, width in zip((None, *WIDTHS), WIDTHS, strict=False):
            layers = [StyledConv2d(before, width, up=True)] if before else []
            layers += [StyledConv2d(width, width), ModulatedConv2d(width, 1, 1, demodulate=False)]
            self.resolutions.append(nn.ModuleList(layers))

    def forward(self, ws):
        """A resolution's image takes the vector of the next layer."""
        x, image, place = self.constant.expand(len(ws), -1, -1, -1), None, 0
        for *convolutions, to_image in self.resolutions:
            for convolution in convolutions:
                x = convolution(x, ws[:, place])
                place += 1
            part = to_image(x, ws[:, place])
            image = part if image is None else part + upsampled(image)
        return image


class Generator(nn.Module):
    """(B, 128) -> (B, 1, 64, 64)."""

    def __init__(self):
        super().__init__()
        self.mapping, self.synthesis = Mapping(), Synthesis()

    def styles(self, latents):
        """(B, 128) -> (B, 10, 128); in training nine in ten take the last ones from another latent."""
        if not self.training:
            return self.mapping(latents)[:, None].expand(-1, NUM_WS, -1)
        first, second = self.mapping(torch.cat([latents, torch.randn_like(latents)])).chunk(2)
        crossover = torch.randint(1, NUM_WS, (len(latents), 1))
        crossover = torch.where(torch.rand(len(latents), 1) < 0.9, crossover, NUM_WS)
        kept = torch.arange(NUM_WS) < crossover
        return torch.where(kept[..., None], first[:, None], second[:, None])

    def forward(self, latents):
        """All of it."""
        return self.synthesis(self.styles(latents))


class Block(nn.Module):
    """(B, C, H, W) -> (B, D, H / 2, W / 2), with a skip."""

    def __init__(self, before, after):
        super().__init__()
        self.first = EqualisedConv2d(before, before, 3)
        self.second = EqualisedConv2d(before, after, 3, down=True)
        self.skip = EqualisedConv2d(before, after, 1, gain=math.sqrt(0.5), down=True, bias=False)

    def forward(self, x):
        """Both branches carry half of the variance."""
        return functional.leaky_relu(self.second(activated(self.first(x))), 0.2) + self.skip(x)


class Critic(nn.Module):
    """(B, 1, 64, 64) -> (B, 1)."""

    def __init__(self, widths=WIDTHS):
        super().__init__()
        self.first = EqualisedConv2d(1, widths[-1], 1)
        self.blocks = nn.Sequential(*(Block(*pair) for pair in zip(widths[:0:-1], widths[-2::-1], strict=True)))
        self.last = EqualisedConv2d(widths[0] + 1, widths[0], 3)
        self.dense, self.score = EqualisedLinear(16 * widths[0], widths[0]), EqualisedLinear(widths[0], 1)

    def forward(self, images):
        """The numbers of the last map are in Keras's order, (4, 4, C)."""
        x = activated(self.last(minibatch_deviation(self.blocks(activated(self.first(images))))))
        return self.score(activated(self.dense(x.permute(0, 2, 3, 1).flatten(1))))


class Trainer(NonSaturating):
    """With path length penalty on half a batch (Karras et al. 2020, section 3.2)."""

    path_length = 0.0

    def generator_loss(self, fake):
        """Moves the running mean of path lengths."""
        loss = super().generator_loss(fake)
        if self.steps % PATH_INTERVAL:
            return loss
        ws = self.generator.styles(self._draw(len(fake) // 2))
        images = self.generator.synthesis(ws)
        total = (images * torch.randn_like(images)).sum() / math.sqrt(images[0].numel())
        (gradient,) = torch.autograd.grad(total, ws, create_graph=True)
        lengths = gradient.square().sum(dim=2).mean(dim=1).clamp_min(1e-12).sqrt()
        self.path_length = self.path_length + 0.01 * (lengths.detach().mean() - self.path_length)
        return loss + PATH_INTERVAL * PATH_LENGTHS * (lengths - self.path_length).square().mean()


def activated(x):
    """Leaky ReLU that keeps the variance."""
    return functional.leaky_relu(x, 0.2) * HE_GAIN


if __name__ == "__main__":
    serve(Trainer(Generator(), Critic(), 16, LATENTS, 2.5e-3, (0.0, 0.99), r1=0.05), sys.argv[1])
