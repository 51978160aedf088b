"""The operator's mapping from ARNs to functions, per account."""

from __future__ import annotations

from workpost.integrations.lambda_.base import Function, FunctionFailed, Trouble
from workpost.integrations.lambda_.url import UrlFunction
from workpost.kernel import outside_settings
from workpost.kernel.settings import Settings


def find_mapping(config: Settings, account: str, arn: str) -> outside_settings.Function:
    """What the operator says of an ARN for an account.

    A mapping without a version or alias serves all of the function's; one with it goes before.
    Raises FunctionFailed for what is not mapped.
    """
    bare = ":".join(arn.split(":")[:7])
    for wanted in (arn, bare):
        for mapped in config.lambda_.functions:
            if mapped.arn == wanted and account in mapped.accounts:
                return mapped
    raise FunctionFailed(Trouble.MISSING)


def open_function(mapped: outside_settings.Function, arn: str) -> Function:
    """A function that does not run here: a URL, or at a Lambda endpoint."""
    if mapped.kind == "http":
        return UrlFunction(mapped.url)
    # Loads botocore: only where it is configured.
    from workpost.integrations.lambda_.aws import AwsFunction

    return AwsFunction(arn, mapped.url)
