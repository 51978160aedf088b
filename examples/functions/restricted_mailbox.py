"""Let only members of a group write to an address; what others write to it bounces."""

import os

import boto3

workmail = boto3.client("workmail")


def lambda_handler(event, context):
    """Handle an event of a synchronous Run Lambda rule."""
    restricted = os.environ["RESTRICTED"].lower()
    recipients = [each["address"] for each in event["envelope"]["recipients"]]
    to_restricted = [each for each in recipients if each.lower() == restricted]
    actions = [{"allRecipients": True, "action": {"type": "DEFAULT"}}]
    sender = event["envelope"]["mailFrom"]["address"]
    if to_restricted and not is_member(sender):
        print(f"{len(to_restricted)} recipient is not open to this sender")
        bounce = {
            "type": "BOUNCE",
            "parameters": {"bounceMessage": f"Only members may write to {restricted}."},
        }
        actions.insert(0, {"recipients": to_restricted, "action": bounce})
    return {"actions": actions}


def is_member(address):
    """Whether an address is that of a member of the group."""
    organization = os.environ["WORKMAIL_ORGANIZATION_ID"]
    try:
        entity = workmail.describe_entity(OrganizationId=organization, Email=address)
    except workmail.exceptions.EntityNotFoundException:
        return False
    pages = workmail.get_paginator("list_group_members").paginate(
        OrganizationId=organization, GroupId=os.environ["GROUP_ID"]
    )
    return any(entity["EntityId"] == each["Id"] for page in pages for each in page["Members"])
