"""What the vendors' own libraries see and do: KIND ENDPOINT WHAT CONTAINER [NAME [VALUE]]."""

import json
import sys

kind, endpoint, what, container, *more = sys.argv[1:]

if kind == "s3":
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "testtest", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=endpoint, **keys)
    if what == "lock":
        client.create_bucket(Bucket=container, ObjectLockEnabledForBucket=True)
    elif what == "restore":
        client.restore_object(Bucket=container, Key=more[0], RestoreRequest={"Days": 1})
    else:
        for object in client.list_objects_v2(Bucket=container)["Contents"]:
            head = client.head_object(Bucket=container, Key=object["Key"])
            head["Tags"] = client.get_object_tagging(Bucket=container, Key=object["Key"])["TagSet"]
            print(json.dumps([object["Key"], {name: head.get(name) for name in more}], default=str))
else:
    from azure.storage.blob import BlobServiceClient

    client = BlobServiceClient.from_connection_string(endpoint).get_container_client(container)
    if what == "tier":
        client.get_blob_client(more[0]).set_standard_blob_tier(more[1])
    else:
        for blob in client.list_blobs():
            properties = client.get_blob_client(blob.name).get_blob_properties()
            print(json.dumps([blob.name, {name: getattr(properties, name) for name in more}], default=str))
