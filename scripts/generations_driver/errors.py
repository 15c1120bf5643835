"""Errors for the user, each one line: what, where, found, allowed, what to do."""

import argparse
import difflib
import os
import signal
import sys

from .place import DRIVER_NAME


class Failure(Exception):
    """The line, and the exit code."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


class Stopped(Exception):
    """A signal asked for the end."""


class OneLineParser(argparse.ArgumentParser):
    """A script's command line; its errors are one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def run(self, command, arguments=None, stopped="stopped"):
        """Calls the command with the parsed arguments; returns the exit code."""
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        options = self.parse_args(arguments)
        try:
            command(options)
            return 0
        except Failure as failure:
            code, text = failure.code, failure
        except (Stopped, KeyboardInterrupt):
            code, text = 130, stopped
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads what is still buffered
            return 1
        except OSError as error:
            code, text = 1, f"{error.filename or 'system'}: {error.strerror or error}"
        sys.stderr.write(f"{self.prog}: {text}\n")
        return code


def words_of(allowed):
    """For argparse: reads some of the allowed words, with commas between them."""
    def read(text):
        words = text.split(",")
        for word in words:
            if word not in allowed:
                raise argparse.ArgumentTypeError(f"{word} is not allowed: {', '.join(allowed)}")
        return words
    return read


def warn(message):
    sys.stderr.write(f"{DRIVER_NAME}: {message}\n")


def nearest(name, names):
    """The end of an error about an unknown name."""
    close = difflib.get_close_matches(name, names, 1, 0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
