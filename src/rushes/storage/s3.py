"""The client of S3 as it is used here: one try within seconds, and every key that a store allows."""

from __future__ import annotations

from s3fs import S3FileSystem

from rushes.storage.client import ANSWER_LIMIT_S, CONNECT_LIMIT_S


class S3Files(S3FileSystem):
    """Tries once: two clients below (s3fs, botocore) that each try five times are silent for minutes."""

    retries = 1
    connect_timeout = CONNECT_LIMIT_S
    read_timeout = ANSWER_LIMIT_S  # for the next byte of an answer

    def __init__(self, **options: object) -> None:
        super().__init__(config_kwargs={"retries": {"total_max_attempts": 1}}, **options)

    def split_path(self, path: str) -> tuple[str, str, str | None]:
        """Bucket and key; what follows ``?versionId=`` is part of the key like any other character."""
        bucket, key, _ = super().split_path(path)
        _, mark, rest = path.partition("?versionId=")
        return bucket, key + mark + rest, None
