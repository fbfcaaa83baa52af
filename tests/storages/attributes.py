"""Plants objects with attributes and tells those of the objects in a bucket, by the vendors' own libraries.

attributes.py SERVICE ENDPOINT plant|ask BUCKET
attributes.py SERVICE ENDPOINT touch|redirect|headers BUCKET NAME
"""

import gzip
import json
import sys

SETTINGS = ["cache_control", "content_disposition", "content_encoding", "content_language", "content_type"]
CLASSES = {"s3": "STANDARD_IA", "azure": "Cool", "gcs": "NEARLINE"}


def site(kind):
    """Name, content, settings, metadata, class and tags of each object. Names of metadata are those that all services keep."""
    page = {"content_type": "text/html; charset=utf-8", "cache_control": "max-age=60, public", "content_language": "de"}
    script = {"content_type": "text/javascript", "content_encoding": "gzip", "content_disposition": 'inline; filename="a b.js"'}
    yield "index.html", b"<p>Hello", page, {"owner": "me", "note": "a b = c"}, None, {"team": "web site", "stage": "1"}
    yield "js/app.js", gzip.compress(b"run()", mtime=0), script, {}, CLASSES[kind], {}
    yield "large", bytes(range(256)) * 40_000, {"content_type": "image/x-large"}, {"part": "all"}, CLASSES[kind], {"a": "b"}
    yield "plain", b"x", {"content_type": "application/octet-stream"}, {}, None, {}


class S3:
    def __init__(self, endpoint):
        import boto3

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "testtest", "region_name": "us-east-1"}
        self.client = boto3.client("s3", endpoint_url=endpoint, **keys)

    def plant(self, bucket, name, content, settings, metadata, storage_class, tags):
        from urllib.parse import urlencode

        more = {"".join(word.title() for word in key.split("_")): value for key, value in settings.items()}
        if storage_class:
            more["StorageClass"] = storage_class
        if tags:
            more["Tagging"] = urlencode(tags)
        self.client.put_object(Bucket=bucket, Key=name, Body=content, Metadata=metadata, **more)

    def touch(self, bucket, name):
        """Changes attributes and the time, which has only seconds, and leaves the content and the etag as they are."""
        source = {"Bucket": bucket, "Key": name}
        settings = {"ContentType": "text/plain", "Metadata": {"owner": "you"}, "MetadataDirective": "REPLACE"}
        before = self.client.head_object(**source)["LastModified"]
        while self.client.head_object(**source)["LastModified"] == before:
            self.client.copy_object(Bucket=bucket, Key=name, CopySource=source, **settings)

    def redirect(self, bucket, name):
        more = {"Expires": "Thu, 01 Dec 2033 16:00:00 GMT", "WebsiteRedirectLocation": "/index.html"}
        self.client.put_object(Bucket=bucket, Key=name, **more)

    def headers(self, bucket, name):
        """Prints the headers that a browser gets."""
        answer = self.client.get_object(Bucket=bucket, Key=name)
        print(json.dumps(answer["ResponseMetadata"]["HTTPHeaders"]))

    def ask(self, bucket):
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for key in (o["Key"] for o in page.get("Contents", [])):
                head = self.client.get_object(Bucket=bucket, Key=key)
                tags = self.client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
                settings = {s: head.get("".join(word.title() for word in s.split("_"))) for s in SETTINGS}
                tags = {tag["Key"]: tag["Value"] for tag in tags}
                yield key, head["Body"].read(), settings, head["Metadata"], head.get("StorageClass"), tags


class Azure:
    def __init__(self, endpoint):
        from azure.storage.blob import BlobServiceClient

        self.service = BlobServiceClient.from_connection_string(endpoint)

    def plant(self, bucket, name, content, settings, metadata, storage_class, tags):
        from azure.storage.blob import ContentSettings, StandardBlobTier

        client = self.service.get_blob_client(bucket, name)
        more = {"standard_blob_tier": StandardBlobTier(storage_class)} if storage_class else {}
        client.upload_blob(content, content_settings=ContentSettings(**settings), metadata=metadata, tags=tags or None, **more)

    def touch(self, bucket, name):
        from azure.storage.blob import ContentSettings

        client = self.service.get_blob_client(bucket, name)
        client.set_http_headers(ContentSettings(content_type="text/plain"))
        client.set_blob_metadata({"owner": "you"})

    def ask(self, bucket):
        container = self.service.get_container_client(bucket)
        for name in container.list_blob_names():
            client = container.get_blob_client(name)
            about = client.get_blob_properties()
            settings = {s: about.content_settings[s] for s in SETTINGS}
            tier = None if about.blob_tier_inferred else about.blob_tier
            yield name, client.download_blob(decompress=False).readall(), settings, about.metadata, tier, client.get_blob_tags()


class Gcs:
    def __init__(self, endpoint):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        self.client = Client(project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint})

    def plant(self, bucket, name, content, settings, metadata, storage_class, tags):
        blob = self.client.bucket(bucket).blob(name)
        for key, value in settings.items():
            setattr(blob, key, value)
        blob.metadata = metadata or None
        blob.storage_class = storage_class or "STANDARD"
        blob.upload_from_string(content, content_type=settings["content_type"], checksum=None)

    def ask(self, bucket):
        for blob in self.client.list_blobs(bucket):
            settings = {s: getattr(blob, s) for s in SETTINGS}
            content = blob.download_as_bytes(raw_download=True, checksum=None)
            yield blob.name, content, settings, blob.metadata or {}, blob.storage_class, {}


kind, endpoint, what, bucket = sys.argv[1:5]
service = {"azure": Azure, "s3": S3, "gcs": Gcs}[kind](endpoint)
if what == "plant":
    for planted in site(kind):
        service.plant(bucket, *planted)
elif what != "ask":
    getattr(service, what)(bucket, sys.argv[5])
else:
    import hashlib

    for name, content, settings, metadata, storage_class, tags in sorted(service.ask(bucket)):
        md5 = hashlib.md5(content).hexdigest()
        line = {"name": name, "md5": md5, **settings, "metadata": metadata, "class": storage_class, "tags": tags}
        print(json.dumps(line, sort_keys=True))
