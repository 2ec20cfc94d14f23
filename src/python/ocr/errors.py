"""The package's error tree: what stops a command, a document or a page, and what to do about it."""

from __future__ import annotations

EX_DATAERR = 65
"""Exit code: what was given cannot be used (sysexits.h)."""

EX_UNAVAILABLE = 69
"""Exit code: something this program needs is missing or taken (sysexits.h)."""

EX_CONFIG = 78
"""Exit code: the configuration is wrong, so starting again will not help (sysexits.h)."""


class OcrError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        exit_code: what the process ends with.
    """

    exit_code = EX_UNAVAILABLE


class AddressUnavailable(OcrError):
    """The address to listen on is taken, or may not be used."""


class EngineMissing(OcrError):
    """This environment holds no OCR engine."""


class KeyMissing(OcrError):
    """Other machines could connect, and nothing would ask them for a key."""

    exit_code = EX_CONFIG


class EngineMisconfigured(OcrError):
    """The engine was asked for in a way that it cannot be used."""

    exit_code = EX_CONFIG


class DocumentRefused(OcrError):
    """A document cannot be converted, or not under these limits: the caller can change something.

    Attributes:
        code: for programs; the message is for people.
    """

    exit_code = EX_DATAERR
    code = "document_refused"


class FormatUnknown(DocumentRefused):
    """It is none of the formats that can be read."""

    code = "format_unknown"


class DocumentBroken(DocumentRefused):
    """It begins like a known format, and cannot be read all the same."""

    code = "document_broken"


class PasswordMissing(DocumentRefused):
    """It is encrypted, and no password was given."""

    code = "password_missing"


class PasswordWrong(DocumentRefused):
    """It is encrypted, and the password does not open it."""

    code = "password_wrong"


class EncryptionUnknown(DocumentRefused):
    """It is encrypted in a way that cannot be opened here, with a password or without."""

    code = "encryption_unknown"


class DocumentTooLarge(DocumentRefused):
    """It has more bytes than the limit."""

    code = "document_too_large"


class TooManyPages(DocumentRefused):
    """It has more pages than the limit."""

    code = "too_many_pages"


class PagesWrong(DocumentRefused):
    """The pages that were asked for are not a list of pages, or it does not have them."""

    code = "pages_wrong"


class PageFailed(OcrError):
    """One page has no text in the result; other pages of the document may be fine.

    Attributes:
        code: for programs; the message is for people.
    """

    exit_code = EX_DATAERR
    code = "page_failed"


class PageBroken(PageFailed):
    """The document's own data for it cannot be read."""

    code = "page_broken"


class ReaderBroke(PageFailed):
    """The process that read it came to an end."""

    code = "reader_broke"


class PageTooLarge(PageFailed):
    """It has more pixels than the limit."""

    code = "page_too_large"


class PageTimedOut(PageFailed):
    """It took longer than the limit."""

    code = "page_timed_out"


class PageCutOff(PageFailed):
    """The engine stopped before the end of the page."""

    code = "page_cut_off"


class EngineFailed(PageFailed):
    """The engine gave no answer that can be used."""

    code = "engine_failed"


TRY_AGAIN: frozenset[str] = frozenset(
    failure.code for failure in (ReaderBroke, PageTimedOut, EngineFailed)
)
"""Codes of failures that another try may mend: the same page can be read when there is less to do,
or when the engine is back."""
