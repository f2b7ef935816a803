"""Trained generators by name or folder."""

from pathlib import Path

from medgan_tf import config

from .generator import Generator, build_network

PRETRAINED = Path(__file__).resolve().parents[2] / "pretrained"


def available():
    """{name: folder} of the models there are: RUN/MODEL of all runs, and pretrained/NAME that come along."""
    trained = {f"{path.parts[-3]}/{path.name}": path for path in sorted(config.outputs().glob("*/models/*"))}
    published = {f"pretrained/{path.name}": path for path in sorted(PRETRAINED.glob("*"))}
    return {name: path for name, path in (trained | published).items() if (path / "model.json").is_file()}


def load(model):
    """The Generator in a folder that `fitting.fit` wrote, or of a name in `available`.

    Raises ValueError, with the remedy, if it is not one.
    """
    model_dir = Path(model) if Path(model).exists() else available().get(str(model), Path(model))
    record_path, weights = model_dir / "model.json", model_dir / "generator.weights.h5"
    for path in (record_path, weights):
        if not path.exists():
            known = ", ".join(available()) or "none"
            raise ValueError(f"{model_dir} holds no trained model: {path.name} is missing. There are: {known}.")
    try:
        record = config.read_record(record_path)
        network = build_network(record, len(record["classes"]) if record["conditional"] else 0)
        network.load_weights(weights)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"The model in {model_dir} is damaged ({error}); train it again.") from error
    return Generator(network, record)
