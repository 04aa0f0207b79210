"""What the access log tells of a request: all but its query, in which people put what nobody should read."""

import logging


class WithoutQuery(logging.Filter):
    """Cuts the query off the path of uvicorn's record: client, method, path, version, status."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, version, status = record.args
            record.args = client, method, str(path).partition("?")[0], version, status
        return True
