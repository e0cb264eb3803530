"""A leaf stack's template is folded into the one that includes it, meaning what it meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ragline.domain.errors import SetupError
from ragline.local import template
from ragline.local.nesting import flattened
from ragline.local.packaging import LEFT_OUT

ROOT = Path(__file__).parents[3]

OUTER = """
Parameters: {Color: {Type: String, Default: red}}
Conditions: {Wanted: !Equals [!Ref Color, red]}
Globals: {Function: {Timeout: 9, Layers: [outer], Environment: {Variables: {A: outer, B: outer}}}}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Top:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/top, Layers: [own], Environment: {Variables: {B: own}}}
  Leaf:
    Type: AWS::Serverless::Application
    Condition: Wanted
    Properties: {Location: infra/leaf.yaml, Parameters: {QueueArn: !GetAtt Queue.Arn}}
Outputs:
  Found: {Value: !GetAtt Leaf.Outputs.Name}
"""

INNER = """
Parameters:
  QueueArn: {Type: String}
  Size: {Type: String, Default: small}
Conditions: {Small: !Equals [!Ref Size, small]}
Globals: {Function: {Timeout: 3}}
Resources:
  Reader:
    Type: AWS::Serverless::Function
    Metadata: {DockerContext: ..}
    DependsOn: [Table]
    Properties:
      CodeUri: ../functions/reader
      Role: !GetAtt Table.Arn
      Name: !Sub "${AWS::StackName}-${Table}-${QueueArn}-${!kept}"
      Events: {Q: {Type: SQS, Properties: {Queue: !Ref QueueArn}}}
  Table:
    Type: AWS::DynamoDB::Table
    Condition: Small
    Properties: {Kind: !If [Small, !Ref Table, !Ref AWS::NoValue]}
Outputs:
  Name: {Value: !Ref Table}
"""


def folded(tmp_path: Path, outer: str = OUTER, inner: str = INNER) -> dict[str, Any]:
    (tmp_path / "infra").mkdir()
    (tmp_path / "template.yaml").write_text(outer)
    (tmp_path / "infra/leaf.yaml").write_text(inner)
    return flattened(template.load(tmp_path / "template.yaml"), tmp_path)


def test_a_leafs_resources_stand_beside_the_others_under_its_name(tmp_path: Path) -> None:
    whole = folded(tmp_path)
    assert list(whole["Resources"]) == ["Queue", "Top", "LeafReader", "LeafTable"]
    assert whole["Resources"]["LeafReader"]["DependsOn"] == ["LeafTable"]
    assert whole["Resources"]["LeafReader"]["Properties"]["Role"] == {
        "Fn::GetAtt": ["LeafTable", "Arn"]
    }


def test_its_parameters_are_what_its_application_gives_them_or_their_defaults(
    tmp_path: Path,
) -> None:
    whole = folded(tmp_path)
    reader = whole["Resources"]["LeafReader"]["Properties"]
    arn = {"Fn::GetAtt": ["Queue", "Arn"]}
    assert reader["Events"]["Q"]["Properties"]["Queue"] == arn
    assert reader["Name"] == {
        "Fn::Sub": ["${AWS::StackName}-${LeafTable}-${QueueArn}-${!kept}", {"QueueArn": arn}]
    }
    assert whole["Conditions"]["LeafSmall"] == {"Fn::Equals": ["small", "small"]}


def test_its_paths_are_those_of_its_own_folder(tmp_path: Path) -> None:
    reader = folded(tmp_path)["Resources"]["LeafReader"]
    assert reader["Properties"]["CodeUri"] == "functions/reader"
    assert reader["Metadata"]["DockerContext"] == "."


def test_a_template_has_globals_for_its_own_functions_only(tmp_path: Path) -> None:
    whole = folded(tmp_path)
    assert "Globals" not in whole
    top = whole["Resources"]["Top"]["Properties"]
    assert top["Timeout"] == 9
    assert top["Layers"] == ["outer", "own"]
    assert top["Environment"]["Variables"] == {"A": "outer", "B": "own"}
    reader = whole["Resources"]["LeafReader"]["Properties"]
    assert reader["Timeout"] == 3
    assert "Environment" not in reader


def test_what_stands_under_a_condition_stands_under_that_of_its_application_too(
    tmp_path: Path,
) -> None:
    whole = folded(tmp_path)
    assert whole["Resources"]["LeafReader"]["Condition"] == "Wanted"
    both = whole["Resources"]["LeafTable"]["Condition"]
    assert whole["Conditions"][both] == {
        "Fn::And": [{"Condition": "Wanted"}, {"Condition": "LeafSmall"}]
    }
    assert whole["Resources"]["LeafTable"]["Properties"]["Kind"] == {
        "Fn::If": ["LeafSmall", {"Ref": "LeafTable"}, {"Ref": "AWS::NoValue"}]
    }


def test_an_output_of_a_leaf_is_what_the_leaf_says_of_it(tmp_path: Path) -> None:
    assert folded(tmp_path)["Outputs"]["Found"]["Value"] == {"Ref": "LeafTable"}


@pytest.mark.parametrize(
    ("outer", "inner", "told"),
    [
        (OUTER.replace("{QueueArn: !GetAtt Queue.Arn}", "{}"), INNER, "parameter QueueArn"),
        (OUTER.replace("{QueueArn:", "{Typo: 1, QueueArn:"), INNER, "no parameter Typo"),
        (OUTER.replace("Outputs.Name", "Outputs.Nome"), INNER, "no output Nome"),
        (OUTER, INNER.replace("AWS::DynamoDB::Table", "AWS::Serverless::Application"), "a leaf"),
        (OUTER.replace("leaf.yaml", "reef.yaml"), INNER, r"reef\.yaml cannot be read"),
        (OUTER.replace("{Function: {Timeout: 9", "{Api: {}, Function: {Timeout: 9"), INNER, "Api"),
    ],
)
def test_what_does_not_fit_together_is_told(
    tmp_path: Path, outer: str, inner: str, told: str
) -> None:
    with pytest.raises(SetupError, match=told):
        folded(tmp_path, outer, inner)


def test_our_own_template_folds_into_one_without_dangling_names() -> None:
    whole = flattened(template.load(ROOT / "template.yaml"), ROOT)
    apart = {n for n, r in whole["Resources"].items() if r["Type"].endswith("Application")}
    assert apart <= set(LEFT_OUT)
    conditions = {r["Condition"] for r in whole["Resources"].values() if "Condition" in r}
    assert conditions <= set(whole["Conditions"])
