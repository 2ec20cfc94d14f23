"""A model of the RapidOCR wheel, loaded into onnxruntime."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from ocr.errors import EngineFailed, EngineMissing

PACKAGE = "rapidocr"
DETECTION = "PP-OCRv6_det_small.onnx"
RECOGNITION = "PP-OCRv6_rec_small.onnx"

_ONLY_ERRORS = 3

Floats = NDArray[np.float32]


class Model:
    """One loaded model with one input and one output.

    Raises:
        EngineMissing: it is not installed.
        EngineFailed: onnxruntime cannot load it, mostly for want of memory.
    """

    def __init__(self, file: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONLY_ERRORS
        # Threads that spin while they wait would take the cores of the processes beside this one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = str(model_file(file))
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except RuntimeError as error:
            raise EngineFailed(f"onnxruntime cannot load {file}: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def run(self, values: Floats) -> Floats:
        """Return the output for an input.

        Raises:
            EngineFailed: onnxruntime gave up, mostly for want of memory.
        """
        try:
            output: Floats = self._session.run(None, {self._input: values})[0]
        except RuntimeError as error:
            raise EngineFailed(f"onnxruntime failed: {error}") from error
        return output

    def metadata(self, key: str) -> str:
        """Return a text that the model file carries."""
        return str(self._session.get_modelmeta().custom_metadata_map[key])


def model_file(file: str) -> Path:
    """Return where a model of the wheel is.

    Raises:
        EngineMissing: the wheel is not installed, or lacks it.
    """
    try:
        path = Path(str(distribution(PACKAGE).locate_file(f"{PACKAGE}/models/{file}")))
    except PackageNotFoundError:
        raise EngineMissing(
            f"the package {PACKAGE}, which has the models, is missing; "
            "run the program that is built from the ocr lock, dist/ocr.pex"
        ) from None
    if not path.is_file():
        raise EngineMissing(f"the package {PACKAGE} lacks models/{file}; install it anew")
    return path
