"""networks.build("cgan", 64, 3) and the WGAN-GP step in eager PyTorch.

python torch_wgan_gp.py VARIANT THREADS (see torch_turns.py).
VARIANT is "plain", the step as it is usually written, or "savings", which takes what ours saves too: upsampling merged
into the convolution, the last critic's fakes used for the generator, and channels last in memory.
"""

import sys

import torch
from torch import nn
from torch.nn import functional
from torch_turns import serve

BATCH, CRITICS, LAMBDA, LATENTS, CLASSES, SIZE = 32, 5, 10.0, 100, 3, 64


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
        flipped = 4 * self.weight.flip(2, 3).transpose(0, 1)
        x = functional.pad(functional.conv_transpose2d(x, flipped, stride=2), (1, 1, 1, 1))
        for _ in range(3):
            x = functional.avg_pool2d(x, 2, stride=1)
        return x


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


class Trainer:
    """One of ours: five critic updates with fresh images, one of the generator, the running average."""

    def __init__(self, savings):
        torch.manual_seed(0)
        self.savings = savings
        self.layout = torch.channels_last if savings else torch.contiguous_format
        self.generator = Generator(savings).to(memory_format=self.layout)
        self.critic = Critic().to(memory_format=self.layout)
        self.average = [weight.detach().clone() for weight in self.generator.parameters()]
        self.generator_optimizer, self.critic_optimizer = (
            torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.5, 0.9))
            for network in (self.generator, self.critic)
        )
        images = torch.rand(CRITICS * BATCH, 1, SIZE, SIZE) * 2 - 1
        self.images = images.contiguous(memory_format=self.layout)
        self.labels = torch.randint(0, CLASSES, (CRITICS * BATCH,))

    def step(self):
        """A training step; returns the critic's last loss."""
        for index, (real, labels) in enumerate(
            zip(self.images.split(BATCH), self.labels.split(BATCH), strict=True), start=1
        ):
            with torch.set_grad_enabled(self.savings and index == CRITICS):
                fake = self.generator(torch.randn(BATCH, LATENTS), labels)
            loss = self._update_critic(real, fake.detach(), labels)
        if not self.savings:
            fake = self.generator(torch.randn(BATCH, LATENTS), labels)
        self.critic.requires_grad_(False)
        self.generator_optimizer.zero_grad()
        (-self.critic(fake, labels).mean()).backward()
        self.critic.requires_grad_(True)
        self.generator_optimizer.step()
        torch._foreach_lerp_(self.average, list(self.generator.parameters()), 0.01)
        return loss.item()

    def _update_critic(self, real, fake, labels):
        weights = torch.rand(BATCH, 1, 1, 1)
        between = (real + weights * (fake - real)).requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(between, labels).sum(), between, create_graph=True)
        penalty = ((gradient.square().sum(dim=(1, 2, 3)).clamp_min(1e-12).sqrt() - 1) ** 2).mean()
        loss = self.critic(fake, labels).mean() - self.critic(real, labels).mean() + LAMBDA * penalty
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        return loss.detach()

    def draw(self, latents, labels):
        """Images of latents and labels."""
        return self.generator(latents, labels)

    def score(self, images, labels):
        """Of images and labels."""
        return self.critic(images, labels)


if __name__ == "__main__":
    serve(Trainer(sys.argv[1] == "savings"), sys.argv[2])
