"""What PGGAN's, StyleGAN2's and StyleGAN3's networks share, in eager PyTorch; maps are (B, C, H, W)."""

import math

import torch
from torch import nn
from torch.nn import functional

HE_GAIN = math.sqrt(2.0)
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8  # Karras et al. 2020 (arXiv 1912.04958), section 2.2
LOWPASS = torch.outer(TAPS, TAPS)[None, None]  # (1, 1, 4, 4)


class EqualisedLinear(nn.Module):
    """(B, C) -> (B, D); weights scaled when they are used (Karras et al. 2018, arXiv 1710.10196, section 4.1)."""

    def __init__(self, before, after, gain=1.0, multiplier=1.0, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before) / multiplier)
        self.bias = nn.Parameter(torch.zeros(after)) if bias else None
        self.scale, self.multiplier = gain * multiplier / math.sqrt(before), multiplier

    def forward(self, x):
        """multiplier is that of the learning rate."""
        bias = None if self.bias is None else self.bias * self.multiplier
        return functional.linear(x, self.weight * self.scale, bias)


class EqualisedConv2d(nn.Module):
    """(B, C, H, W) -> (B, D, H, W), twice the size with up, half with down; zero-padded, with equalised weights."""

    def __init__(self, before, after, kernel, gain=1.0, up=False, down=False, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after)) if bias else None
        self.scale, self.padding = gain / (kernel * math.sqrt(before)), kernel // 2
        self.up, self.down = up, down

    def forward(self, x):
        """Linear."""
        return self.convolved(x, self.weight * self.scale, self.bias)

    def convolved(self, x, weight, bias=None):
        """With a weight that is scaled already."""
        if self.up:
            x = upsampled_convolution(x, weight)
            return x if bias is None else x + bias[:, None, None]
        if self.down:  # a kernel of one weight meets only the pixels that are kept
            return functional.conv2d(smooth(x, 1 + self.padding, 2 - self.padding), weight, bias, 1 + self.padding)
        return functional.conv2d(x, weight, bias, padding=self.padding)


def smooth(x, padding, stride=1):
    """The low-pass filter on x with so many zeros around it; stride 2 keeps every second value."""
    channels = x.shape[1]
    return functional.conv2d(x, LOWPASS.expand(channels, -1, -1, -1), padding=padding, stride=stride, groups=channels)


def upsampled(images):
    """(B, 1, H, W) -> (B, 1, 2H, 2W): zeros inserted, smoothed."""
    return functional.conv_transpose2d(images, 4 * LOWPASS, stride=2, padding=1)


def upsampled_convolution(x, weight):
    """Zeros inserted, convolved with weight (D, C, 3, 3), smoothed: (B, C, H, W) -> (B, D, 2H, 2W)."""
    flipped = 4 * weight.flip(2, 3).transpose(0, 1)
    return smooth(functional.conv_transpose2d(x, flipped, stride=2), 1)


def minibatch_deviation(x):
    """One more channel: how much the images of a group of four differ (Karras et al. 2018, section 3)."""
    groups = x.unflatten(0, (4, -1))
    deviation = (groups.var(0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # of each group
    return torch.cat([x, deviation.repeat(4)[:, None, None, None].expand(-1, 1, *x.shape[2:])], dim=1)


def normalised(x):
    """Divided by the root mean square over the channels (Karras et al. 2018, section 4.2)."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
