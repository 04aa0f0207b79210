"""Credentials as people have them: files under ~/.aws, and processes that print keys."""

import sys
from pathlib import Path

from tests.support import seaweedfs

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
KEY_PAIR = {"Version": 1, "AccessKeyId": seaweedfs.ACCESS_KEY, "SecretAccessKey": seaweedfs.SECRET_KEY}
PROCESS = f"""
import datetime, json, sys
with open(sys.argv[1], "a") as count:
    count.write("x")
expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=int(sys.argv[2]))
print(json.dumps({KEY_PAIR!r} | dict(Expiration=expires.isoformat())))
"""


def aws(home: str, name: str, text: str) -> None:
    """Writes this file of ~/.aws."""
    Path(home, ".aws", name).write_text(text)


def process(home: str, seconds: int, profile_name: str = "work") -> Path:
    """A credential process that notes each of its runs; the keys that it prints have so many seconds left."""
    script, count = Path(home, "process.py"), Path(home, "count")
    script.write_text(PROCESS)
    line = f"credential_process = {sys.executable} {script} {count} {seconds}"
    aws(home, "config", f"[profile {profile_name}]\nregion = us-east-1\n{line}\n")
    return count
