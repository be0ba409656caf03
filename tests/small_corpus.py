"""A folder with one handbook, and questions about it whose answers are known: enough to calibrate and to measure on."""

import json
from pathlib import Path

HANDBOOK = """# Handbook of the Works

## Pump house

The pump house is 14.2 m tall. It was built in 1874 by Josiah Crane. Its roof is of Welsh slate.

The engine hall is open to visitors on the first Sunday of each month.

## Charges

These are the fares of the visitors' tram.

| Fare | Adult | Child |
|---|---|---|
| Single | £6.20 | £3.10 |
| Return | £10.80 | £5.40 |

## Gas alarms

The alarm set points of the gas detector are:

- oxygen below 19.5 % or above 23.0 %;
- carbon monoxide above 20 ppm;
- hydrogen sulphide above 5 ppm.

## Staff

Ada Brandt is the Control Room Supervisor, extension 401. The laboratory is led by Marta Ashby, extension 350.

Controllers work twelve-hour shifts that change at 06:30 and 18:30.
"""

QUESTIONS = [
    ("one-hop", "How tall is the pump house?", ["14.2 m"]),
    ("one-hop", "When was the pump house built?", ["1874"]),
    ("one-hop", "What does an adult return cost?", ["£10.80"]),
    ("one-hop", "What is the extension of Marta Ashby?", ["350"]),
    ("one-hop", "Who is the Control Room Supervisor?", ["Ada Brandt"]),
    ("one-hop", "When do shifts change?", ["06:30"]),
    ("one-hop", "Of what is the roof?", ["slate"]),
    ("one-hop", "At how much carbon monoxide does the alarm sound?", ["20 ppm"]),
    ("unanswerable", "What is the capital of Mongolia?", []),
    ("unanswerable", "How old is Ada Brandt?", []),
    ("unanswerable", "What colour is the moon?", []),
    ("unanswerable", "Who painted the ceiling?", []),
]


def write_documents(folder: Path) -> Path:
    documents = folder / "documents"
    documents.mkdir()
    (documents / "handbook.md").write_text(HANDBOOK)
    return documents


def write_questions(folder: Path, questions: "list[tuple[str, str, list[str]]]" = QUESTIONS) -> Path:
    file = folder / "questions.jsonl"
    lines = ({"kind": kind, "question": question, "gold": gold} for kind, question, gold in questions)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file
