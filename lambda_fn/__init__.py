"""The serving half: it never imports the training half, and training imports it."""

import os

__version__ = "1.0.0"  # of the project; the CHANGELOG has what each release changes

# onnxruntime tells its maker of every process and session, and keeps an identifier in the home folder for that. It
# reads this once, when it is imported; so it is said here, before any module of this package can import it.
# (github.com/microsoft/onnxruntime, pull request 27379)
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
