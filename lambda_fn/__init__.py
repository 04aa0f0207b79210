"""The serving half: it never imports the training half, and training imports it."""

import os

VERSION = "0.1.0"  # of the release, as in pyproject.toml

# onnxruntime tells its maker of every process and session, and keeps an identifier in the home folder for that. It
# reads this once, when it is imported; so it is said here, before any module of this package can import it.
# (github.com/microsoft/onnxruntime, pull request 27379)
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
