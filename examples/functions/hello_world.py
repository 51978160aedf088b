"""Note in the log that a message came, and let it go on."""

import logging

logger = logging.getLogger()
logger.setLevel(logging.INFO)


def lambda_handler(event, context):
    """Handle an event of a Run Lambda rule, synchronous or not."""
    logger.info(
        "%s message %s from %s to %d recipients",
        event["flowDirection"].lower(),
        event["messageId"],
        event["envelope"]["mailFrom"]["address"],
        len(event["envelope"]["recipients"]),
    )
    return {"actions": [{"allRecipients": True, "action": {"type": "DEFAULT"}}]}
