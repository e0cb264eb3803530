"""infra/push.yaml and the code say the same, and what AWS would only tell at run time holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragline.domain.webhooks import LONGEST_WAIT, MAX_ATTEMPTS, RETRY_SECONDS
from ragline.local.template import load
from ragline.settings import Settings
from ragline.wiring import SOCKETS_STAGE

ROOT = Path(__file__).parents[2]
LEAF = load(ROOT / "infra/push.yaml")
RESOURCES: dict[str, Any] = LEAF["Resources"]


def of_type(kind: str) -> dict[str, Any]:
    return {name: r["Properties"] for name, r in RESOURCES.items() if r["Type"] == kind}


FUNCTIONS = of_type("AWS::Serverless::Function")
QUEUES = of_type("AWS::SQS::Queue")
SOURCES = [
    (name, event["Properties"])
    for name, function in FUNCTIONS.items()
    for event in function.get("Events", {}).values()
    if event["Type"] == "SQS"
]


def queue_of(source: dict[str, Any]) -> str:
    return str(source["Queue"]["Fn::GetAtt"][0])


def statements(function: str) -> list[dict[str, Any]]:
    return [s for policy in FUNCTIONS[function]["Policies"] for s in policy["Statement"]]


def test_every_variable_is_a_setting_that_the_code_reads() -> None:
    variables = LEAF["Globals"]["Function"]["Environment"]["Variables"]
    ours = {name.lower() for name in variables if not name.startswith("POWERTOOLS_")}
    assert ours <= set(Settings.model_fields)


def test_the_root_gives_the_leaf_every_value_that_it_has_no_default_for() -> None:
    included = load(ROOT / "template.yaml")["Resources"]["Push"]["Properties"]
    assert included["Location"] == "infra/push.yaml"
    given, declared = set(included["Parameters"]), LEAF["Parameters"]
    assert {name for name, one in declared.items() if "Default" not in one} <= given
    assert given <= set(declared)


def test_every_queue_is_read_and_has_a_dead_letter_queue_that_is_read() -> None:
    read = {queue_of(source) for _, source in SOURCES}
    assert read == set(QUEUES) - {"DeadChanges"}  # an alarm watches it, a person looks into it
    dead = QUEUES["Deliveries"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    assert dead == "DeadDeliveries"


def test_a_message_that_needs_its_last_attempt_is_no_dead_letter_before() -> None:
    policy = QUEUES["Deliveries"]["RedrivePolicy"]
    assert policy["maxReceiveCount"] > MAX_ATTEMPTS


def test_no_wait_is_longer_than_a_queue_hides_a_message_and_none_outlives_it() -> None:
    assert max(*RETRY_SECONDS, LONGEST_WAIT) <= 12 * 3_600
    retention = QUEUES["Deliveries"].get("MessageRetentionPeriod", 345_600)
    assert retention > LONGEST_WAIT * MAX_ATTEMPTS


@pytest.mark.parametrize(("function", "source"), SOURCES)
def test_a_message_stays_hidden_six_times_as_long_as_its_reader_may_take(
    function: str, source: dict[str, Any]
) -> None:
    assert QUEUES[queue_of(source)]["VisibilityTimeout"] >= 6 * FUNCTIONS[function]["Timeout"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"]["MaximumConcurrency"]


def test_the_stream_is_bounded_halved_and_what_it_gives_up_is_kept() -> None:
    stream = FUNCTIONS["Notifier"]["Events"]["Ledger"]["Properties"]
    assert stream["BisectBatchOnFunctionError"]
    assert stream["MaximumRecordAgeInSeconds"] < 24 * 3_600  # as long as a stream keeps a record
    target = stream["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
    assert QUEUES[target]["MessageRetentionPeriod"] == 1_209_600  # the most that SQS keeps


def test_only_what_becomes_of_documents_wakes_the_notifier() -> None:
    stream = FUNCTIONS["Notifier"]["Events"]["Ledger"]["Properties"]
    (one,) = stream["FilterCriteria"]["Filters"]
    pattern = json.loads(one["Pattern"])
    assert pattern["dynamodb"]["Keys"]["SK"]["S"] == ["META"]
    assert "REMOVE" not in pattern["eventName"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_policy_names_its_actions_and_resources(function: str) -> None:
    for statement in statements(function):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action
        assert statement["Resource"] != "*"


@pytest.mark.parametrize(
    ("function", "action", "allowed"),
    [
        ("Notifier", "ssm:GetParameter", False),
        ("Sockets", "ssm:GetParameter", False),
        ("Deliverer", "ssm:GetParameter", True),
        ("Deliverer", "ssm:PutParameter", False),
        ("Deliverer", "execute-api:ManageConnections", False),
        ("Notifier", "dynamodb:PutItem", False),
        ("Sockets", "sqs:SendMessage", False),
    ],
)
def test_a_function_may_do_what_its_code_does_and_no_more(
    function: str, action: str, allowed: bool
) -> None:
    assert bool([s for s in statements(function) if action in s["Action"]]) == allowed


def test_only_webhooks_are_open_to_the_function_that_talks_to_strangers() -> None:
    (ledger,) = [s for s in statements("Deliverer") if "dynamodb" in str(s["Action"])]
    keys = ledger["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert keys == ["TENANT#*#WEBHOOKS"]


def test_a_connection_is_only_made_by_the_authorisers_word() -> None:
    routes = {one["RouteKey"]: one for one in of_type("AWS::ApiGatewayV2::Route").values()}
    assert set(routes) == {"$connect", "$disconnect", "$default"}
    assert routes["$connect"]["AuthorizationType"] == "CUSTOM"
    (authorizer,) = of_type("AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["AuthorizerType"] == "REQUEST"


def test_the_stage_is_the_one_that_the_code_sends_to() -> None:
    (stage,) = of_type("AWS::ApiGatewayV2::Stage").values()
    assert stage["StageName"] == SOCKETS_STAGE
    managed = [s for n in FUNCTIONS for s in statements(n) if "execute-api" in str(s["Action"])]
    assert len(managed) == 2
    assert all(f"/{SOCKETS_STAGE}/" in str(statement["Resource"]) for statement in managed)


def test_every_function_has_a_log_group_that_ends_and_a_handler_that_is_there() -> None:
    groups = {g["LogGroupName"]["Fn::Sub"]: g for g in of_type("AWS::Logs::LogGroup").values()}
    for function in FUNCTIONS.values():
        assert groups["/aws/lambda/" + function["FunctionName"]["Fn::Sub"]]["RetentionInDays"]
        assert (ROOT / "infra" / function["CodeUri"] / "handler.py").is_file()
