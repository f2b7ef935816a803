"""networks.build("stylegan3", 64) at the quick profile's widths and its step in eager PyTorch.

python torch_stylegan3.py THREADS (see torch_process.py). Filters are products with banded matrices, as ours: on a CPU
they are no slower than depthwise convolutions.
"""

import math
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch_layers import HE_GAIN, EqualisedLinear
from torch_process import serve
from torch_steps import NonSaturating
from torch_stylegan2 import LATENTS, Critic, Mapping, ModulatedConv2d

SIZE, LAYERS, CRITICAL, MARGIN, TAPS = 64, 6, 2, 10, 6
WIDTHS = (32, 32, 32, 16, 8, 8)


def signals():
    """[(samples, rate, cutoff, half width of the transition)] after each layer and in the image (section 3.2)."""
    growth = np.minimum(np.arange(LAYERS + 1) / (LAYERS - CRITICAL), 1)
    cutoffs = 2 * (SIZE / 4) ** growth
    stopbands = 2**2.1 * (SIZE / 2 * 2**0.3 / 2**2.1) ** growth
    rates = SIZE / 2 ** np.floor(np.log2(SIZE / np.minimum(2 * stopbands, SIZE)))
    sizes = np.where(np.arange(LAYERS + 1) < LAYERS - 1, rates + 2 * MARGIN, SIZE)
    return list(zip(sizes.astype(int), rates, cutoffs, np.maximum(stopbands, rates / 2) - cutoffs, strict=True))


def lowpass(taps, cutoff, half_width, rate):
    """Sinc in a Kaiser window, with sum 1 (appendix C.1)."""
    attenuation = 2.285 * (taps - 1) * np.pi * 4 * half_width / rate + 7.95
    above = max(attenuation - 21, 0)
    beta = 0.1102 * (attenuation - 8.7) if attenuation > 50 else 0.5842 * above**0.4 + 0.07886 * above
    found = np.kaiser(taps, beta) * np.sinc(2 * cutoff / rate * (np.arange(taps) - (taps - 1) / 2))
    return found / found.sum()


def resampling(taps, before, after, up=1, down=1):
    """(after, before): zeros inserted, filtered, thinned out, around the same centre."""
    rows, columns = (np.arange(size) - (size - 1) / 2 for size in (after, before))
    places = down * rows[:, None] - up * columns + (len(taps) - 1) / 2
    inside = (places >= 0) & (places < len(taps))
    found = up * np.where(inside, taps[np.where(inside, places, 0).astype(int)], 0)
    return torch.from_numpy(found.astype(np.float32))


class NormalisedConv2d(ModulatedConv2d):
    """Modulated convolution of maps at unit magnitude: (B, C, H, W) -> (B, D, H + k - 1, W + k - 1)."""

    def __init__(self, before, after, kernel, demodulate=True):
        super().__init__(before, after, kernel, demodulate)
        self.padding = kernel - 1
        self.register_buffer("magnitude", torch.ones(()))

    def forward(self, x, w):
        """In training the running mean square follows."""
        if self.training:
            self.magnitude.lerp_(x.detach().square().mean(), 0.001)
        return super().forward(x * self.magnitude.rsqrt(), w)


class Layer(NormalisedConv2d):
    """Then leaky ReLU at twice the higher of the rates of two signals: (B, C, H, W) -> (B, D, h, w)."""

    def __init__(self, before, after, source, target):
        super().__init__(before, after, 3)
        (first, source_rate, *source_band), (last, target_rate, *target_band) = source, target
        between = 2 * max(source_rate, target_rate)
        up, down = round(between / source_rate), round(between / target_rate)
        needed = (last - 1 + TAPS) * down
        rising = math.sqrt(HE_GAIN) * lowpass(TAPS * up, *source_band, between)
        falling = lowpass(TAPS * down, *target_band, between)
        self.register_buffer("rising", resampling(rising, first + 2, needed, up=up))
        self.register_buffer("falling", resampling(falling, needed, last, down=down))

    def forward(self, x, w):
        """Rows and columns alike."""
        x = self.rising @ (super().forward(x, w) @ self.rising.T)
        return self.falling @ (functional.leaky_relu(x, 0.2) @ self.falling.T)


class Sines(nn.Module):
    """w (B, 128) -> (B, 32, 36, 36): mixtures of sines, moved and turned by the style (section 4)."""

    def __init__(self, channels, samples, rate, cutoff, _):
        super().__init__()
        self.affine, self.mixing = EqualisedLinear(LATENTS, 4), EqualisedLinear(channels, channels, bias=False)
        angle, self.cutoff, self.fading = 2 * math.pi * torch.rand(channels), cutoff, rate / 2 - cutoff
        radius = cutoff * torch.rand(channels).sqrt()
        self.register_buffer("frequencies", torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1))
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        places = (torch.arange(samples) - (samples - 1) / 2) / rate
        x, y = torch.meshgrid(places, places, indexing="xy")
        self.register_buffer("coordinates", torch.stack([x.flatten(), y.flatten()], dim=1).float())

    def forward(self, w):
        """Rotation after translation."""
        style = self.affine(w) + torch.tensor([1.0, 0.0, 0.0, 0.0])
        cosine, sine, right, down = (style / style[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        rotation = torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 2, 2)
        frequencies = self.frequencies @ rotation  # (B, 32, 2)
        phases = self.phases - (frequencies @ torch.stack([right, down], dim=1)[..., None])[..., 0]
        amplitudes = (1 - (frequencies.norm(dim=2) - self.cutoff) / self.fading).clamp(0, 1)
        waves = 2 * math.pi * (self.coordinates @ frequencies.mT + phases[:, None])  # (B, 36 * 36, 32)
        side = math.isqrt(len(self.coordinates))
        return self.mixing(waves.sin() * amplitudes[:, None]).mT.unflatten(2, (side, side)).contiguous()


class Generator(nn.Module):
    """(B, 128) -> (B, 1, 64, 64); every layer takes the same w."""

    def __init__(self):
        super().__init__()
        passing = signals()
        self.mapping, self.sines = Mapping(), Sines(WIDTHS[0], *passing[0])
        widths, sources = (WIDTHS[0], *WIDTHS), (passing[0], *passing)
        self.layers = nn.ModuleList(map(Layer, widths, WIDTHS, sources, passing))
        self.to_grey = NormalisedConv2d(WIDTHS[-1], 1, 1, demodulate=False)

    def forward(self, latents):
        """A quarter of unit variance."""
        w = self.mapping(latents)
        x = self.sines(w)
        for layer in self.layers:
            x = layer(x, w)
        return 0.25 * self.to_grey(x, w)


if __name__ == "__main__":
    critic = Critic((32, 32, 32, 16, 8))
    serve(NonSaturating(Generator(), critic, 16, LATENTS, 2.5e-3, (0.0, 0.99), r1=0.05), sys.argv[1])
