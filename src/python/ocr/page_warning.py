"""What whoever uses a page's text has to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageWarning:
    """Something that a page's text does not show.

    Attributes:
        code: for programs, such as `unread_areas`.
        message: for people.
        incomplete: whether text of the page is missing from the result.
    """

    code: str
    message: str
    incomplete: bool
