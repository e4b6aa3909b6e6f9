"""Text out of files: every format's lines in order, and a clear word where there is none."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from pypdf import PdfWriter

from serve_app.http.bodies import MAX_LINES
from serve_app.terminal.document_formats import MAX_UNPACKED_BYTES
from serve_app.terminal.documents import MAX_FILE_BYTES, read_document
from state.errors import InvalidField


def a_pdf(path: Path, *pages: str) -> Path:
    """One page a text, each written by hand: a text layer in Helvetica, a line a line."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    for text in pages:
        shown = " T* ".join(f"({line}) Tj" for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 72 700 Td {shown} ET"
        contents = len(objects) + 2
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {contents} 0 R /Resources "
            "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    kids = " ".join(f"{number} 0 R" for number in range(3, len(objects) + 1, 2))
    objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"
    body, offsets = "%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{one}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF"
    path.write_bytes(f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode("latin-1"))
    return path


def refusal(path: Path, **limits: int) -> str:
    with pytest.raises(InvalidField) as refused:
        read_document(path, **limits)
    assert refused.value.field == path.name
    return refused.value.fix


@pytest.mark.parametrize("suffix", [".txt", ".md", ".TXT"])
def test_line_ends_of_every_system_become_newlines_and_nuls_go(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cv{suffix}"
    path.write_bytes(b"\xef\xbb\xbfAda\r\nZ\xc3\xbcrich\rNurse\x0b\x00since\x0c2019\n\n- one\ttwo")
    assert read_document(path) == "Ada\nZürich\nNurse\nsince\n2019\n\n- one\ttwo"


@pytest.mark.parametrize(("encoding", "text"), [("cp1252", "£30 – “café”"), ("utf-16", "naïve\nline")])
def test_text_that_is_not_utf_8_is_read_as_windows_writes_it(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "cv.txt"
    path.write_bytes(text.encode(encoding))
    assert read_document(path) == text


def test_text_in_no_known_encoding_is_to_be_saved_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "cv.txt"
    path.write_bytes(b"caf\x81\x8d")
    assert "UTF-8" in refusal(path)


def test_a_pdf_gives_its_lines_page_by_page(tmp_path: Path) -> None:
    path = a_pdf(tmp_path / "cv.pdf", "Ada Nowak\nNurse since 2019", "Second page")
    assert read_document(path) == "Ada Nowak\nNurse since 2019\nSecond page"


def test_a_pdf_that_wants_a_password_is_refused_and_one_that_only_guards_printing_is_read(tmp_path: Path) -> None:
    plain = a_pdf(tmp_path / "cv.pdf", "Ada Nowak")
    for name, password in (("locked.pdf", "secret"), ("guarded.pdf", "")):
        writer = PdfWriter(clone_from=plain)
        writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
        writer.write(tmp_path / name)
    assert refusal(tmp_path / "locked.pdf") == "is encrypted; save it without a password"
    assert read_document(tmp_path / "guarded.pdf") == "Ada Nowak"


def test_a_scanned_pdf_needs_text_recognition_first(tmp_path: Path) -> None:
    assert "text recognition" in refusal(a_pdf(tmp_path / "scan.pdf", "", ""))


def test_a_docx_gives_paragraphs_lists_and_table_cells_in_their_order(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Ada Nowak")
    document.add_paragraph("Wrote the Helm charts", style="List Bullet")
    table = document.add_table(3, 2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), ("2021", "Nurse", "2019"), strict=False):
        cell.text = text
    table.cell(1, 1).text = "Carer\nNights"
    table.cell(2, 0).merge(table.cell(2, 1)).text = "Languages"
    document.add_paragraph("End")
    document.save(str(tmp_path / "cv.docx"))
    text = read_document(tmp_path / "cv.docx")
    assert text == "Ada Nowak\n- Wrote the Helm charts\n2021 | Nurse\n2019\nCarer\nNights\nLanguages\nEnd"


def test_what_a_word_template_keeps_in_content_controls_is_read_where_it_stands(tmp_path: Path) -> None:
    document = docx.Document()
    first = document.add_paragraph("Name: ")
    document.add_paragraph("End")
    held = "<w:sdt {ns}><w:sdtContent>{inner}</w:sdtContent></w:sdt>"
    run, paragraph = "<w:r><w:t>Ada</w:t></w:r>", "<w:p><w:r><w:t>Nurse</w:t></w:r></w:p>"
    first._p.append(parse_xml(held.format(ns=nsdecls("w"), inner=run)))
    first._p.addnext(parse_xml(held.format(ns=nsdecls("w"), inner=paragraph)))
    document.save(str(tmp_path / "cv.docx"))
    assert read_document(tmp_path / "cv.docx") == "Name: Ada\nNurse\nEnd"


def cut_pdf(path: Path) -> None:
    a_pdf(path, "Ada")
    path.write_bytes(path.read_bytes()[:60])


def zip_without_a_document(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", "text")


def docx_with_broken_xml(path: Path) -> None:
    docx.Document().save(str(path))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part[:50] if name == "word/document.xml" else part)


@pytest.mark.parametrize(
    ("name", "write", "fix"),
    [
        ("cut.pdf", cut_pdf, "not a readable PDF"),
        ("text.pdf", lambda path: path.write_text("Ada"), "not a readable PDF"),
        ("empty.pdf", lambda path: path.write_bytes(b""), "not a readable PDF"),
        ("locked.docx", lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 64), "has a password"),
        ("other.docx", zip_without_a_document, "not a readable .docx"),
        ("broken.docx", docx_with_broken_xml, "not a readable .docx"),
        ("cv.doc", lambda path: path.write_bytes(b"Ada"), ".txt, .md, .pdf, .docx"),
        ("cv", lambda path: path.write_bytes(b"Ada"), ".txt, .md, .pdf, .docx"),
        ("missing.md", lambda path: None, "no such file"),
        ("folder.md", lambda path: path.mkdir(), "cannot be opened"),
        ("blank.md", lambda path: path.write_text(" \n\n"), "holds no text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(
    tmp_path: Path, name: str, write: Callable[[Path], object], fix: str
) -> None:
    write(tmp_path / name)
    assert fix in refusal(tmp_path / name)


def test_files_and_texts_beyond_the_limits_are_refused_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "cv.txt"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert refusal(path) == "must be at most 10 MB large"
    path.write_text("x" * 1001)
    assert refusal(path, max_chars=1000) == "holds 1,001 characters; shorten it to 1,000"
    assert read_document(path, max_chars=1001) == "x" * 1001
    path.write_text("x\n" * MAX_LINES)
    assert "5,001 lines" in refusal(path)


def test_a_docx_that_unpacks_to_far_more_than_it_is_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "cv.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as part:
        for _ in range(MAX_UNPACKED_BYTES // 1024**2 + 1):
            part.write(bytes(1024**2))
    assert path.stat().st_size < MAX_FILE_BYTES
    assert "too large once unpacked" in refusal(path)
