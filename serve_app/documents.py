"""A CV or a job description out of a file, as plain text."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import docx
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph
from pypdf import PdfReader
from pypdf.errors import DependencyError, DeprecationError, FileNotDecryptedError, PyPdfError

from serve_app.http.bodies import MAX_CV_CHARS, MAX_LINES
from state.errors import InvalidField

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_UNPACKED_BYTES = 10 * MAX_FILE_BYTES

UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LINE_END = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")

_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, zlib.error)
"""What both libraries let through where a file's inner structure is broken; pypdf documents that it does."""

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote the file


def read_document(path: Path, *, max_chars: int = MAX_CV_CHARS) -> str:
    """The text of a .txt, .md, .pdf or .docx file, its lines kept and ended by a newline each.

    Raises `InvalidField` naming the file where it cannot be read, holds no text, or more than the API takes.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InvalidField(field=path.name, fix=f"must be one of {', '.join(_READERS)}; save it as one of them")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidField(field=path.name, fix=f"must be at most {MAX_FILE_BYTES // 1024**2} MB large")
        text = _plain(read(path))
    except FileNotFoundError:
        raise InvalidField(field=path.name, fix="there is no such file; check the path") from None
    except OSError as error:
        raise InvalidField(field=path.name, fix=f"cannot be opened ({error.strerror})") from None
    return _fitting(path.name, text, max_chars)


def _fitting(name: str, text: str, max_chars: int) -> str:
    if not text.strip():
        raise InvalidField(field=name, fix="holds no text; a scanned page needs text recognition first")
    if len(text) > max_chars:
        raise InvalidField(field=name, fix=f"holds {len(text):,} characters; shorten it to {max_chars:,}")
    if text.count("\n") >= MAX_LINES:
        raise InvalidField(field=name, fix=f"holds {text.count(chr(10)) + 1:,} lines; shorten it to {MAX_LINES:,}")
    return text


def _plain(text: str) -> str:
    return _CONTROL.sub("", _LINE_END.sub("\n", text))


def _read_text(path: Path) -> str:
    data = path.read_bytes()
    for encoding in ("utf-16",) if data.startswith(UTF_16_MARKS) else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidField(field=path.name, fix="is not readable as text; save it as UTF-8")


def _read_pdf(path: Path) -> str:
    """Every page's text layer; a password that only guards printing does not matter."""
    try:
        return "\n".join(page.extract_text() for page in PdfReader(path).pages)
    except (FileNotDecryptedError, DependencyError):
        raise InvalidField(field=path.name, fix="is encrypted; save it without a password") from None
    except (PyPdfError, DeprecationError, *_MALFORMED):
        raise InvalidField(field=path.name, fix="is not a readable PDF; export it again") from None


def _read_docx(path: Path) -> str:
    try:
        with ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise InvalidField(field=path.name, fix="is too large once unpacked; leave its pictures out")
        document = docx.Document(str(path))
        _unwrap_controls(document.element)
        return "\n".join(_lines(document.iter_inner_content()))
    except (BadZipFile, OpcError, SyntaxError, EOFError, *_MALFORMED):  # lxml's is a SyntaxError
        raise InvalidField(
            field=path.name, fix="is not a readable .docx, or has a password; save it again without one"
        ) from None


def _unwrap_controls(root: BaseOxmlElement) -> None:
    """Put what Word's content controls hold in their place: python-docx passes over them, and templates use them."""
    for control in list(root.iter(qn("w:sdt"))):
        for content in control.findall(qn("w:sdtContent")):
            for held in list(content):
                control.addprevious(held)
        control.getparent().remove(control)


def _lines(blocks: Iterable[Paragraph | Table]) -> Iterator[str]:
    """Paragraphs and table rows in the order they stand; a row of short cells is one line."""
    for block in blocks:
        if isinstance(block, Paragraph):
            listed = block.style is not None and (block.style.name or "").startswith("List")
            yield f"- {block.text}" if listed and block.text.strip() else block.text
            continue
        for row in block.rows:
            once_each = [_Cell(cell, block) for cell in row._tr.tc_lst]  # `row.cells` repeats merged ones
            cells = ["\n".join(_lines(cell.iter_inner_content())).strip() for cell in once_each]
            filled = [cell for cell in cells if cell]
            yield ("\n" if any("\n" in cell for cell in filled) else " | ").join(filled)


_READERS: Mapping[str, Callable[[Path], str]] = {
    ".txt": _read_text,
    ".md": _read_text,
    ".pdf": _read_pdf,
    ".docx": _read_docx,
}
