"""infra/analyses.yaml and the code say the same, and what AWS would only tell at run time holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ragline.domain.messages import MAX_RECEIVES
from ragline.local import nesting
from ragline.local.template import load
from ragline.settings import Settings
from ragline.usecases.analyse import CALL_SECONDS, PAINT_SECONDS

ROOT = Path(__file__).parents[2]
LEAF = load(ROOT / "infra/analyses.yaml")
RESOURCES: dict[str, Any] = LEAF["Resources"]
ANALYST: dict[str, Any] = RESOURCES["Analyst"]["Properties"]
INCLUDED: dict[str, Any] = load(ROOT / "template.yaml")["Resources"]["Analyses"]


def statements() -> list[dict[str, Any]]:
    found = [s for policy in ANALYST["Policies"] for s in policy["Statement"]]
    for resource in RESOURCES.values():
        if resource["Type"] == "AWS::IAM::Policy":
            found += resource["Properties"]["PolicyDocument"]["Statement"]
    return found


def test_it_is_there_only_where_a_model_is_named() -> None:
    root = load(ROOT / "template.yaml")
    assert root["Parameters"]["VisionModel"]["Default"] == ""
    condition = root["Conditions"][INCLUDED["Condition"]]
    assert condition == {"Fn::Not": [{"Fn::Equals": [{"Ref": "VisionModel"}, ""]}]}
    whole = nesting.flattened(root, ROOT)
    ours = {n: r for n, r in whole["Resources"].items() if n.startswith("Analyses")}
    assert len(ours) == len(RESOURCES)
    assert all("Seeing" in one["Condition"] for one in ours.values())


def test_every_variable_is_a_setting_that_the_code_reads() -> None:
    variables = ANALYST["Environment"]["Variables"]
    ours = {name.lower() for name in variables if not name.startswith("POWERTOOLS_")}
    assert ours <= set(Settings.model_fields)
    assert {n for n in Settings.model_fields if n.startswith("vision")} <= ours


def test_the_root_gives_the_leaf_every_value_that_it_has_no_default_for() -> None:
    given, declared = set(INCLUDED["Properties"]["Parameters"]), LEAF["Parameters"]
    assert {name for name, one in declared.items() if "Default" not in one} <= given
    assert given <= set(declared)


def test_its_queue_has_a_dead_letter_queue_and_both_are_read_and_bounded() -> None:
    events = [one["Properties"] for one in ANALYST["Events"].values()]
    assert {one["Queue"]["Fn::GetAtt"][0] for one in events} == {"Queue", "DeadQueue"}
    policy = RESOURCES["Queue"]["Properties"]["RedrivePolicy"]
    assert policy["deadLetterTargetArn"]["Fn::GetAtt"][0] == "DeadQueue"
    assert policy["maxReceiveCount"] == MAX_RECEIVES
    for one in events:
        assert one["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert one["ScalingConfig"]["MaximumConcurrency"]
        queue = RESOURCES[one["Queue"]["Fn::GetAtt"][0]]["Properties"]
        assert queue["VisibilityTimeout"] >= 6 * ANALYST["Timeout"]
    assert events[0]["BatchSize"] == 1  # an analysis takes minutes; none waits for another


def test_a_turn_has_time_to_render_and_to_ask_about_some_pages() -> None:
    assert ANALYST["Timeout"] >= PAINT_SECONDS + 3 * CALL_SECONDS


def test_the_default_of_pages_is_that_of_the_settings() -> None:
    default = Settings.model_fields["max_analysis_pages"].default
    root = load(ROOT / "template.yaml")["Parameters"]["MaxAnalysisPages"]
    assert root["Default"] == LEAF["Parameters"]["MaxAnalysisPages"]["Default"] == default


def test_policies_name_their_actions_and_resources() -> None:
    for statement in statements():
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action
        assert statement["Resource"] != "*"


def test_only_the_named_model_may_be_asked_and_others_only_through_a_profile_of_that_name() -> None:
    asked = [one for one in statements() if one["Action"] == "bedrock:InvokeModel"]
    named = [r for one in asked if "Condition" not in one for r in one["Resource"]]
    assert len(named) == 2 and all("${VisionModel}" in one["Fn::Sub"] for one in named)
    (through,) = [one for one in asked if "Condition" in one]
    profile = through["Condition"]["StringEquals"]["bedrock:InferenceProfileArn"]["Fn::Sub"]
    assert profile.endswith("inference-profile/${VisionModel}")


@pytest.mark.parametrize(
    ("policy", "condition"), [("BedrockPolicy", "OnBedrock"), ("SecretPolicy", "WithSecret")]
)
def test_the_model_and_the_key_are_granted_only_where_they_are_used(
    policy: str, condition: str
) -> None:
    assert RESOURCES[policy]["Condition"] == condition in LEAF["Conditions"]


def test_the_key_is_no_value_of_the_environment() -> None:
    for name, value in ANALYST["Environment"]["Variables"].items():
        assert "KEY" not in name or name == "VISION_SECRET_ARN", value


def test_it_is_an_image_with_a_log_group_that_ends() -> None:
    assert ANALYST["PackageType"] == "Image"
    assert (ROOT / RESOURCES["Analyst"]["Metadata"]["Dockerfile"]).is_file()
    logs = RESOURCES["AnalystLogs"]["Properties"]
    assert logs["LogGroupName"]["Fn::Sub"] == "/aws/lambda/${Stack}-analyst"
    assert logs["RetentionInDays"]
