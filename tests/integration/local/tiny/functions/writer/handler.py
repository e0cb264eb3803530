"""SQS → S3."""

import os
from typing import Any

import boto3


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    s3 = boto3.client("s3")
    for record in event["Records"]:
        print("writing", record["body"])  # noqa: T201 - a line for the log
        s3.put_object(Bucket=os.environ["RESULTS"], Key=record["body"], Body=b"written")
    return {"batchItemFailures": []}
