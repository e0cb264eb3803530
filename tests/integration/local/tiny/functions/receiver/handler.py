"""S3 → SQS."""

import os
from typing import Any

import boto3


def lambda_handler(event: dict[str, Any], context: object) -> None:
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=record["s3"]["object"]["key"])
