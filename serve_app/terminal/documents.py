"""A CV or a job description out of a file, as plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from serve_app.http.bodies import MAX_CV_CHARS, MAX_LINES
from state.errors import InvalidField

MAX_FILE_BYTES = 10 * 1024 * 1024

UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LINE_END = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


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
    from serve_app.terminal.document_formats import read_pdf  # noqa: PLC0415 - a text needs neither library

    return read_pdf(path)


def _read_docx(path: Path) -> str:
    from serve_app.terminal.document_formats import read_docx  # noqa: PLC0415 - a text needs neither library

    return read_docx(path)


_READERS: Mapping[str, Callable[[Path], str]] = {
    ".txt": _read_text,
    ".md": _read_text,
    ".pdf": _read_pdf,
    ".docx": _read_docx,
}
