"""A function of the tests that calls AWS."""

import io
import json

import boto3


def call(event, context):
    """Call an action of the API with the session, or with none of it."""
    client = boto3.client(event.get("service", "workmail"))
    try:
        answer = getattr(client, event["action"])(**event.get("with", {}))
    except client.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    answer.pop("ResponseMetadata")
    return json.loads(json.dumps(answer, default=str))


def transfer(event, context):
    """Put a large file and get it again, as functions do with boto3's transfer manager."""
    s3 = boto3.client("s3")
    data = bytes(range(256)) * (event["size"] // 256)
    s3.upload_fileobj(io.BytesIO(data), event["bucket"], "large")
    got = io.BytesIO()
    s3.download_fileobj(event["bucket"], "large", got)
    head = s3.head_object(Bucket=event["bucket"], Key="large")
    return {"same": got.getvalue() == data, "tag": head["ETag"]}
