"""Figures and tables of StyleGANs: their latent spaces, inversions of real images, and equivariance."""

import numpy as np

from medgan_tf import results
from medgan_tf.generators import latents
from medgan_tf.networks.sampling import tile

from .cells import MODEL_NAMES, pivoted
from .images import draw, grids, pairs
from .saving import Figure, Table, of_results
from .style import WIDTH, in_style, subplots


def latent_interpolation(generator, label=None, name="stylegan2"):
    """Images between two latents: along the sphere in z, and along a straight line in w."""
    panels = {
        f"{title}: seeds 0 and 1": np.concatenate([generator.between_latents(8, label, s, space) for s in (0, 1)])
        for space, title in (("z", "z, spherical"), ("w", "w, linear"))
    }
    caption = f"{MODEL_NAMES[name]}: images between two latents, spherical in z and linear in w."
    return grids(panels, f"{name}_interpolation", caption)


def truncation(generator, label=None, psis=(1.0, 0.7, 0.5, 0.0), name="stylegan2"):
    """The same eight latents with decreasing truncation psi."""
    images = latents.truncation_sweep(generator, psis, count=8, label=label)
    caption = (
        f"{MODEL_NAMES[name]}: the same eight latents (seed 0), with their distance from the average w multiplied by ψ."
    )
    panels = {f"ψ = {psi:g}": row for psi, row in zip(psis, images, strict=True)}
    return grids(panels, f"{name}_truncation", caption)


def latent_directions(generator, vectors, label=None, name="stylegan2"):
    """Two images moved along each direction of w, from -3 to 3 standard deviations. vectors: (k, D)."""
    w = generator.map_latents(2, label, seed=0)
    panels = {
        f"direction {number}, -3 to 3 sd": np.concatenate(latents.along(generator, w, vector, np.linspace(-3, 3, 8)))
        for number, vector in enumerate(vectors, 1)
    }
    caption = (
        f"{MODEL_NAMES[name]}: two images (seed 0, a row each) along the {len(vectors)} directions of w to which the"
        " layers react most."
    )
    return grids(panels, f"{name}_directions", caption)


@in_style
def mixing(rows, columns, images, layers="fine", name="stylegan2"):
    """Style mixing: sources on the left and on top, each mixture where its row and column meet.

    The arguments are what `latents.mixing_grid` returns: rows (r, H, W, 1) uint8, columns (c, H, W, 1), images
    (r, c, H, W, 1). Karras et al. 2019, figure 3.
    """
    across, (height, width) = len(columns) + 1, rows.shape[1:3]
    corner = np.full_like(rows[:1], np.iinfo(rows.dtype).max)
    lines = [corner, columns, *(part for row, mixed in zip(rows, images, strict=True) for part in (row[None], mixed))]
    picture = tile(np.concatenate(lines), across)
    figure, axes = subplots(WIDTH * len(picture) / picture.shape[1] + 0.3)
    axis = axes[0, 0]
    draw(axis, picture)
    axis.axvline(width, color="white", linewidth=3)
    axis.axhline(height, color="white", linewidth=3)
    for place, title in (((0.5 + across / 2) * width, "styles of the mixed layers"), (width / 2, "all others")):
        axis.text(place, -0.05 * height, title, ha="center", va="bottom", fontsize=9)
    caption = (
        f"{MODEL_NAMES[name]}, style mixing: the {layers} layers have the style of the image on top, all others that of"
        " the image on the left (seed 0)."
    )
    return Figure(figure, f"{name}_mixing_{layers}", caption)


def inversions(originals, found, space, steps, name="stylegan2"):
    """Real images above their reconstructions, with SSIM and PSNR. found: of `generators.invert` in "w" or "w+"."""
    titles = [f"{ssim:.2f}, {psnr:.1f} dB" for ssim, psnr in zip(found.ssim, found.psnr, strict=True)]
    caption = (
        f"Test images (drawn at random, seed 0) and, below, their reconstructions by {MODEL_NAMES[name]} after {steps}"
        f" steps of inversion into {space.upper()}; SSIM and PSNR of each pair."
    )
    return pairs(originals, found.images, titles, f"{name}_inversion_{space.replace('+', '_plus')}", caption)


@of_results(results.table, "equivariance")
def equivariance_table(run, table):
    """EQ-T, EQ-T_frac and EQ-R in dB of every generator, trained and untrained."""
    wide = pivoted(table, "model", "metric").reindex(columns=["EQ-T", "EQ-T_frac", "EQ-R"]).fillna("–")
    wide = wide.rename(columns={"EQ-T_frac": "EQ-T, fractions of pixels"})
    caption = (
        f"Equivariance in dB with 95% intervals over {table['n'].iloc[0]} moves of four images each, before training"
        " and with the generators that training kept."
    )
    return Table(wide, "equivariance", caption)
