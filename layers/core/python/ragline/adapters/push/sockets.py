"""Sending to WebSocket connections: API Gateway's @connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ragline.adapters.aws_errors import error_code, translated

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

_GONE = "GoneException"


class ApiGatewaySockets:
    """``ports.Sockets``."""

    def __init__(self, client: ApiGatewayManagementApiClient) -> None:
        self._client = client

    def send(self, connection_id: str, text: str) -> bool:
        with translated(f"connection {connection_id}"):
            try:
                self._client.post_to_connection(ConnectionId=connection_id, Data=text.encode())
            except ClientError as error:
                if error_code(error) == _GONE:
                    return False
                raise
        return True

    def cut(self, connection_id: str) -> None:
        with translated(f"connection {connection_id}"):
            try:
                self._client.delete_connection(ConnectionId=connection_id)
            except ClientError as error:
                if error_code(error) != _GONE:
                    raise


def management_url(domain: str, stage: str, endpoint_url: str) -> str:
    """Where @connections of a stage is; ``domain`` is ``{api id}.execute-api.…``.

    A local cloud has no names: it takes the id in the path.
    """
    if endpoint_url:
        return f"{endpoint_url.rstrip('/')}/_aws/execute-api/{domain.partition('.')[0]}/{stage}"
    return f"https://{domain}/{stage}"
