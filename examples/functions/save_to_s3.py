"""Keep a copy of each message in a bucket."""

import os

import boto3

flow = boto3.client("workmailmessageflow")
s3 = boto3.client("s3")


def lambda_handler(event, context):
    """Handle an event of a Run Lambda rule, synchronous or not."""
    content = flow.get_raw_message_content(messageId=event["messageId"])["messageContent"].read()
    key = f"{event['flowDirection'].lower()}/{event['messageId']}.eml"
    s3.put_object(Bucket=os.environ["ARCHIVE_BUCKET"], Key=key, Body=content)
    print(f"{len(content)} bytes are kept as {key}")
    return {"actions": [{"allRecipients": True, "action": {"type": "DEFAULT"}}]}
