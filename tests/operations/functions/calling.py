"""A function of the tests that calls AWS."""

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
