"""Silence for whole programs: what the native libraries that find faces would write to the terminal."""

import os
import sys


def silence_native_logs() -> None:
    """Sends what C++ libraries write to file descriptor 2 to nowhere, for good; Python's own stderr goes on.

    MediaPipe's threads report there whenever they like, and its log levels do not reach those lines. For whole
    programs only: the command line, the app and worker processes call it first of all.
    """
    sys.stderr.flush()
    own = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    os.close(sink)
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
