"""results.json: strict JSON, sections that stay, tables whose empty cells stay empty."""

import json

import numpy as np
import pandas as pd

from medgan_tf import results


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def test_results_are_strict_json_and_empty_cells_stay_empty(tmp_path):
    table = pd.DataFrame({"metric": ["a", "b"], "n": [1.5, np.nan], "note": [np.nan, "few"]})
    (tmp_path / "results.json").write_text('{"old": {"value": NaN}}')  # as earlier versions wrote it
    results.write(tmp_path, "table", table.to_dict("records"))
    results.write(tmp_path, "numbers", {"value": np.float32("nan"), "low": -np.inf, "values": np.arange(2.0), "n": 3})
    read = json.loads((tmp_path / "results.json").read_text(), parse_constant=refuse)
    assert read["table"] == [{"metric": "a", "n": 1.5}, {"metric": "b", "note": "few"}]
    assert read["numbers"] == {"value": "NaN", "low": "-Infinity", "values": [0.0, 1.0], "n": 3}
    again = results.read(tmp_path)
    assert np.isnan([again["numbers"]["value"], again["old"]["value"]]).all() and again["numbers"]["low"] == -np.inf
    pd.testing.assert_frame_equal(pd.DataFrame(results.read(tmp_path)["table"]), table)
