"""Reading arrays from ``.npy`` files, whose header is checked before memory is taken."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from vaebench.data.files.limits import refuse_oversized
from vaebench.data.files.opening import refusing_broken
from vaebench.errors import InputError, shortened

_ZIP = b"PK\x03\x04"


def array_from_npy(file: Path) -> np.ndarray:
    """Reads a ``.npy`` file with numbers.

    Raises:
        InputError: it is another kind of file, is cut off, or holds anything but real numbers.
    """
    with refusing_broken(file, "a table or a .npy file"):
        with open(file, "rb") as stream:
            start = stream.read(4)
            if start == _ZIP:
                raise InputError(f"{file} is a NumPy archive (.npz); save one array with numpy.save")
            stream.seek(0)
            try:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, kind = read(stream)
            except Exception as error:  # the header is Python text, so errors are of many kinds
                raise InputError(
                    f"{file} is not a .npy file ({shortened(error)}); write it with numpy.save, or name a table .csv"
                ) from error
            held = os.path.getsize(file) - stream.tell()
        if kind.kind not in "fiub":
            raise InputError(f"{file} holds values of type {kind}; it must hold real numbers")
        needed = math.prod(shape) * kind.itemsize
        if needed != held or any(size < 0 for size in shape):
            raise InputError(f"{file} declares {needed} bytes of values and holds {held}; is it cut off or damaged?")
        refuse_oversized(file, needed)
        return np.load(file, allow_pickle=False)
