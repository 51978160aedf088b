"""Put a tag before the subject and a disclaimer below the text of a message."""

import email.policy
import os
import uuid

import boto3

KEEP = email.policy.SMTP.clone(refold_source="none")
"""Fields that are not touched stay as they are, byte for byte."""

flow = boto3.client("workmailmessageflow")
s3 = boto3.client("s3")


def lambda_handler(event, context):
    """Handle an event of a synchronous Run Lambda rule."""
    raw = flow.get_raw_message_content(messageId=event["messageId"])["messageContent"].read()
    message = email.message_from_bytes(raw, policy=KEEP)
    tag = os.environ["SUBJECT_TAG"]
    subject = str(message.get("Subject", ""))
    if tag in subject:
        print("tagged before")
        return go_on()
    del message["Subject"]
    message["Subject"] = f"{tag} {subject}"
    add_disclaimer(message, os.environ.get("DISCLAIMER", ""))
    put(event["messageId"], message.as_bytes())
    return go_on()


def add_disclaimer(message, disclaimer):
    """Add lines below the text, and below its HTML."""
    plain = message.get_body(("plain",))
    if plain is not None and disclaimer:
        plain.set_content(f"{plain.get_content().rstrip()}\n\n-- \n{disclaimer}\n")
    html = message.get_body(("html",))
    if html is not None and disclaimer:
        html.set_content(f"{html.get_content()}<hr><p>{disclaimer}</p>\n", subtype="html")


def put(message_id, content):
    """Put other content in the place of a message: over a bucket, as Message Flow has it."""
    place = {"bucket": os.environ["UPDATED_EMAIL_BUCKET"], "key": str(uuid.uuid4())}
    s3.put_object(Bucket=place["bucket"], Key=place["key"], Body=content)
    flow.put_raw_message_content(messageId=message_id, content={"s3Reference": place})


def go_on():
    """Let the message go on for all recipients."""
    return {"actions": [{"allRecipients": True, "action": {"type": "DEFAULT"}}]}
