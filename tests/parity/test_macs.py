"""Parameters and MACs equal what thop counts on the classes of transformers, to the unit."""

from tests.parity.golden_files import read_json

from alambique.models.counts import count
from alambique.spec.outputs import Output

HEADS: dict[str, Output] = {
    "sequence_classification": Output.CLASSES,
    "token_classification": Output.TAGS,
    "question_answering": Output.SPAN,
}


def test_counts_of_every_architecture_and_task() -> None:
    checked = 0
    for architecture in read_json("macs.json")["architectures"]:
        config = architecture["config"]
        width = config.get("hidden_size") or config["dim"]
        layers = config.get("num_hidden_layers") or config["n_layers"]
        for name, task in architecture["tasks"].items():
            for length, macs in task["macs"].items():
                n = int(length)
                got = count(config, task=HEADS[name], labels=task["num_labels"], length=n)
                where = f"{architecture['name']}, {name}, {n} tokens"
                assert got.parameters == task["parameters"], where
                assert got.macs_linear == macs, where
                assert got.macs_full - macs == 2 * layers * n * n * width, where
                checked += 1
    assert checked == 13 * 3 * 5
