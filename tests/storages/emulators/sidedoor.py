"""Looks at storages with the vendors' own libraries: a line of JSON in, a line of JSON out."""

import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request


class Azure:
    def __init__(self, endpoint):
        from azure.storage.blob import BlobServiceClient

        self.service = BlobServiceClient.from_connection_string(endpoint)

    def make(self, container):
        self.service.create_container(container)

    def put(self, container, key, content, content_type, md5, metadata):
        from azure.storage.blob import ContentSettings

        settings = ContentSettings(content_type=content_type)
        client = self.service.get_blob_client(container, key)
        client.upload_blob(content, overwrite=True, content_settings=settings, metadata=metadata)
        if md5 is not None:
            # An upload with a wrong one is refused; it can be changed afterwards.
            settings.content_md5 = bytearray(base64.b64decode(md5))
            client.set_http_headers(content_settings=settings)

    def list(self, container, prefix):
        client = self.service.get_container_client(container)
        return [(b.name, client.download_blob(b.name).readall()) for b in client.list_blobs(name_starts_with=prefix)]


class S3:
    def __init__(self, endpoint):
        import boto3

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "testtest", "region_name": "us-east-1"}
        self.client = boto3.client("s3", endpoint_url=endpoint, **keys)

    def make(self, container):
        self.client.create_bucket(Bucket=container)

    def put(self, container, key, content, content_type, md5, metadata):
        more = {"ContentType": content_type} if content_type else {}
        self.client.put_object(Bucket=container, Key=key, Body=content, Metadata=metadata, **more)

    def list(self, container, prefix):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=container, Prefix=prefix)
        keys = [o["Key"] for page in pages for o in page.get("Contents", [])]
        return [(k, self.client.get_object(Bucket=container, Key=k)["Body"].read()) for k in keys]


class Gcs:
    def __init__(self, endpoint):
        self.endpoint = endpoint

    def ask(self, method, path, body=None, content_type="application/json"):
        headers = {"Content-Type": content_type}
        request = urllib.request.Request(self.endpoint + path, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def make(self, container):
        self.ask("POST", "/storage/v1/b?project=test", json.dumps({"name": container}).encode())

    def put(self, container, key, content, content_type, md5, metadata):
        about = {"name": key, "contentType": content_type or "application/octet-stream", "metadata": metadata}
        body = b"--part\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n" + json.dumps(about).encode()
        body += b"\r\n--part\r\nContent-Type: " + about["contentType"].encode() + b"\r\n\r\n" + content + b"\r\n--part--"
        path = f"/upload/storage/v1/b/{container}/o?uploadType=multipart"
        self.ask("POST", path, body, "multipart/related; boundary=part")

    def list(self, container, prefix):
        found, token = [], ""
        while True:
            query = {"prefix": prefix, **({"pageToken": token} if token else {})}
            page = json.loads(self.ask("GET", f"/storage/v1/b/{container}/o?{urllib.parse.urlencode(query)}"))
            for o in page.get("items", []):
                path = f"/storage/v1/b/{container}/o/{urllib.parse.quote(o['name'], safe='')}?alt=media"
                found.append((o["name"], self.ask("GET", path)))
            token = page.get("nextPageToken")
            if not token:
                return found


storage = {"azure": Azure, "s3": S3, "gcs": Gcs}[sys.argv[1]](sys.argv[2])
for line in sys.stdin:
    what, arguments = json.loads(line)
    try:
        if "content" in arguments:
            arguments["content"] = base64.b64decode(arguments["content"])
        answer = getattr(storage, what)(**arguments)
        if what == "list":
            answer = [[key, base64.b64encode(content).decode()] for key, content in answer]
        print(json.dumps({"answer": answer}), flush=True)
    except Exception as e:
        print(json.dumps({"error": f"{type(e).__name__}: {e}"}), flush=True)
