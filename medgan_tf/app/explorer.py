"""The Streamlit explorer: streamlit run medgan_tf/app/explorer.py, or make explore. The same service as the app."""

import secrets

import numpy as np
import pandas as pd
import streamlit as st

from medgan_tf import datasets, metrics
from medgan_tf.app import asking, catalogue, downloads
from medgan_tf.app.errors import AppError
from medgan_tf.app.service import Service
from medgan_tf.config import find_run
from medgan_tf.networks.sampling import tile

PSIS = (1.0, 0.7, 0.5, 0.3)
WIDTH = 900


@st.cache_resource
def service():
    """One for all visitors: a model is loaded once, and one thread draws."""
    return Service()


@st.cache_resource
def reference(run_dir, size):
    """(features of held-out real images, the extractor) of a run, or None where its images are not here."""
    try:
        run = find_run(run_dir.name)
        feature_classifier = metrics.load_classifier(run.feature_classifier)
        return metrics.extract(
            feature_classifier, datasets.load(run.images, size).held_out.images
        ).features, feature_classifier
    except (OSError, ValueError):
        return None


def draw(entry, label, count, seed, truncation):
    """`service.Pictures`."""
    values = {"model": entry.name, "class": label, "num": count, "seed": seed, "truncation": truncation}
    return service().draw(asking.drawing(values))


def grid(images, columns, caption):
    """One picture of many."""
    st.image(tile(images, columns), width=WIDTH, caption=caption)


def drawn(entry):
    """Tab: on demand, with downloads."""
    label, count, seed, truncation = controls(entry, "draw")
    pictures = draw(entry, label, count, seed, truncation)
    grid(pictures.images, min(8, count), f"{entry.name}, {label or 'no class asked for'}, seed {seed}")
    st.download_button("ZIP of all, as PNG and DICOM", downloads.archive(pictures), f"synthetic_seed{seed}.zip")


def scenarios(entry):
    """Tab: the same latents under every condition and truncation."""
    seed = st.number_input("Seed", 0, 2**32 - 1, 0, key="scenarios")
    psis = PSIS if entry.styles else (1.0,)
    if not entry.styles:
        st.caption("Only StyleGANs can be truncated.")
    columns = st.columns(len(psis))
    for psi, column in zip(psis, columns, strict=True):
        column.markdown(f"**truncation {psi:g}**" if entry.styles else "**the same latents**")
        for label in entry.classes or (None,):
            images = draw(entry, label, 4, seed, psi).images
            column.image(tile(images, 2), caption=label or "", width="stretch")


def measured(entry):
    """Tab: kernel distance and coverage of what is drawn now against held-out real images."""
    found = reference(entry.run_dir, entry.size)
    if found is None:
        st.info("The real images of this run, or its domain classifier, are not here: nothing to measure against.")
        return
    real, feature_classifier = found
    label, _, seed, truncation = controls(entry, "measure", count=False)
    batches = st.slider("Pictures", 64, 512, 128, 64) // 64
    images = np.concatenate([draw(entry, label, 64, seed + batch, truncation).images for batch in range(batches)])
    n = min(len(images), len(real) // 2)
    order = np.random.default_rng(0).permutation(len(real))
    one, other = real[order[:n]], real[order[n : 2 * n]]
    fake = metrics.extract(feature_classifier, images[:n]).features
    rows = {"these pictures": fake, "other real images": other}
    table = {
        name: {"kernel distance": metrics.kernel_distance(one, features)} | metrics.precision_recall(one, features)
        for name, features in rows.items()
    }
    st.table(pd.DataFrame(table).T.round(3))
    st.caption(
        f"One draw, n = {n} a side, features of the run's domain classifier, against a random half of the held-out "
        "images; other real images are the other half. No interval: use the notebooks for numbers to report."
    )


def controls(entry, key, count=True):
    """(class, count, seed, truncation) as the visitor sets them."""
    columns = st.columns(4)
    label = columns[0].selectbox(
        "Condition", [None, *entry.classes], format_func=lambda x: x or "all in turn", key=f"{key}-c"
    )
    number = columns[1].number_input("Pictures", 1, 64, 16, key=f"{key}-n") if count else 64
    if columns[3].button("Another seed", key=f"{key}-b"):
        st.session_state[f"{key}-s"] = secrets.randbelow(10**6)
    seed = columns[2].number_input("Seed", 0, 2**32 - 1 - 8, key=f"{key}-s")
    truncation = st.slider("Truncation", 0.0, 1.5, 1.0, 0.05, key=f"{key}-t") if entry.styles else 1.0
    return label, number, seed, truncation


def main():
    """The page."""
    st.set_page_config("medgan_tf explorer", layout="wide")
    st.warning("**Synthetic, research only.** No picture shows a patient; none is for diagnosis.")
    usable = {name: entry for name, entry in catalogue.entries().items() if not entry.problem}
    if not usable:
        st.info("There is no trained model yet; `make notebooks` trains some.")
        return
    entry = usable[st.selectbox("Model", list(usable))]
    try:
        for tab, show in zip(st.tabs(["Draw", "Scenarios", "Measure"]), (drawn, scenarios, measured), strict=True):
            with tab:
                show(entry)
    except AppError as error:
        st.error(error.sentence)


main()
