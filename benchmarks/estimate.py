"""What large trainings would cost on one GPU: an estimate, not a measurement of this package.

Speeds are those that the authors of StyleGAN3 publish for their PyTorch code on one GPU, batches of 32 (stylegan3,
docs/configs.md, read in November 2026). The estimate takes it that a step here runs as fast there: that was not
measured on these GPUs. How a step's time grows with the side between their figures is shown beside what was measured
here on a CPU, so that one sees how far the two agree. Metrics during training add the 5% that the same page states.
"""

import numpy as np

PUBLISHED = {  # seconds for a thousand images: {(configuration, GPU): {side: s/kimg}}
    ("StyleGAN3-T", "V100"): {128: 73.68, 256: 89.15, 512: 137.33, 1024: 221.85},
    ("StyleGAN3-T", "A100"): {128: 27.20, 256: 49.81, 512: 90.25, 1024: 156.91},
    ("StyleGAN3-R", "V100"): {128: 58.44, 256: 87.37, 512: 158.91, 1024: 263.44},
    ("StyleGAN3-R", "A100"): {128: 34.23, 256: 56.73, 512: 110.13, 1024: 184.81},
}
SIDES, KIMG, METRICS = (256, 512, 1024), 5000, 1.05  # "already quite reasonable around 5000 kimg", the same page
PRICES = {  # US dollars an hour of one GPU, and where and of when that is
    "A100": (4.10, "AWS p4d.24xlarge, US East, on demand, an eighth; second quarter of 2024, as xither.com states"),
}
ASSUMPTIONS = (
    "An estimate: speeds as the authors of StyleGAN3 publish for their own code on one GPU; "
    f"ours was not measured there. "
    f"{KIMG} kimg in batches of 32, metrics while training 5% more. Prices as stated, not looked up today."
)


def table(prices=PRICES, kimg=KIMG):
    """Rows of configuration, GPU, side, s/kimg, hours, and dollars where the GPU has a price."""
    rows = []
    for (configuration, gpu), speeds in PUBLISHED.items():
        for side in SIDES:
            hours = speeds[side] * kimg * METRICS / 3600
            price, source = prices.get(gpu, (None, "no price at hand; give --price"))
            rows.append(
                {
                    "configuration": configuration,
                    "gpu": gpu,
                    "side": side,
                    "seconds_per_kimg": speeds[side],
                    "hours": round(hours, 1),
                    "dollars": None if price is None else round(hours * price),
                    "price_source": source,
                }
            )
    return rows


def exponents():
    """{(configuration, GPU): exponent of the side} of the published figures from 256 to 1024 px."""
    return {
        names: float(np.polyfit(np.log(SIDES), np.log([speeds[side] for side in SIDES]), 1)[0])
        for names, speeds in PUBLISHED.items()
    }


def price(text):
    """GPU=DOLLARS:SOURCE as a pair for `table`. Raises ValueError."""
    gpu, _, rest = text.partition("=")
    dollars, _, source = rest.partition(":")
    if not (gpu and source):
        raise ValueError(f"A price is GPU=DOLLARS:SOURCE, with where and of when it is, not '{text}'.")
    return gpu, (float(dollars), source)
