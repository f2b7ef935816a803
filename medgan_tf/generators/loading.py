"""Load trained generators by name or folder."""

from pathlib import Path

from medgan_tf import config
from medgan_tf.config.runs import available

from .generator import Generator, build_network


def load(model):
    """Load the `Generator` of a folder that a training wrote, or of a name in `available`.

    Raises ValueError, with the remedy, if the folder holds no model or a damaged one.
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
        sentence = f"The model in {model_dir} is damaged or was made by another version ({error}); train it again."
        raise ValueError(sentence) from error
    return Generator(network, record)
