"""X-Ray's types of the AWS services that applications call, from the names that SDKs give them. Pure.

The types of nodes that segments of their own make (X-Ray's `origin`) come from the sender; these are the
types of inferred nodes (specification of X-Ray, section 6.2).
"""

from __future__ import annotations

DYNAMODB_TABLE = "AWS::DynamoDB::Table"

_CANONICAL = {
    "apigateway": "ApiGateway", "appsync": "AppSync", "athena": "Athena", "bedrockruntime": "BedrockRuntime",
    "cloudwatch": "CloudWatch", "cloudwatchlogs": "CloudWatchLogs", "cognitoidentity": "CognitoIdentity",
    "dynamodb": "DynamoDB", "ec2": "EC2", "ecs": "ECS", "eventbridge": "Events", "events": "Events",
    "firehose": "Firehose", "iam": "IAM", "kinesis": "Kinesis", "kms": "KMS", "lambda": "Lambda",
    "logs": "CloudWatchLogs", "rdsdata": "RDSData", "redshift": "Redshift", "s3": "S3",
    "sagemaker": "SageMaker",
    "secretsmanager": "SecretsManager", "ses": "SES", "sfn": "StepFunctions",
    "simplesystemsmanagement": "SimpleSystemsManagement", "sns": "SNS", "sqs": "SQS",
    "ssm": "SimpleSystemsManagement", "stepfunctions": "StepFunctions", "states": "StepFunctions",
    "sts": "STS",
}  # fmt: skip


def service_name(name: str) -> str:
    """The service's name as X-Ray writes it: known ones in their own spelling, others without blanks."""
    bare = name.removeprefix("AWS::").removeprefix("AWS.SDK.").removeprefix("Amazon ").removeprefix("AWS ")
    bare = bare.replace(" ", "").replace("AWS.", "")
    return _CANONICAL.get(bare.lower(), bare)


def peer_type(service: str, *, table: bool = False) -> str:
    """The type of the node that a call to the service infers; a DynamoDB table is one of its own."""
    name = service_name(service)
    if table and name == "DynamoDB":
        return DYNAMODB_TABLE
    return f"AWS::{name}" if name else "aws"


def is_aws(type_: str) -> bool:
    """Whether a peer's type is an AWS service or resource."""
    return type_ == "aws" or type_.startswith("AWS::")
