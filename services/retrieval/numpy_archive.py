"""Writes and reads whole numbers in NumPy's `.npz`, without NumPy: each release reads what another one kept."""

import re
import sys
import zipfile
from array import array
from collections.abc import Mapping
from typing import IO

MAGIC = b"\x93NUMPY\x01\x00"
CODES = {"<u4": "I", "<u8": "Q"}
HEADER = re.compile(rb"\{'descr': '(<u[48])', 'fortran_order': False, 'shape': \((?:(\d+),)?\), \} *\n")
ALIGNED_BYTES = 64


def write_archive(file: IO[bytes], arrays: "Mapping[str, array[int] | int]") -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, numbers in arrays.items():
            archive.writestr(f"{name}.npy", _written(numbers))


def read_archive(file: IO[bytes]) -> "dict[str, array[int]]":
    """A single number comes back as an array of one. Raises ValueError, KeyError, EOFError, zipfile.BadZipFile."""
    with zipfile.ZipFile(file) as archive:
        return {name.removesuffix(".npy"): _read(archive.read(name)) for name in archive.namelist()}


def _written(value: "array[int] | int") -> bytes:
    numbers, shape = (array("Q", [value]), "()") if isinstance(value, int) else (value, f"({len(value)},)")
    (descr,) = (descr for descr, code in CODES.items() if code == numbers.typecode)
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(MAGIC) + 2 + len(header) + 1) % ALIGNED_BYTES) + b"\n"
    return MAGIC + len(header).to_bytes(2, "little") + header + _little_endian(numbers).tobytes()


def _read(content: bytes) -> "array[int]":
    if not content.startswith(MAGIC):
        raise ValueError("no array of NumPy's first format")
    begin = len(MAGIC) + 2
    end = begin + int.from_bytes(content[len(MAGIC) : begin], "little")
    match = HEADER.fullmatch(content[begin:end])
    if match is None:
        raise ValueError("no array of whole numbers")
    numbers = array(CODES[match[1].decode()])
    numbers.frombytes(content[end:])
    if len(numbers) != int(match[2] or 1):
        raise ValueError("an array that was cut short")
    return _little_endian(numbers)


def _little_endian(numbers: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers
