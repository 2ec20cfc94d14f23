"""Drivers and CUDA versions: the table, and what follows from it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuda_drivers import (
    MINIMUM_DRIVER,
    Compatibility,
    compatibility,
    driver_at_least,
    minimum_driver,
    newest_cuda,
)
from cuda_drivers.forward_compatibility import BRANCHES, compat_package


@pytest.mark.parametrize(
    ("driver", "cuda", "expected"),
    [
        ("570.26", "12.8", Compatibility.FULL),
        ("570.211.01", "12.8", Compatibility.FULL),
        ("580.95.05", "12.8", Compatibility.FULL),  # an older major version on a newer driver
        ("560.35.05", "12.8", Compatibility.MINOR),
        ("525.60.13", "12.9", Compatibility.MINOR),
        ("525.60.12", "12.8", Compatibility.NONE),
        ("575.57.08", "13.0", Compatibility.NONE),
        ("580.65.06", "13.1", Compatibility.MINOR),
        ("470.256.02", "12.8", Compatibility.NONE),
        ("580.95.05", "99.1", Compatibility.UNKNOWN),
        ("580.beta", "12.8", Compatibility.UNKNOWN),
        ("", "", Compatibility.UNKNOWN),
    ],
)
def test_compatibility(driver: str, cuda: str, expected: Compatibility) -> None:
    assert compatibility(driver, cuda) is expected


@given(st.text(), st.text() | st.sampled_from(sorted(MINIMUM_DRIVER)))
def test_any_text_has_an_answer(driver: str, cuda: str) -> None:
    assert compatibility(driver, cuda) in Compatibility


def test_versions_are_numbers_and_not_text() -> None:
    assert driver_at_least("570.124.06", "570.26")
    assert not driver_at_least("575.51.03", "575.57.08")
    assert minimum_driver("12.8.1") == "570.26"


def test_the_newest_cuda_of_a_driver() -> None:
    assert newest_cuda("580.126.09") == "13.0"
    assert newest_cuda("575.51.03") == "12.8"  # the beta does not count for 12.9
    assert newest_cuda("470.256.02") is None


def test_newer_cuda_needs_newer_drivers() -> None:
    in_order = sorted(MINIMUM_DRIVER, key=lambda cuda: [int(part) for part in cuda.split(".")])
    drivers = [MINIMUM_DRIVER[cuda] for cuda in in_order]
    for older, newer in pairwise(drivers):
        assert not driver_at_least(older, newer)


@pytest.mark.parametrize(
    ("driver", "cuda", "package"),
    [
        ("535.183.01", "12.8", "cuda-compat-12-8"),
        ("470.256.02", "12.8", "cuda-compat-12-8"),
        ("470.256.02", "12.9", None),  # the branch was given up
        ("570.133.20", "13.0", "cuda-compat-13-0"),
        ("545.23.08", "12.8", None),  # a feature branch
        ("580.95.05", "12.8", None),  # newer than the package: it needs none
        ("535.183.01", "11.8", None),
    ],
)
def test_packages_of_forward_compatibility(driver: str, cuda: str, package: str | None) -> None:
    assert compat_package(driver, cuda) == package


def test_forward_compatibility_is_for_drivers_that_are_too_old() -> None:
    for cuda, branches in BRANCHES.items():
        for branch in branches:
            assert compatibility(f"{branch}.0", cuda) is not Compatibility.FULL


@given(st.text(), st.text() | st.sampled_from(sorted(BRANCHES)))
def test_any_text_has_a_package_or_none(driver: str, cuda: str) -> None:
    compat_package(driver, cuda)
