"""The template and the code say the same thing, and what AWS would only tell at run time holds."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from ragline.settings import Settings

ROOT = Path(__file__).parents[2]
NOT_OURS = ("POWERTOOLS_", "LANCE_LOG")  # read by Powertools and Lance, not by Settings
FROM_THE_RUNTIME = {"aws_endpoint_url", "aws_region"}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as ``{tag: value}``."""


def short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {suffix: loader.construct_sequence(node, deep=True)}


Loader.add_multi_constructor("!", short_form)

TEXT = (ROOT / "template.yaml").read_text()
TEMPLATE: dict[str, Any] = yaml.load(TEXT, Loader)
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]


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
    return str(source["Queue"]["GetAtt"]).removesuffix(".Arn")


def test_the_data_path_fits_one_page() -> None:
    """Of wide lines: what is new has leaves of its own, and here its parameters and grants."""
    assert len(TEXT.splitlines()) <= 400


def test_every_variable_the_template_sets_is_a_setting_that_the_code_reads() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    ours = {name.lower() for name in variables if not name.startswith(NOT_OURS)}
    assert ours <= set(Settings.model_fields)


def test_every_setting_without_a_usable_default_is_set_by_the_template() -> None:
    variables = {v.lower() for v in TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]}
    # The authoriser's are its own.
    variables |= {v.lower() for v in FUNCTIONS["Authorizer"]["Environment"]["Variables"]}
    # So are those of who tells others.
    leaf = yaml.load((ROOT / "infra/push.yaml").read_text(), Loader)
    variables |= {v.lower() for v in leaf["Globals"]["Function"]["Environment"]["Variables"]}
    # Who reads pages that are pictures is the splitter's to know.
    variables |= {v.lower() for v in FUNCTIONS["Splitter"]["Environment"]["Variables"]}
    # And those of who looks at pages.
    leaf = yaml.load((ROOT / "infra/analyses.yaml").read_text(), Loader)
    analyst = leaf["Resources"]["Analyst"]["Properties"]
    variables |= {v.lower() for v in analyst["Environment"]["Variables"]}
    required = {name for name, field in Settings.model_fields.items() if field.default == ""}
    assert required - FROM_THE_RUNTIME - {"cors_origins", "reranker_model_arn"} <= variables


def test_every_queue_that_a_function_reads_has_a_dead_letter_queue_that_is_read_too() -> None:
    read = {queue_of(source) for _, source in SOURCES}
    for name, queue in QUEUES.items():
        assert name in read
        if name.startswith("Dead"):
            continue
        dead = queue["RedrivePolicy"]["deadLetterTargetArn"]["GetAtt"].removesuffix(".Arn")
        assert dead in read
        assert QUEUES[dead].get("FifoQueue") == queue.get("FifoQueue")


@pytest.mark.parametrize(("function", "source"), SOURCES)
def test_a_message_stays_hidden_six_times_as_long_as_its_reader_may_take(
    function: str, source: dict[str, Any]
) -> None:
    timeout = FUNCTIONS[function]["Timeout"]
    assert QUEUES[queue_of(source)]["VisibilityTimeout"] >= 6 * timeout


@pytest.mark.parametrize(("function", "source"), SOURCES)
def test_a_queue_reader_reports_partial_failures_and_is_bounded(
    function: str, source: dict[str, Any]
) -> None:
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"]["MaximumConcurrency"]


@pytest.mark.parametrize("function", ["Splitter", "Embedder", "Indexer"])
def test_a_function_that_puts_work_back_on_its_own_queue_is_not_taken_for_a_runaway(
    function: str,
) -> None:
    """Lambda stops a chain of 16 otherwise; ours are bounded by their own counts."""
    assert FUNCTIONS[function]["RecursiveLoop"] == "Allow"


def test_an_asynchronous_call_that_fails_for_good_goes_to_a_queue_that_is_read() -> None:
    for function in FUNCTIONS.values():
        if any(event["Type"] == "S3" for event in function.get("Events", {}).values()):
            target = function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
            assert target["Destination"]["GetAtt"].removesuffix(".Arn") in {
                queue_of(source) for _, source in SOURCES
            }


def statements(function: str) -> list[dict[str, Any]]:
    return [s for policy in FUNCTIONS[function]["Policies"] for s in policy["Statement"]]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_policy_names_its_actions_and_resources(function: str) -> None:
    for statement in statements(function):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action
        assert statement["Resource"] != "*"


@pytest.mark.parametrize(
    ("function", "action", "where", "allowed"),
    [
        ("ApiFunction", "dynamodb:DeleteItem", "", True),  # a retried chunk is pending again
        ("ApiFunction", "dynamodb:BatchWriteItem", "", False),  # a deletion is a status
        ("Indexer", "dynamodb:BatchWriteItem", "", True),  # the records of dead generations
        ("Splitter", "dynamodb:DeleteItem", "", False),
        ("ApiFunction", "s3:ListMultipartUploadParts", "/uploads/", True),
        ("ApiFunction", "s3:AbortMultipartUpload", "/uploads/", True),
        ("Splitter", "s3:DeleteObject", "/chunks/*", True),  # written after a deletion
        ("Splitter", "s3:DeleteObject", "/uploads/*", True),  # put by a URL that outlived its id
        ("Embedder", "s3:GetObject", "/vectors/*", True),  # of unchanged chunks
        ("Maintenance", "s3:DeleteObject", "/uploads/*", True),
        ("Maintenance", "s3:DeleteObject", "/index/*", False),
        ("Indexer", "s3:AbortMultipartUpload", "/index/*", False),  # a rule of the bucket does it
        ("ApiFunction", "dynamodb:GetItem", "/index/", False),  # an index is only queried
        ("DeadLetters", "sqs:SendMessage", "IndexOpsQueue", True),  # the rows of a replaced version
        ("DeadLetters", "sqs:SendMessage", "ChunksQueue", False),
    ],
)
def test_a_function_may_do_what_its_code_does_and_no_more(
    function: str, action: str, where: str, allowed: bool
) -> None:
    granted = [s for s in statements(function) if action in s["Action"] and where in str(s)]
    assert bool(granted) == allowed


def test_the_key_of_pinecone_is_read_by_those_that_ask_the_index_and_only_where_it_is_chosen() -> (
    None
):
    policy = RESOURCES["PineconeKeyPolicy"]
    assert TEMPLATE["Conditions"][policy["Condition"]] == {
        "Equals": [{"Ref": "IndexStore"}, "pinecone"]
    }
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "secretsmanager:GetSecretValue"
    assert statement["Resource"] == {"Ref": "PineconeSecretArn"}
    roles = [role["Ref"] for role in policy["Properties"]["Roles"]]
    assert roles == ["ApiFunctionRole", "IndexerRole"]
    assert "pinecone" not in TEMPLATE["Parameters"]["IndexStore"]["Default"]
    for name in FUNCTIONS:
        assert not [s for s in statements(name) if "Pinecone" in str(s)]


def test_the_index_stores_of_the_template_are_those_of_the_settings() -> None:
    allowed = TEMPLATE["Parameters"]["IndexStore"]["AllowedValues"]
    assert tuple(allowed) == get_args(Settings.model_fields["index_store"].annotation)


def test_image_functions_say_nothing_that_only_zip_functions_may() -> None:
    for name, function in FUNCTIONS.items():
        if function.get("PackageType") == "Image":
            assert not {"Layers", "Runtime", "Handler", "CodeUri"} & set(function), name
            assert (ROOT / RESOURCES[name]["Metadata"]["Dockerfile"]).is_file()
    assert not {"Layers", "Runtime", "Handler"} & set(TEMPLATE["Globals"]["Function"])


def test_every_function_has_a_log_group_that_ends() -> None:
    groups = {g["LogGroupName"]["Sub"]: g for g in of_type("AWS::Logs::LogGroup").values()}
    for function in FUNCTIONS.values():
        assert groups["/aws/lambda/" + function["FunctionName"]["Sub"]]["RetentionInDays"]


def test_every_api_route_of_the_template_is_a_route_of_the_app_and_the_other_way_round() -> None:
    from fastapi.routing import iter_route_contexts

    from ragline import wiring
    from ragline.api.app import create_app

    events = [e["Properties"] for e in FUNCTIONS["ApiFunction"]["Events"].values()]
    deployed = {(e["Method"].upper(), e["Path"]) for e in events}
    served = {
        (method, context.path)
        for context in iter_route_contexts(create_app(wiring).routes)
        for method in context.methods or ()
        if method != "HEAD"
    }
    assert deployed == served


def test_samconfig_knows_a_dev_and_a_prod_stack_with_names_that_a_bucket_may_carry() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for stage in ("dev", "prod"):
        name = config[stage]["deploy"]["parameters"]["stack_name"]
        assert name == name.lower()


def test_numbers_reach_the_environment_as_text() -> None:
    """CloudFormation makes them so by itself, MiniStack does not: then no handler starts."""
    numbers = {name for name, one in TEMPLATE["Parameters"].items() if one["Type"] == "Number"}
    environments = [
        TEMPLATE["Globals"]["Function"]["Environment"],
        *(one["Environment"] for one in FUNCTIONS.values() if "Environment" in one),
    ]
    values = [value for one in environments for value in one["Variables"].values()]
    assert not [one for one in values if isinstance(one, dict) and one.get("Ref") in numbers]
