"""Where documents and their jobs are found."""

from __future__ import annotations

import re
from dataclasses import dataclass

from querylake_api.error_responses.unserved_urls import unknown_url, wrong_method

DOCUMENTS = "/v1/ocr"

PLACES: dict[str, tuple[str, ...]] = {
    DOCUMENTS: ("POST",),
    "/v1/ocr/jobs": ("GET", "POST"),
    "/v1/ocr/jobs/{job_id}": ("GET", "DELETE"),
    "/v1/ocr/jobs/{job_id}/events": ("GET",),
    "/v1/ocr/jobs/{job_id}/result": ("GET",),
    "/v1/ocr/jobs/{job_id}/markdown": ("GET",),
}
"""Methods by route template."""

# No dots, slashes or percent signs: an id cannot lead elsewhere in the service.
_JOB = re.compile(r"/v1/ocr/jobs/[A-Za-z0-9_-]{1,100}(/[a-z]+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A request's target.

    Attributes:
        template: safe as a label.
        path: as it was asked for, and as the service has it.
    """

    template: str
    path: str


def covers(path: str) -> bool:
    """Return whether a path is one of ours, be there anything or not."""
    return path == DOCUMENTS or path.startswith(DOCUMENTS + "/")


def find_place(method: str, path: str) -> Place:
    """Return where a request goes.

    Raises:
        ApiError: 404 or 405.
    """
    template = path
    job = _JOB.fullmatch(path)
    if job is not None:
        template = f"/v1/ocr/jobs/{{job_id}}{job[1] or ''}"
    methods = PLACES.get(template)
    if methods is None:
        raise unknown_url(method, path)
    if method not in methods:
        raise wrong_method(method, path, ", ".join(methods))
    return Place(template, path)
