"""The sample corpus keeps its promises: every answer stands where its question says, and a rebuild changes nothing."""

import importlib.util
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import docx
import pypdfium2
import pytest

SAMPLES = Path(__file__).parents[2] / "deploy" / "samples"
DOCUMENTS = SAMPLES / "documents"
SETS = ("calibration", "test")


@dataclass(frozen=True)
class Question:
    id: str
    kind: str
    question: str
    history: list[str]
    gold: list[str]
    docs: list[str]

    @property
    def answerable(self) -> bool:
        return self.kind != "unanswerable"


def questions(name: str) -> list[Question]:
    lines = (SAMPLES / "questions" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Question(**json.loads(line)) for line in lines]


ALL = [question for name in SETS for question in questions(name)]


def load_build() -> ModuleType:
    """The build script as a module: it is a script, so it is in no package."""
    spec = importlib.util.spec_from_file_location("samples_build", SAMPLES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BUILD = load_build()


class MainText(HTMLParser):
    """The text inside <main>: a gold span must not hang on the page's navigation or footer."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = self.inside or tag == "main"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "main"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.pieces.append(data)


def extracted(path: Path) -> str:
    """The text a reader of the file's own format finds in it, with single spaces."""
    match path.suffix:
        case ".pdf":
            with pypdfium2.PdfDocument(path) as pdf:
                text = " ".join(page.get_textpage().get_text_bounded() for page in pdf)
        case ".docx":
            document = docx.Document(str(path))
            cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
            text = " ".join([paragraph.text for paragraph in document.paragraphs] + cells)
        case ".html":
            parser = MainText()
            parser.feed(path.read_text(encoding="utf-8"))
            text = " ".join(parser.pieces)
        case _:
            text = path.read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", text)


def passages(name: str) -> list[str]:
    """The sentences, table rows and list items of a document, read from what a person edits."""
    source = SAMPLES / "sources" / f"{name}.md"
    path = source if source.exists() else DOCUMENTS / name
    found: list[str] = []
    for block in BUILD.parse(path.read_text(encoding="utf-8")):
        match block:
            case BUILD.Table(rows):
                found += [" | ".join(BUILD.text_of(cell) for cell in row) for row in rows]
            case BUILD.Prose(spans):
                found += re.split(r"(?<=[.!?:]) (?=[A-Z])", BUILD.text_of(spans))
            case BUILD.Item(spans=spans):
                found.append(BUILD.text_of(spans))
    return found


def holds(text: str, gold: str) -> bool:
    """Whether the gold span stands in the text as whole words and whole numbers: "£29" is not in "£29.50"."""
    return re.search(rf"(?<![\w.])(?<!\d,){re.escape(gold)}(?!\w|[.,]\d)", text, re.IGNORECASE) is not None


TEXTS = {path.name: extracted(path) for path in sorted(DOCUMENTS.iterdir())}
PASSAGES = {name: passages(name) for name in TEXTS}
ANSWERABLE = [pytest.param(question, id=question.id) for question in ALL if question.answerable]


def test_the_corpus_has_every_format_and_enough_to_search() -> None:
    formats = Counter(Path(name).suffix for name in TEXTS)
    assert formats[".pdf"] >= 2
    assert formats[".docx"] >= 2
    assert formats[".html"] >= 2
    assert formats[".md"] >= 3
    assert sum(len(text.split()) for text in TEXTS.values()) >= 18_000
    assert sum(path.stat().st_size for path in DOCUMENTS.iterdir()) < 2_000_000


def test_a_rebuild_gives_the_committed_text(tmp_path: Path) -> None:
    built = BUILD.build(tmp_path)
    assert len(built) >= 6
    for path in built:
        assert extracted(path) == TEXTS[path.name], path.name


def test_two_builds_are_the_same_to_the_byte(tmp_path: Path) -> None:
    first, second = BUILD.build(tmp_path / "first"), BUILD.build(tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("name", SETS)
def test_each_set_has_enough_of_each_kind(name: str) -> None:
    kinds = Counter(question.kind for question in questions(name))
    assert set(kinds) == {"one-hop", "two-hop", "follow-up", "unanswerable"}
    assert kinds["one-hop"] >= 60
    assert kinds["two-hop"] >= 15
    assert kinds["follow-up"] >= 15
    assert kinds["unanswerable"] >= 40
    asked = {document for question in questions(name) for document in question.docs}
    assert asked == set(TEXTS), "each set asks about every document"


def test_ids_are_unique() -> None:
    assert len({question.id for question in ALL}) == len(ALL)


def test_the_two_sets_share_no_question_and_no_fact() -> None:
    calibration, test = (questions(name) for name in SETS)
    asked = {(" ".join(question.history), question.question.lower()) for question in calibration}
    assert not [q.id for q in test if (" ".join(q.history), q.question.lower()) in asked]
    facts = {(gold.lower(), document) for q in calibration for gold in q.gold for document in q.docs}
    assert not [q.id for q in test for gold in q.gold for document in q.docs if (gold.lower(), document) in facts]


@pytest.mark.parametrize("question", ANSWERABLE)
def test_the_first_gold_span_stands_in_a_document_of_its_question(question: Question) -> None:
    assert any(holds(TEXTS[document], question.gold[0]) for document in question.docs)


@pytest.mark.parametrize("question", ANSWERABLE)
def test_the_first_gold_span_stands_in_one_sentence_row_or_item(question: Question) -> None:
    assert any(holds(passage, question.gold[0]) for document in question.docs for passage in PASSAGES[document])


@pytest.mark.parametrize("question", ANSWERABLE)
def test_no_question_gives_its_answer_away(question: Question) -> None:
    asked = " ".join([*question.history, question.question])
    assert not [gold for gold in question.gold if holds(asked, gold)]


def test_the_kinds_mean_what_they_say() -> None:
    for question in ALL:
        assert bool(question.history) == (question.kind == "follow-up"), question.id
        assert len(question.docs) == {"one-hop": 1, "two-hop": 2, "follow-up": 1, "unanswerable": 0}[question.kind]
        assert bool(question.gold) == question.answerable, question.id
