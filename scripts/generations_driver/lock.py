"""One driver at a time works in a folder.

The children inherit the lock: if the driver is killed, the folder stays locked while one of them writes into it.
"""

import fcntl
import os
import time

from .errors import Failure


class Lock:
    def __init__(self, folder):
        path = os.path.join(folder, ".lock")
        try:
            os.makedirs(folder, exist_ok=True)
            self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise Failure(f"{path}: cannot write: {error.strerror}; choose another --out") from error
        # `status` takes it for a moment.
        if not any(try_lock(self.file, fcntl.LOCK_EX) or time.sleep(0.1) for _ in range(5)):
            holders = os.pread(self.file, 4096, 0).decode(errors="replace").split()
            os.close(self.file)
            living = [pid for pid in holders if pid.isdigit() and os.path.exists(f"/proc/{pid}")]
            who = f"process {', '.join(living)}" if living else "another process"
            raise Failure(f"{folder}: in use by {who}; wait for it, stop it, or choose another --out")
        os.ftruncate(self.file, 0)
        self.note(os.getpid())

    def close(self):
        os.close(self.file)

    def note(self, pid):
        """Names a process that holds the lock."""
        os.lseek(self.file, 0, os.SEEK_END)
        os.write(self.file, f"{pid}\n".encode())


def try_lock(file, kind):
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(folder):
    path = os.path.join(folder, ".lock")
    if not os.path.exists(path):
        return False
    with open(path, "rb") as file:
        return not try_lock(file, fcntl.LOCK_SH)
