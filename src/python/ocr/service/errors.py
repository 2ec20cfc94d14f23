"""What can be wrong with a request to the service."""

from __future__ import annotations

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


class JobNotFound(RequestRefused):
    """No job of the caller has that name."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"There is no job {job_id[:80]!r}. List them at GET /v1/ocr/jobs.",
            status=404,
            code="job_not_found",
        )


class JobNotFinished(RequestRefused):
    """A job has no result."""

    def __init__(self, job_id: str, state: State, error: JobError | None) -> None:
        if error is not None:
            message = f"The job {job_id} failed: {error.message} ({error.code})."
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
