from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragline.domain.errors import SetupError
from ragline.local.template import load


def test_short_forms_are_written_out(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        """
        AWSTemplateFormatVersion: 2010-09-09
        Resources:
          A: !Ref B
          C: !GetAtt Stack.Outputs.Name
          D: !Sub ["${x}", {x: !Ref Y}]
          E: !If [Cond, !Ref "AWS::NoValue", 1]
          F: {Condition: !Condition Cond}
          G: !GetAtt [Queue, Arn]
        """
    )
    loaded = load(path)
    assert loaded["AWSTemplateFormatVersion"] == "2010-09-09"
    assert loaded["Resources"] == {
        "A": {"Ref": "B"},
        "C": {"Fn::GetAtt": ["Stack", "Outputs.Name"]},
        "D": {"Fn::Sub": ["${x}", {"x": {"Ref": "Y"}}]},
        "E": {"Fn::If": ["Cond", {"Ref": "AWS::NoValue"}, 1]},
        "F": {"Condition": {"Condition": "Cond"}},
        "G": {"Fn::GetAtt": ["Queue", "Arn"]},
    }
    json.dumps(loaded)  # no date or other YAML-only value anywhere


@pytest.mark.parametrize(
    "text", ["a: [", "just text", "Resources: []", "a: !!python/object:x.y {}"]
)
def test_what_is_no_template_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(text)
    with pytest.raises(SetupError, match=r"template\.yaml"):
        load(path)


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"nowhere\.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")
