"""Drop what one sender sends beyond a number of messages in some minutes.

What was seen is kept in a bucket, an empty object for each message: functions that run at the same
time, and on other machines, count together.
"""

import hashlib
import os
import time

import boto3

s3 = boto3.client("s3")


def lambda_handler(event, context):
    """Handle an event of a synchronous Run Lambda rule."""
    bucket = os.environ["STATE_BUCKET"]
    sender = event["envelope"]["mailFrom"]["address"].lower()
    prefix = f"storms/{hashlib.sha256(sender.encode()).hexdigest()[:32]}/"
    now = int(time.time())
    since = now - 60 * int(os.environ.get("MINUTES", "10"))
    # The same invocation that is tried again counts once.
    s3.put_object(Bucket=bucket, Key=f"{prefix}{now:012}-{event['invocationId']}", Body=b"")
    # Forget what is too old to count; names begin with the time.
    for each in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ()):
        if each["Key"] >= f"{prefix}{since:012}":
            break
        s3.delete_object(Bucket=bucket, Key=each["Key"])
    recent = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, StartAfter=f"{prefix}{since:012}")
    seen = {each["Key"].rpartition("-")[2] for each in recent.get("Contents", ())}
    kind = "DROP" if len(seen) > int(os.environ.get("MOST_MESSAGES", "20")) else "DEFAULT"
    print(f"{len(seen)} messages of this sender: {kind}")
    return {"actions": [{"allRecipients": True, "action": {"type": kind}}]}
