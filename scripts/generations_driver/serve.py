"""The page of `generations.py serve`: a server on loopback that has this page, its numbers, and the files of a run.

Safe for a machine with other users' browsers on it: it listens on 127.0.0.1 alone, answers only requests that name
loopback as their host (another site's page cannot read it through a name that leads here), reads and never writes, and
sends no file from outside the folder, whatever the path or the links say.
"""

import functools
import http.server
import json
import os
import sys
import urllib.parse

from .errors import Failure
from .live_state import state

ADDRESS, PORT = "127.0.0.1", 8017
HOSTS = ("127.0.0.1", "localhost")
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "live.html")
# What a page can show; weights, states and logs stay where they are.
KINDS = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".html": "text/html; charset=utf-8",
         ".md": "text/plain; charset=utf-8", ".csv": "text/plain; charset=utf-8", ".json": "application/json"}
POLICY = ("default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
# Of the files: a report's figures are in it, and nothing in them runs.
FILE_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"


def file_in(folder, path):
    """The file of the folder that a request names; None for what is outside, hidden, or of no known kind."""
    if "\0" in path or "\\" in path or any(part.startswith(".") for part in path.split("/")):
        return None
    root = os.path.realpath(folder)
    found = os.path.realpath(os.path.join(root, path))
    inside = os.path.commonpath([root, found]) == root
    return found if inside and os.path.isfile(found) and os.path.splitext(found)[1] in KINDS else None


class Handler(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "darknet-generations", ""
    timeout = 30  # seconds for a request

    def __init__(self, *arguments, folder, folders):
        self.folder, self.folders = folder, folders
        super().__init__(*arguments)

    def do_GET(self):
        """The page, its numbers, or a file."""
        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if host not in HOSTS:
            return self.answer(421, "text/plain", b"this server is for loopback\n")
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if path == "/":
            return self.send_file(PAGE, POLICY)
        if path == "/state.json":
            try:
                return self.answer(200, "application/json", json.dumps(state(self.folder, self.folders())).encode())
            except (Failure, OSError) as failure:  # of a run that is being written
                return self.answer(503, "text/plain; charset=utf-8", f"{failure}\n".encode())
        found = file_in(self.folder, path.removeprefix("/files/")) if path.startswith("/files/") else None
        return self.send_file(found, FILE_POLICY) if found else self.answer(404, "text/plain", b"not found\n")

    do_HEAD = do_GET

    def send_file(self, path, policy):
        with open(path, "rb") as file:
            self.answer(200, KINDS[os.path.splitext(path)[1]], file.read(), policy)

    def answer(self, code, kind, content, policy=FILE_POLICY):
        self.send_response(code)
        headers = {
            "Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store",
            "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        """A page that asks every few seconds would fill the terminal."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A page that is closed while it is being answered is no error."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def open_server(folder, folders, port):
    """`folders` finds the runs in `folder`: a sweep's begin one after the other."""
    try:
        return Server((ADDRESS, port), functools.partial(Handler, folder=folder, folders=folders))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"--port {port}: cannot listen on {ADDRESS}: {reason}; choose another, 0 for any") from error
