"""Makes the bucket my-backups in moto, and users: users.py ENDPOINT FOLDER NAME...

Each NAME gets the policy s3-NAME.json of the folder. Prints a line for each: the name, and storage options with its keys.
"""

import json
import sys

import boto3

endpoint, folder, *names = sys.argv[1:]


def client(service):
    keys = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", **keys)


iam = client("iam")
client("s3").create_bucket(Bucket="my-backups")
for name in names:
    iam.create_user(UserName=name)
    with open(f"{folder}/s3-{name}.json") as policy:
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy.read())
    key = iam.create_access_key(UserName=name)["AccessKey"]
    options = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    options |= {"endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}}
    print(name, json.dumps(options))
