"""S3 bucket client with blocking calls for threads, by boto3 (decision 28)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any, ClassVar

from mailstack.protocols.log import Redacted
from mailstack.store import Damaged, StoreError, StoreFull
from mailstack.store.writer import trouble as trouble_of_system

PART = 8 * 1024 * 1024
"""Octets of a part, where an object goes in parts; S3 wants 5 MiB at least."""
PAGE = 1000
"""Objects that are listed at a time."""

_GONE = {"NoSuchKey", "404"}
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}


class Place(Redacted, frozen=True):
    """Location and timeouts of the bucket."""

    SECRETS: ClassVar[tuple[str, ...]] = ("secret_key",)

    bucket: str
    endpoint: str = ""
    """A URL; empty: Amazon's own for the region."""
    region: str = "us-east-1"
    prefix: str = ""
    """Prefix of every key; empty, or ends with a slash."""
    access_key: str = ""
    """Empty: as Amazon's own tools find one (environment, shared files, role of the machine). So for `secret_key`."""
    secret_key: str = ""
    ca_file: Path | None = None
    """CA certificates that verify the server; None: the system's."""
    connect_timeout: float = 5.0
    timeout: float = 20.0
    """Seconds without any octet."""
    attempts: int = 3
    """Maximum tries of each request, with pauses in between, after temporary errors."""
    multipart: int = 64 * 1024 * 1024
    """Octets above which an object goes in parts."""


class Bucket:
    """All calls raise what `trouble` turns into a StoreError."""

    def __init__(self, place: Place, connections: int) -> None:
        """`connections`: how many threads will use it."""
        self.place = place
        self._connections = connections
        self._lock = threading.Lock()
        self._made: Any = None

    @property
    def client(self) -> Any:
        """Made when it is first used: boto3 is heavy."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> Any:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        place = self.place
        keys = {"aws_access_key_id": place.access_key, "aws_secret_access_key": place.secret_key}
        session = boto3.session.Session(**keys if place.access_key else {}, region_name=place.region)
        return session.client(
            "s3",
            endpoint_url=place.endpoint or None,
            verify=str(place.ca_file) if place.ca_file else None,
            config=Config(
                connect_timeout=place.connect_timeout,
                read_timeout=place.timeout,
                retries={"mode": "standard", "total_max_attempts": place.attempts},
                max_pool_connections=self._connections,
                # Every server knows this: newer sums of Amazon's many others don't. What arrives damaged is refused by it.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={
                    "payload_signing_enabled": True,
                    # Names of buckets are no names of hosts with a server of one's own.
                    "addressing_style": "path" if place.endpoint else "auto",
                },
            ),
        )

    def key(self, name: str) -> str:
        """`name` of hexadecimal digits; spread over many prefixes, as object stores like it."""
        return f"{self.place.prefix}{name[:2]}/{name}"

    def put(self, name: str, octets: IO[bytes], size: int) -> None:
        """Stores an open file completely or not at all; durable on return."""
        octets.seek(0)
        bucket, key = self.place.bucket, self.key(name)
        if size <= self.place.multipart:
            self.client.put_object(Bucket=bucket, Key=key, Body=octets, ContentLength=size)
            return
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415

        # In this thread: what is sent at a time is one part, in memory.
        config = TransferConfig(multipart_threshold=1, multipart_chunksize=PART, use_threads=False)
        self.client.upload_fileobj(octets, bucket, key, Config=config)

    def get(self, name: str, start: int) -> tuple[Any, int]:
        """A stream of the octets from `start` on, and how many these will be. Raises Damaged when there is no such object."""
        bounds = {"Range": f"bytes={start}-"} if start else {}
        with self._of(name):
            found = self.client.get_object(Bucket=self.place.bucket, Key=self.key(name), **bounds)
        return found["Body"], found["ContentLength"]

    def size(self, name: str) -> int:
        """Octets of an object. Raises Damaged when there is none."""
        with self._of(name):
            return int(self.client.head_object(Bucket=self.place.bucket, Key=self.key(name))["ContentLength"])

    @contextmanager
    def _of(self, name: str) -> Iterator[None]:
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            yield
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _GONE:
                raise Damaged(f"the object {self.key(name)} is not there") from error
            raise

    def delete(self, name: str) -> None:
        """Deletes an object; a missing one is ignored."""
        self.client.delete_object(Bucket=self.place.bucket, Key=self.key(name))

    def older_than(self, age: float, after: str) -> tuple[list[str], str]:
        """Names older than `age` seconds among the next PAGE names after a mark, and the next mark (empty: the end).

        The clock of the object store counts.
        """
        more = {"ContinuationToken": after} if after else {}
        found = self.client.list_objects_v2(Bucket=self.place.bucket, Prefix=self.place.prefix, MaxKeys=PAGE, **more)
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        old = [
            each["Key"].rpartition("/")[2]
            for each in found.get("Contents", ())
            if (now - each["LastModified"]).total_seconds() >= age
        ]
        return old, found.get("NextContinuationToken", "") if found["IsTruncated"] else ""

    def drop_parts(self, age: float) -> int:
        """Forget uploads in parts that were begun `age` seconds ago and never ended; how many."""
        count = 0
        pages = self.client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=self.place.bucket, Prefix=self.place.prefix):
            now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
            for each in page.get("Uploads", ()):
                if (now - each["Initiated"]).total_seconds() >= age:
                    self.client.abort_multipart_upload(
                        Bucket=self.place.bucket, Key=each["Key"], UploadId=each["UploadId"]
                    )
                    count += 1
        return count

    def close(self) -> None:
        if self._made is not None:
            self._made.close()


def trouble(error: BaseException) -> BaseException:
    """Like `mailstack.store.writer.trouble`, for errors of boto3; without secrets."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        code = str(said.get("Code", "")) or "an error"
        message = " ".join(str(said.get("Message", "")).split())
        status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        kind = StoreFull if _FULL & {code, status} else StoreError
        return kind(f"the object store says: {code:.60} {message:.200}".rstrip())
    if isinstance(error, BotoCoreError):
        return StoreError(f"the object store can't be used: {' '.join(str(error).split()):.300}")
    if isinstance(error, ArithmeticError | LookupError | RecursionError | TypeError | ValueError):
        # boto3 reads whatever comes: what is missing, or is no time, is met here or there; a redirect leads it in circles.
        why = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
        return StoreError(
            f"the object store gives an answer that makes no sense ({why}); are endpoint and region right?"
        )
    return trouble_of_system(error)
