"""Files: one-line errors, and writing that leaves a complete file or none."""

import contextlib
import csv
import datetime
import glob
import hashlib
import json
import math
import os
import re
import threading

from .errors import Failure
from .place import HOME, find_file


def now():
    return datetime.datetime.now().isoformat(timespec="seconds")


# Reads UTF-8 with or without the byte order mark that editors of Windows put in front.
TEXT = "utf-8-sig"


def read_text(path, what):
    try:
        with open(find_file(path), encoding=TEXT) as file:
            return file.read()
    except OSError as error:
        other = os.path.join(HOME, path)
        missing = isinstance(error, FileNotFoundError) and other != os.path.abspath(path)
        also = f", nor is there {other}" if missing else ""
        raise Failure(f"{path}: cannot read the {what}: {error.strerror}{also}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path}: the {what} is not a text file") from error


def make_folder(path, option):
    """With those above it; `option` is the one that names it."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise Failure(f"{path}: cannot make this folder: {error.strerror}; name another with {option}") from error


@contextlib.contextmanager
def replacing(path):
    """A temporary name to write to; at the end the file is renamed to the path."""
    temporary = f"{path}.tmp{os.getpid()}.{threading.get_ident()}"
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise Failure(f"{path}: cannot write: {error.strerror}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def remove_leftovers(stem):
    """Temporary files that killed processes left of STEM.*, STEM_* and STEM-*, which nobody else may be writing now."""
    for path in glob.glob(glob.escape(stem) + "[._-]*"):
        if re.search(r"\.tmp[0-9]+\.[0-9]+$", path):
            os.unlink(path)


def write_text(path, text):
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_or_check(path, text, check, writer):
    """Writes a generated file; with `check`, only refuses one with another text."""
    if not check:
        write_text(path, text)
    elif read_text(path, "generated file") != text:
        raise Failure(f"{path}: not what scripts/{writer} writes; change the script, or run it to write the file")


def finite(value):
    """The value with NaN and infinities, which JSON does not know, replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return value


def write_json(path, value):
    write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def read_json(path, advice):
    try:
        value = json.loads(read_text(path, "JSON file"))
    except ValueError as error:
        raise Failure(f"{path}: not JSON ({error}); {advice}") from error
    if not isinstance(value, dict):
        raise Failure(f"{path}: not a JSON object; {advice}")
    return finite(value)


def number_or_none(text):
    try:
        return finite(float(text))
    except (TypeError, ValueError):
        return None


def whole_or_none(text):
    """A number of the digits 0 to 9; isdigit() accepts others, which int() refuses, and int() limits their number."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text or "") else None


def read_csv(path):
    """{epoch: row} of a training's table; the last row of an epoch counts, as a resumed training writes it again."""
    rows = {}
    try:
        with open(path, newline="", encoding=TEXT) as file:
            for row in csv.DictReader(file):
                epoch = number_or_none(row.get("epoch"))
                if epoch is not None:
                    rows[int(epoch)] = {key: number_or_none(value) for key, value in row.items() if key}
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return rows


def sha256_text(text):
    return hashlib.sha256(text.encode()).hexdigest()


_hashes = {}


def sha256_file(path):
    """Hash of a file; remembered while its size and time stay the same."""
    status = os.stat(path)
    key = (os.path.abspath(path), status.st_size, status.st_mtime_ns)
    if key not in _hashes:
        with open(path, "rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]


def stem(path):
    """The file's name without its extension."""
    return os.path.splitext(os.path.basename(path))[0]


def tidy(path):
    """Below the working directory relative to it, as Darknet's own paths are; elsewhere absolute."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith("..") else relative
