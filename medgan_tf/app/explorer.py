"""The Streamlit explorer: make explore, or streamlit run medgan_tf/app/explorer.py. It uses the app's Service."""

import secrets

import numpy as np
import pandas as pd
import streamlit as st

from medgan_tf import datasets, metrics
from medgan_tf.app import catalogue, downloads, requests
from medgan_tf.app.errors import AppError
from medgan_tf.app.service import Service
from medgan_tf.config import find_run
from medgan_tf.networks.sampling import tile

TRUNCATIONS = (1.0, 0.7, 0.5, 0.3)
WIDTH = 900  # pixels of an image grid


@st.cache_resource
def service():
    """One Service for all visitors: each model is loaded once, and one thread generates."""
    return Service()


@st.cache_resource
def real_features(run_dir, image_size):
    """(features of held-out real images, extractor) of a run; None if its images or classifier are missing."""
    try:
        run = find_run(run_dir.name)
        extractor = metrics.load_classifier(run.feature_classifier)
        return metrics.extract(extractor, datasets.load(run.images, image_size).held_out.images).features, extractor
    except (OSError, ValueError):
        return None


def generate(entry, label, count, seed, truncation):
    """`service.GeneratedImages` of the visitor's settings."""
    values = {"model": entry.name, "class": label, "num": count, "seed": seed, "truncation": truncation}
    return service().generate(requests.parse_generation(values))


def show_generate(entry):
    """Tab: images on demand, with downloads."""
    label, count, seed, truncation = controls(entry, "generate")
    generated = generate(entry, label, count, seed, truncation)
    caption = f"{entry.name}, {label or 'all classes' if entry.classes else 'no classes'}, seed {seed}"
    st.image(tile(generated.images, min(8, count)), width=WIDTH, caption=caption)
    st.download_button("ZIP of all, as PNG and DICOM", downloads.archive(generated), f"synthetic_seed{seed}.zip")


def show_scenarios(entry):
    """Tab: the same latents with every class and several truncations."""
    seed = st.number_input("Seed", 0, 2**32 - 1, 0, key="scenarios")
    truncations = TRUNCATIONS if entry.has_styles else (1.0,)
    if not entry.has_styles:
        st.caption("Only StyleGANs can be truncated.")
    for truncation, column in zip(truncations, st.columns(len(truncations)), strict=True):
        column.markdown(f"**truncation {truncation:g}**" if entry.has_styles else "**the same latents**")
        for label in entry.classes or (None,):
            images = generate(entry, label, 4, seed, truncation).images
            column.image(tile(images, 2), caption=label or "", width="stretch")


def show_measure(entry):
    """Tab: kernel distance, precision and recall of newly generated images against held-out real images."""
    found = real_features(entry.run_dir, entry.shape)
    if found is None:
        st.info("This run's real images or its feature classifier are missing, so nothing can be measured.")
        return
    real, extractor = found
    label, _, seed, truncation = controls(entry, "measure", count=False)
    batches = st.slider("Images", 64, 512, 128, 64) // 64
    images = np.concatenate([generate(entry, label, 64, seed + batch, truncation).images for batch in range(batches)])
    n = min(len(images), len(real) // 2)
    order = np.random.default_rng(0).permutation(len(real))
    one, other = real[order[:n]], real[order[n : 2 * n]]
    rows = {"these images": metrics.extract(extractor, images[:n]).features, "other real images": other}
    table = {
        name: {"kernel distance": metrics.kernel_distance(one, features)} | metrics.precision_recall(one, features)
        for name, features in rows.items()
    }
    st.table(pd.DataFrame(table).T.round(3))
    st.caption(
        f"One measurement with n = {n} images on each side, in features of the run's feature classifier, against a "
        "random half of the held-out images; the other real images are the other half. There is no interval: report "
        "numbers from the notebooks instead."
    )


def controls(entry, key, count=True):
    """(class, count, seed, truncation) as the visitor sets them."""
    columns = st.columns(4)
    label = columns[0].selectbox(
        "Class", [None, *entry.classes], format_func=lambda x: x or "all classes in turn", key=f"{key}-c"
    )
    number = columns[1].number_input("Images", 1, 64, 16, key=f"{key}-n") if count else 64
    if columns[3].button("Another seed", key=f"{key}-b"):
        st.session_state[f"{key}-s"] = secrets.randbelow(10**6)
    seed = columns[2].number_input("Seed", 0, 2**32 - 1 - 8, key=f"{key}-s")
    truncation = st.slider("Truncation", 0.0, 1.5, 1.0, 0.05, key=f"{key}-t") if entry.has_styles else 1.0
    return label, number, seed, truncation


def main():
    """The page."""
    st.set_page_config("medgan_tf explorer", layout="wide")
    st.warning("**Synthetic, research only.** No image shows a patient; none is for diagnosis.")
    usable = {name: entry for name, entry in catalogue.entries().items() if not entry.problem}
    if not usable:
        st.info("There is no trained model yet; `make notebooks` trains some.")
        return
    entry = usable[st.selectbox("Model", list(usable))]
    tabs = {"Generate": show_generate, "Scenarios": show_scenarios, "Measure": show_measure}
    try:
        for tab, show in zip(st.tabs(list(tabs)), tabs.values(), strict=True):
            with tab:
                show(entry)
    except AppError as error:
        st.error(error.message)


main()
