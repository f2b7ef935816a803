"""Training steps in eager PyTorch for the files beside this one: the non-saturating loss with R1, and WGAN-GP."""

import torch
from torch.nn import functional

INTERVAL = 16  # steps between two R1 penalties
LAMBDA, CLASSES = 10.0, 3  # of WGAN-GP


class _Trainer:
    def __init__(self, generator, critic, images, latents, learning_rate, betas):
        torch.manual_seed(0)
        self.generator, self.critic, self.latents = generator, critic, latents
        self.images = torch.rand(images, 1, 64, 64) * 2 - 1
        self.average = [weight.detach().clone() for weight in generator.parameters()]
        self.generator_optimizer, self.critic_optimizer = (
            torch.optim.Adam(network.parameters(), lr=learning_rate, betas=betas) for network in (generator, critic)
        )

    def _draw(self, count):
        return torch.randn(count, self.latents)

    def _update_generator(self, loss):
        """loss: a function, called while the critic's weights need no gradient."""
        self.critic.requires_grad_(False)
        _update(self.generator_optimizer, loss())
        self.critic.requires_grad_(True)
        torch._foreach_lerp_(self.average, list(self.generator.parameters()), 0.01)


class NonSaturating(_Trainer):
    """One update of each network, one batch of fakes for both, and the generator's running average.

    The generator takes latents (B, latents), the critic images (B, 1, 64, 64), random ones here. r1: the weight of half
    the mean squared norm of d score / d image on real images (Mescheder et al. 2018), at every 16th step, times 16.
    """

    def __init__(self, generator, critic, batch, latents, learning_rate, betas, r1=0.0):
        super().__init__(generator, critic, batch, latents, learning_rate, betas)
        self.r1, self.steps = r1, 0

    def draw(self, latents, _):
        """Images of latents."""
        return self.generator(latents)

    def score(self, images, _):
        """Of images."""
        return self.critic(images)

    def step(self):
        """A training step; returns the discriminator's loss."""
        due = self.r1 > 0 and self.steps % INTERVAL == 0
        real, fake = self.images.detach().requires_grad_(due), self.generator(self._draw(len(self.images)))
        real_scores, fake_scores = self.critic(real), self.critic(fake.detach())
        loss = functional.softplus(-real_scores).mean() + functional.softplus(fake_scores).mean()
        total = loss
        if due:
            (gradient,) = torch.autograd.grad(real_scores.sum(), real, create_graph=True)
            total = loss + INTERVAL * self.r1 * gradient.square().sum(dim=(1, 2, 3)).mean() / 2
        _update(self.critic_optimizer, total)
        self._update_generator(lambda: self.generator_loss(fake))
        self.steps += 1
        return loss.item()

    def generator_loss(self, fake):
        """Of the scores of fake images (B, 1, 64, 64)."""
        return functional.softplus(-self.critic(fake)).mean()


class WassersteinGP(_Trainer):
    """`critics` updates of the critic with fresh images, one of the generator, the running average.

    Both networks take labels (B,) too. shared: the last critic's fakes are the generator's too, as in ours, instead of
    new ones.
    """

    def __init__(self, generator, critic, batch, critics, latents, learning_rate, betas, shared=True):
        super().__init__(generator, critic, critics * batch, latents, learning_rate, betas)
        self.labels = torch.randint(0, CLASSES, (critics * batch,))
        self.batch, self.critics, self.shared = batch, critics, shared

    def draw(self, latents, labels):
        """Images of latents and labels."""
        return self.generator(latents, labels)

    def score(self, images, labels):
        """Of images and labels."""
        return self.critic(images, labels)

    def step(self):
        """A training step; returns the critic's last loss."""
        parts = zip(self.images.split(self.batch), self.labels.split(self.batch), strict=True)
        for index, (real, labels) in enumerate(parts, start=1):
            with torch.set_grad_enabled(self.shared and index == self.critics):
                fake = self.generator(self._draw(self.batch), labels)
            loss = self._critic_loss(real, fake.detach(), labels)
            _update(self.critic_optimizer, loss)
        if not self.shared:
            fake = self.generator(self._draw(self.batch), labels)
        self._update_generator(lambda: -self.critic(fake, labels).mean())
        return loss.item()

    def _critic_loss(self, real, fake, labels):
        between = (real + torch.rand(len(real), 1, 1, 1) * (fake - real)).requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(between, labels).sum(), between, create_graph=True)
        penalty = ((gradient.square().sum(dim=(1, 2, 3)).clamp_min(1e-12).sqrt() - 1) ** 2).mean()
        return self.critic(fake, labels).mean() - self.critic(real, labels).mean() + LAMBDA * penalty


def _update(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
