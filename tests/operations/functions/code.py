"""Functions of the tests: `event` says what each is to do."""

import logging
import os
import socket
import struct
import time

state: list[object] = []
logging.getLogger().setLevel(logging.INFO)


def handler(event, context):
    state.append(event)
    return {"calls": len(state), "process": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]}


def slow(event, context):
    time.sleep(event["seconds"])
    return "awake"


def failing(event, context):
    print("before")
    raise ValueError(f"secret {event['word']}")


def lying(event, context):
    head, payload = (event[each].encode(errors="surrogateescape") for each in ("head", "payload"))
    channel = socket.socket(fileno=os.dup(3))
    channel.sendall(struct.pack(">II", len(head), len(payload)) + head + payload)
    time.sleep(20)


def about(event, context):
    left = context.get_remaining_time_in_millis()
    time.sleep(0.01)
    return {
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "request": context.aws_request_id,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "left": left,
        "less": context.get_remaining_time_in_millis() < left,
        "environment": dict(os.environ),
    }
