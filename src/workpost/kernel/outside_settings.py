"""Settings of what stands outside, and of what is asked of it; of retention and exports."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from workpost.kernel.sections import LIVE, PATH, SECRET, Section


class Retention(Section, frozen=True, kw_only=True):
    """How long things are kept: runs of retention policies, recoverable items."""

    every_minutes: Annotated[
        int,
        Meta(
            ge=1,
            le=10_080,
            description="From the beginning of a policy's run to that of its next one.",
            extra=LIVE,
        ),
    ] = 1_440
    recoverable_days: Annotated[
        int,
        Meta(
            ge=0,
            le=365,
            description="Days for which what is deleted from Deleted Items can be restored, unless"
            " the organization says otherwise; 0 for not at all.",
            extra=LIVE,
        ),
    ] = 30


class Egress(Section, frozen=True, kw_only=True):
    """Requests to addresses that tenants name: free/busy of other domains."""

    allow: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks beside the public internet that may be asked: `10.1.0.0/16`.",
            extra=LIVE,
        ),
    ] = ()
    plain_http: Annotated[
        bool, Meta(description="Allow `http://`; passwords travel in clear then.", extra=LIVE)
    ] = False
    ca_file: Annotated[
        str,
        Meta(
            description="PEM file of certificate authorities that are trusted beside the "
            "machine's own.",
            extra=PATH | LIVE,
        ),
    ] = ""
    seconds: Annotated[
        int, Meta(ge=1, le=25, description="For a request and all its redirects.", extra=LIVE)
    ] = 25
    response_kilobytes: Annotated[
        int, Meta(ge=16, le=65_536, description="Largest answer, in KiB.", extra=LIVE)
    ] = 4_096


class Function(Section, frozen=True, kw_only=True):
    """What stands behind the ARN of a function, and for whom.

    An ARN without a version or alias stands for all of them.
    """

    arn: Annotated[
        str,
        Meta(
            pattern=r"^arn:aws[a-z-]*:lambda:[^:]+:[0-9]{12}:function:[^:]+(:[^:]+)?$",
            description="The function that organizations name.",
        ),
    ]
    accounts: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9]{12}$")], ...],
        Meta(description="Accounts whose organizations may use it."),
    ]
    kind: Annotated[
        Literal["aws", "http", "callable"],
        Meta(
            description="`aws`: invoked at a Lambda endpoint; `http`: the event is sent to a URL "
            "with POST, the response is the answer; `callable`: Python code that runs here, "
            "confined."
        ),
    ]
    url: Annotated[
        str,
        Meta(
            description="That URL, or the Lambda endpoint; empty: the endpoint that the AWS SDK "
            "finds. Credentials are found by the SDK."
        ),
    ] = ""
    handler: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z_][\w/.-]*[.:][A-Za-z_]\w*)?$",
            description="Of a callable: `module.function` as Lambda has it, or "
            "`package.module:function`.",
        ),
    ] = ""
    path: Annotated[str, Meta(description="Of a callable: the folder of its code.", extra=PATH)] = (
        ""
    )
    venv: Annotated[
        str,
        Meta(
            description="Of a callable: the virtual environment that it runs in; empty: "
            "Workpost's own, whose packages change with its versions.",
            extra=PATH,
        ),
    ] = ""
    environment: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*=")], ...],
        Meta(description="Of a callable: its variables, `NAME=value`.", extra=SECRET),
    ] = ()
    actions: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z*]+$")], ...],
        Meta(
            description="Of a callable: actions of the API that it may call in its account, with "
            "`*` as in policies: `ListUsers`, `Describe*`."
        ),
    ] = ()
    memory_megabytes: Annotated[
        int, Meta(ge=64, le=10_240, description="Of a callable: memory of one that runs.")
    ] = 256
    tmp_megabytes: Annotated[
        int, Meta(ge=1, le=10_240, description="Of a callable: size of its `/tmp`, in memory.")
    ] = 32
    concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Of a callable: how many run at once for each account in each process.",
        ),
    ] = 2
    network: Annotated[
        Literal["api", "any"],
        Meta(
            description="Of a callable: `api`: it reaches this API and its buckets, nothing else; "
            "`any`: whatever this machine reaches, listeners on loopback included."
        ),
    ] = "api"
    user: Annotated[
        str,
        Meta(
            description="Of a callable: name or number of the user that it runs as, where Workpost "
            "is root. Best one that does nothing else."
        ),
    ] = "nobody"


class Lambda(Section, frozen=True, kw_only=True):
    """Lambda functions that organizations name by their ARN; what is not mapped is not there."""

    functions: Annotated[
        tuple[Function, ...],
        Meta(
            description="What stands behind ARNs; as a variable, a list of objects in JSON.",
            extra=LIVE,
        ),
    ] = ()
    unconfined: Annotated[
        bool,
        Meta(
            description="Run callables also where the machine lets nothing confine them: they can "
            "then read all that Workpost can.",
            extra=LIVE,
        ),
    ] = False
    endpoint: Annotated[
        str,
        Meta(
            description="URL under which callables reach this API; empty: the `http` listener, or "
            "`https`, on this machine.",
            extra=LIVE,
        ),
    ] = ""
    log_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3653,
            description="Days for which logs of functions are kept in log groups of folders.",
            extra=LIVE,
        ),
    ] = 30


class IdentityProvider(Section, frozen=True, kw_only=True):
    """An OpenID Connect provider that stands for an instance of IAM Identity Center."""

    account: Annotated[
        str, Meta(pattern=r"^[0-9]{12}$", description="The account whose instance it is.")
    ]
    instance_arn: Annotated[
        str,
        Meta(
            pattern=r"^arn:(aws|aws-us-gov|aws-cn|aws-iso|aws-iso-b):sso:::instance/"
            r"(sso)?ins-[a-zA-Z0-9.-]{16}$",
            description="The name under which the API knows it; sixteen characters of your choice "
            "after `ssoins-`.",
        ),
    ]
    issuer: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s?#]+$",
            description="Issuer URL, exactly as the provider spells it; `http` on loopback only.",
        ),
    ]
    client_id: Annotated[str, Meta(min_length=1, description="The client's id at the provider.")]
    client_secret_file: Annotated[
        str, Meta(description="File of the client's secret; empty: a public client.", extra=PATH)
    ] = ""
    ca_file: Annotated[
        str,
        Meta(description="PEM file of the authority to trust; empty: the machine's.", extra=PATH),
    ] = ""
    scope: Annotated[str, Meta(pattern=r"^openid( |$)", description="What is asked for.")] = (
        "openid profile"
    )
    user_id_claim: Annotated[
        str, Meta(min_length=1, description="Claim that never changes for a person.")
    ] = "sub"
    user_name_claim: Annotated[
        str,
        Meta(
            min_length=1,
            description="Claim that is compared with user names at the first sign-in. People must "
            "not be able to choose it.",
        ),
    ] = "preferred_username"
    identity_store: Annotated[
        str,
        Meta(
            pattern=r"^(d-[0-9a-f]{10})?$",
            description="IdentityProviderIdentityStoreId of who is linked; empty: made from "
            "`instance_arn`.",
        ),
    ] = ""


class Identity(Section, frozen=True, kw_only=True):
    """Signing in through OpenID Connect, and personal access tokens."""

    providers: Annotated[
        tuple[IdentityProvider, ...],
        Meta(
            description="One table `[[identity.providers]]` each; its keys are below. In the "
            "environment: a list in JSON.",
            extra=LIVE,
        ),
    ] = ()


class Outside(Section, frozen=True, kw_only=True):
    """What buckets, KMS keys, roles and log groups of the API stand for; others do not exist."""

    buckets: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    pattern=r"^[0-9]{12} +[A-Za-z0-9][A-Za-z0-9.-]{0,62} +"
                    r"(folder( +[1-9][0-9]{0,8}){0,2}|s3( +[A-Za-z0-9][A-Za-z0-9.-]{0,62})?)$"
                ),
            ],
            ...,
        ],
        Meta(
            description="`ACCOUNT BUCKET folder [MEGABYTES [OBJECTS]]`: a folder in `outside/s3/` "
            "of the data directory, and what functions may fill of it instead of "
            "`bucket_megabytes` and `bucket_objects`; `ACCOUNT BUCKET s3 [NAME]`: a bucket at the "
            "S3 endpoint, of another name if given.",
            extra=LIVE,
        ),
    ] = ()
    bucket_megabytes: Annotated[
        int,
        Meta(
            ge=1,
            le=999_999_999,
            description="What a bucket in a folder may hold, in MiB, before functions can put no "
            "more. Exports go there all the same, and count.",
            extra=LIVE,
        ),
    ] = 1_024
    bucket_objects: Annotated[
        int,
        Meta(
            ge=1,
            le=999_999_999,
            description="Objects that such a bucket may hold, with the folders that their names "
            "need and parts of uploads.",
            extra=LIVE,
        ),
    ] = 100_000
    upload_hours: Annotated[
        int,
        Meta(
            ge=1,
            le=8_760,
            description="Hours after which what functions have begun to upload in parts to such a "
            "bucket, and not completed, is thrown away.",
            extra=LIVE,
        ),
    ] = 24
    keys: Annotated[
        tuple[
            Annotated[str, Meta(pattern=r"^[0-9]{12} +arn:[^ ]{1,2000}( +[^ ]{1,2048})?$")],
            ...,
        ],
        Meta(
            description="`ACCOUNT ARN [KEY]`: a KMS key, at the endpoint known as KEY if given.",
            extra=LIVE,
        ),
    ] = ()
    roles: Annotated[
        tuple[
            Annotated[str, Meta(pattern=r"^[0-9]{12} +arn:[^ ]{1,2000}( +[^ ]{1,256})?$")],
            ...,
        ],
        Meta(
            description="`ACCOUNT ARN [PROFILE]`: a role; its credentials and endpoint are those "
            "of the AWS SDK's profile, or of the default one.",
            extra=LIVE,
        ),
    ] = ()
    log_groups: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    pattern=r"^[0-9]{12} +[.\-_/#A-Za-z0-9]{1,512}\*? +"
                    r"(folder|logs( +[^ ]{1,256})?)$"
                ),
            ],
            ...,
        ],
        Meta(
            description="`ACCOUNT GROUP folder`: a log group kept as files in `outside/logs/` of "
            "the data directory, a line of JSON for each event; `ACCOUNT GROUP logs [PROFILE]`: "
            "one at the CloudWatch Logs endpoint of the AWS SDK, by a profile if given. GROUP is a "
            "name; one that ends in `*` stands for all that begin so.",
            extra=LIVE,
        ),
    ] = ()


class Exports(Section, frozen=True, kw_only=True):
    """Mailbox export jobs."""

    at_once: Annotated[
        int, Meta(ge=1, le=16, description="Exports that one process works on at once.")
    ] = 2
