"""What the commands of the command line do: each is one call into the module, and says what came of it.

They import what they need when they are called: `--help` waits for no TensorFlow. Each returns an exit status.
"""

import json
import sys
from pathlib import Path


def convert(sources, out, image_size, format, window, crop, labels, workers, scheduler):
    """Convert DICOM, split the images by patient, say what came of it."""
    from medgan_tf import datasets, dicom

    with dicom.on_dask(scheduler):
        report = dicom.convert(
            [source.absolute() for source in sources], out, image_size, format, window, crop, labels, workers
        )
    print(report)
    if report.converted:
        try:
            datasets.prepare([out], out)
        except ValueError as error:
            print(f"The images are not split: {error}")
    return 0


def deidentify(sources, out, workers, scheduler):
    """De-identify DICOM files."""
    from medgan_tf import dicom
    from medgan_tf.dicom import deidentify

    with dicom.on_dask(scheduler):
        print(deidentify.deidentify([source.absolute() for source in sources], out, workers))
    return 0


def make_phantoms(out, patients, image_size, seed):
    """Write a cohort."""
    from medgan_tf import phantoms

    truth = phantoms.write_cohort(out, patients, seed=seed, image_size=image_size)
    print(f"{len(truth)} images of {patients} patients are in {out}, with truth.csv")
    return 0


def fetch(name, out):
    """Download a public set, or list them."""
    from medgan_tf.datasets import download

    if name:
        print(f"The images and their licence are in {download.fetch(name, out)}")
    else:
        for key, entry in download.SETS.items():
            print(f"{key:20} {entry.title} ({entry.licence})")
    return 0


def run_notebooks(profile, data, run, notebooks):
    """Run the notebooks."""
    from medgan_tf.cli.notebooks import run as run_all

    report, failures = run_all(profile, data, run, notebooks)
    print(f"The report is {report}" + ("; what failed:" if failures else ""), *failures.values(), sep="\n")
    return 1 if failures else 0


def train(run, model, seed, kimg, init_from, deterministic):
    """Train one model of a run."""
    from medgan_tf import config, training

    run = config.find_run(run)
    changes = {"init_from": init_from, "deterministic": deterministic} | ({"kimg": kimg} if kimg else {})
    record = training.train(run, model, seed, **changes)
    if record:
        print(f"{run.model(model, seed)}: {record['kimg']:g} kimg in {record['seconds']:.0f} s")
    return 0


def sweep(name, sets, models, seeds, profile, jobs):
    """Train and measure seeds by models by sets."""
    from medgan_tf import config, figures
    from medgan_tf.cli.sweep import sweep as sweep_all

    summary, failures = sweep_all(name, sets or [()], models, seeds, profile, jobs)
    print(figures.comparison_table(summary).data.T.to_string())
    print(f"All of it is in {config.outputs() / name / 'results.json'}" + "".join(f"\n{f}" for f in failures.values()))
    return 1 if failures else 0


def sample(model_dir, out, count, label, seed, truncation):
    """Write images as PNG."""
    from PIL import Image

    from medgan_tf import generators

    images = generators.load(model_dir).sample(count, label, seed, truncation)
    out.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(out / f"seed{seed}_{index:05d}.png")
    print(f"{count} images are in {out}")
    return 0


def export(run, model, out, data, licence, objections):
    """Weights in half precision, and a model card."""
    from medgan_tf import config
    from medgan_tf.reporting import model_card

    print(f"The model card is {model_card.export(config.find_run(run), model, out, data, licence, objections)}")
    return 0


def read_blind(run, model, out, count, seed, answers):
    """Make a kit for a reader study, or analyse what came back."""
    from medgan_tf import config, figures, results
    from medgan_tf.studies import readers

    run = config.find_run(run)
    if answers is None:
        kit = readers.make(run, model, out, count, seed)
        print(f"Give the readers {kit.page}; keep {kit.hidden} from them; collect their files in {kit.answers}")
        return 0
    kit = readers.open_kit(out)
    read, problems = readers.read(answers, kit)
    section = readers.analyse(kit, read, problems)
    for problem in problems:
        print(f"medgan_tf: left out: {problem}", file=sys.stderr)
    if section["status"] == "not run":
        print(f"Reader study: not run, {section['why']} in {answers}")
    else:
        print(figures.reader_table(section).data.to_string(), *section["interpretation"], sep="\n")
    results.write(run.directory, readers.section_name(section), section)
    return 1 if problems else 0


def serve(host, port, rate, proxies, readers):
    """The web app."""
    from medgan_tf.app import server

    server.serve(host, port, rate, proxies, readers)
    return 0


def gallery(run, out, licence):
    """A static gallery of a run."""
    from medgan_tf import config
    from medgan_tf.app import gallery

    page = gallery.write(config.find_run(Path(run).name), out, licence)
    print(f"The gallery is {page}")
    return 0


def render(run, out):
    """The executed notebooks of a run as Markdown pages."""
    from medgan_tf import config
    from medgan_tf.reporting.render import render as render_run

    print(f"The index of the pages is {render_run(config.find_run(Path(run).name), out)}")
    return 0


def evaluate(real, fake, features, weights, label_classifier, image_size, training, by_class, cache, json_file):
    """Measure synthetic images against real ones."""
    from medgan_tf import datasets, metrics

    for source in filter(datasets.is_image_folder, (real, fake, training)):
        datasets.read_manifest(source)  # so that a wrong folder is reported before anything is computed
    extractor = metrics.extractor(features, weights)
    settings = {"by_class": by_class, "cache": cache}
    settings["label_classifier"] = label_classifier and metrics.load_classifier(label_classifier)
    if image_size:
        real, fake, training = (
            source and datasets.read_images(source, image_size) for source in (real, fake, training)
        )
    records = metrics.evaluate(real, fake, extractor, training, **settings)
    if json_file:
        json_file.write_text(json.dumps(records, indent=2))
    classes = records.pop("classes", {})
    for name, record in records.items():
        print(f"{name:26}{_beside(record)}")
    leading, first = next(iter(records.items()))
    for name, measured in classes.items():
        too_few = f"not measured: {measured.get('too_few')} real images"
        record = measured.get(leading)
        said = f"{_interval(record, 'value', '')}, n = {record['n']}: {record['interpretation']}" if record else too_few
        print(f"{leading} of {name}: {said}")
    agreed = records.get("label_agreement")
    for name, record in agreed["by_class"].items() if agreed else ():
        print(f"label_agreement of {name}: {_beside(record)}, n = {record['n']}")
    print(f"n = {first['n']} a side; features {first['extractor']}, weights {first['weights_sha256'][:12]}")
    if agreed:
        print(
            f"label_agreement: n = {agreed['n']} synthetic and {agreed.get('real_vs_real_n', 0)} real images; chance"
            f" {agreed['chance']:.3g}; judge {agreed['extractor']}, weights {agreed['weights_sha256'][:12]}"
        )
    quality = first["jpg_quality"]
    print("Both sides were measured " + (f"as JPG of quality {quality}" if quality else "without traces of JPG"))
    return 0


def compare(runs):
    """Print the models of runs side by side."""
    from medgan_tf import config, figures
    from medgan_tf.reporting import comparison

    summary = comparison.summarise(comparison.models([config.find_run(name) for name in runs]))
    print(figures.comparison_table(summary).data.T.to_string())
    print(
        "kimg: thousand images seen. *: nothing sets the value apart from the best one on the same data with the same"
    )
    print("features and n; values that differ in these cannot be compared.")
    return 0


def _interval(record, name, prefix):
    return f"{record[name]:.4g} [{record[prefix + 'low']:.4g}, {record[prefix + 'high']:.4g}]"


def _beside(record):
    """A record's value and floor, where it has one, and what it reads."""
    real_vs_real = (
        f" real against real {_interval(record, 'real_vs_real', 'floor_'):34}" if "real_vs_real" in record else ""
    )
    return f"{_interval(record, 'value', ''):34}{real_vs_real} {record['interpretation']}"
