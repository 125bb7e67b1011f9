"""Questions with answers in a context."""

from alambique.tasks.datasets import Articles, Dataset, Files, Hub, Shipped
from alambique.tasks.formats import squad

TASK = "question-answering"

SETS: tuple[Dataset, ...] = (
    Dataset(
        name="sample-questions",
        task=TASK,
        source=Shipped("questions"),
        sizes={"train": 2400, "dev": 300, "test": 400},
        about="questions on generated Spanish passages; part of this package",
        licence="Apache-2.0",
    ),
    Dataset(
        name="squad-es",
        task=TASK,
        source=Files({"train": "squad-es/train.json", "dev": "squad-es/dev.json"}, squad.read),
        sizes={"train": 5416, "dev": 1167},
        about="SQuAD 1.1 dev in Spanish (ccasimiro88/TranslateAlignRetrieve), split by article",
        licence="CC-BY-4.0",
    ),
    Dataset(
        name="squad-es-v2",
        task=TASK,
        source=Articles(
            "squad-es/v2-dev.json", ("train",) * 3 + ("dev",) + ("train",) * 3 + ("test",)
        ),
        sizes={"train": 5643, "dev": 596, "test": 895},
        about="SQuAD 2.0 dev in Spanish, with questions that have no answer, split by article",
        licence="CC-BY-4.0",
    ),
    Dataset(
        name="mlqa",
        task=TASK,
        source=Files({"test": "mlqa/test.json"}, squad.read),
        sizes={"test": 500},
        about="MLQA, Spanish questions on Spanish contexts (facebookresearch/MLQA), dev",
        licence="CC-BY-SA-3.0",
    ),
    Dataset(
        name="mlqa-v1",
        task=TASK,
        source=Files(
            {
                "train": "mlqa-v1/es_squad-translate-train-train-v1.1.json",
                "dev": "mlqa-v1/dev-context-es-question-es.json",
                "test": "mlqa-v1/test-context-es-question-es.json",
            },
            squad.read,
        ),
        sizes={"train": 81810, "dev": 500, "test": 5253},
        about="MLQA whole, as published: trained on SQuAD 1.1 as its authors translated it",
        licence="CC-BY-SA-3.0",
    ),
    Dataset(
        name="sqac",
        task=TASK,
        source=Hub(
            "PlanTL-GOB-ES/SQAC",
            "f9928e8819596a601b8887cc5f8598b15d589a82",
            {"train": "train.json", "dev": "dev.json", "test": "test.json"},
            squad.read,
            field="data",
        ),
        sizes={"train": 15036, "dev": 1864, "test": 1910},
        about="SQAC: questions asked in Spanish on encyclopedia, news and literature",
        licence="CC-BY-SA-4.0",
    ),
    Dataset(
        name="tar",
        task=TASK,
        source=Files(
            {
                "train": "tar/train-v1.1-es.json",
                "dev": "tar/dev-v1.1-es.json",
                "test": "xquad/test.json",
            },
            squad.read,
        ),
        sizes={"train": 87595, "dev": 10570, "test": 1190},
        about="SQuAD 1.1 in Spanish whole (ccasimiro88/TranslateAlignRetrieve), tested on XQuAD",
        licence="CC-BY-4.0 AND CC-BY-SA-4.0",
    ),
    Dataset(
        name="tar-dev",
        task=TASK,
        source=Files({"test": "tar/dev-v1.1-es.json"}, squad.read),
        sizes={"test": 10570},
        about="SQuAD 1.1 dev in Spanish whole, to be tested on: the dev split of tar",
        licence="CC-BY-4.0",
    ),
    Dataset(
        name="xquad",
        task=TASK,
        source=Files({"test": "xquad/test.json"}, squad.read),
        sizes={"test": 1190},
        about="XQuAD in Spanish (google-deepmind/xquad); its paragraphs come from SQuAD dev",
        licence="CC-BY-SA-4.0",
    ),
)
