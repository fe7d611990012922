"""The documents say what is so: every path and link they name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in _LINK.findall(document.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{document.name} names {target}"
        assert not anchor or anchor in anchors(there), f"{document.name}: no heading for {target}"


def test_where_answers_ten_questions_with_files_of_this_repository() -> None:
    rows = [
        line for line in (ROOT / "docs/where.md").read_text().splitlines() if line.startswith(("| W", "| H"))
    ]
    assert len(rows) == 10
    for row in rows:
        assert _LINK.search(row), f"names no file: {row}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    for name in re.findall(r"`(test_\w+)`", document.read_text()):
        assert f"def {name}(" in written, f"{document.name} names {name}"
    for path in re.findall(r"`(tests/[\w/]+\.py)`", document.read_text()):
        assert (ROOT / path).exists(), f"{document.name} names {path}"


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text()
    for page in folder.glob("0*.md"):
        assert page.name in index
