"""PDF and Word files as text: the formats that need a library, which `documents` imports for such a file alone."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Iterator
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

from state.errors import InvalidField

MAX_UNPACKED_BYTES = 100 * 1024 * 1024

_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, zlib.error)
"""What both libraries let through where a file's inner structure is broken; pypdf documents that it does."""

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote the file


def read_pdf(path: Path) -> str:
    """Every page's text layer; a password that only guards printing does not matter."""
    try:
        return "\n".join(page.extract_text() for page in PdfReader(path).pages)
    except (FileNotDecryptedError, DependencyError):
        raise InvalidField(field=path.name, fix="is encrypted; save it without a password") from None
    except (PyPdfError, DeprecationError, *_MALFORMED):
        raise InvalidField(field=path.name, fix="is not a readable PDF; export it again") from None


def read_docx(path: Path) -> str:
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
