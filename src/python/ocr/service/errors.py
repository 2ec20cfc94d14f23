"""What can be wrong with a request to the service."""

from __future__ import annotations

from collections.abc import Sequence

from ocr.conversion.assembly import PageErrorDocument
from ocr.errors import OcrError
from ocr.service.job import JobError, State


class RequestRefused(OcrError):
    """A request that its caller can mend.

    Attributes:
        status: of the answer.
        code: for programs; the message is for people.
        param: the field at fault, if one is.
    """

    def __init__(
        self, message: str, *, status: int = 400, code: str, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


STATUS_OF_CODE = {
    "document_too_large": 413,
    "too_many_pages": 413,
    "format_unknown": 415,
    "storage_failed": 507,
    "internal_error": 500,
}
"""Of the answer, where a document was not converted; 422 for every other reason."""


class DocumentNotConverted(RequestRefused):
    """A document that was waited for has no result."""

    def __init__(self, state: State, error: JobError | None) -> None:
        if error is None:
            message = f"The conversion is {state}, by another request than this one."
            super().__init__(message, status=409, code=f"conversion_{state}")
            return
        super().__init__(
            f"The document cannot be converted: {error.message}.",
            status=STATUS_OF_CODE.get(error.code, 422),
            code=error.code,
            param="file",
        )


class NothingConverted(RequestRefused):
    """Every page of a document failed, so there is no Markdown of it."""

    def __init__(self, errors: Sequence[PageErrorDocument]) -> None:
        first = errors[0]
        super().__init__(
            f"No page could be converted; page {first.page}: {first.message} ({first.code}).",
            status=422,
            code="no_page_converted",
            param="file",
        )


class UploadTooSlow(RequestRefused):
    """Nothing more of a document came."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Nothing more of the document came within {seconds:g} s. Send it again.",
            status=408,
            code="upload_too_slow",
        )


class JobNotFound(RequestRefused):
    """No job of the caller has that name."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"There is no job {job_id[:80]!r}. List them at GET /v1/ocr/jobs.",
            status=404,
            code="job_not_found",
        )


class JobNotFinished(RequestRefused):
    """A job has no result.

    Attributes:
        state: of the job.
        error: why it failed, if it did.
    """

    def __init__(self, job_id: str, state: State, error: JobError | None) -> None:
        self.state = state
        self.error = error
        if error is not None:
            message = f"The job {job_id} failed: {error.message} ({error.code})."
        elif state == "cancelled":
            message = f"The job {job_id} was cancelled, so there is no result of it."
        else:
            message = f"The job {job_id} is {state}. Ask again when it is complete."
        super().__init__(message, status=409, code=error.code if error else "job_not_finished")


class ResultGone(RequestRefused):
    """The result was removed from the disk."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"The result of the job {job_id} is not kept any more. Send the document again.",
            status=410,
            code="result_gone",
        )
