"""Who a node is in X-Ray's answers: the rules of nodes.py, a line each."""

from __future__ import annotations

from typing import Any

import pytest

from collector.query.xray.nodes import client_node, inferred_node, segment_node, service_id


@pytest.mark.parametrize(
    ("resource", "type_", "account"),
    [
        ({}, None, None),
        ({"aws.xray.origin": "AWS::ECS::Fargate", "cloud.platform": "aws_ec2"}, "AWS::ECS::Fargate", None),
        (
            {"cloud.platform": "aws_ec2", "cloud.account.id": "123456789012"},
            "AWS::EC2::Instance",
            "123456789012",
        ),
        ({"cloud.platform": "aws_ec2", "cloud.provider": "aws"}, "AWS::EC2::Instance", None),
        ({"cloud.platform": "aws_ec2", "cloud.provider": "azure"}, None, None),
        ({"cloud.platform": "aws_ecs"}, "AWS::ECS::Container", None),
        ({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "fargate"}, "AWS::ECS::Fargate", None),
        ({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "EC2"}, "AWS::ECS::EC2", None),
        ({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "external"}, "AWS::ECS::Container", None),
        ({"cloud.platform": "aws_eks"}, "AWS::EKS::Container", None),
        ({"cloud.platform": "aws_app_runner"}, "AWS::AppRunner::Service", None),
        ({"cloud.platform": "aws_elastic_beanstalk"}, "AWS::ElasticBeanstalk::Environment", None),
        ({"cloud.platform": "aws_lambda"}, "AWS::Lambda::Function", None),
        ({"cloud.platform": "gcp_cloud_run"}, None, None),
        ({"cloud.account.id": 123456789012}, None, "123456789012"),
        ({"aws.xray.origin": ["x"], "cloud.account.id": ""}, None, None),
    ],
)
def test_segments(resource: dict[str, Any], type_: str | None, account: str | None) -> None:
    found = segment_node("web", resource)
    assert (found.name, found.names, found.type, found.account) == ("web", ("web",), type_, account)


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("AWS::DynamoDB::Table", "AWS::DynamoDB::Table"), ("AWS::SNS", "AWS::SNS"), ("aws", "remote"),
        ("database", "Database::SQL"), ("cache", "remote"), ("queue", "remote"), ("rpc", "remote"),
        ("remote", "remote"), ("", "remote"),
    ],
)  # fmt: skip
def test_inferred_nodes(type_: str, expected: str) -> None:
    assert inferred_node("x", type_) == service_id("x", None, expected)
    assert inferred_node("", type_) is None


def test_a_client_has_the_roots_name_and_account() -> None:
    client = client_node(service_id("web", "123456789012", "AWS::ECS::Container"))
    assert client == service_id("web", "123456789012", "client")
    assert client.is_client
    assert not service_id("web").is_client
    assert not service_id("web", None, "clients").is_client
    assert service_id("web", None, "client::Synthetics").is_client


def test_names_are_no_part_of_an_identity() -> None:
    assert service_id("web") == segment_node("web", {})
    assert service_id("web", "1", "t").members() == {
        "Name": "web", "Names": ["web"], "AccountId": "1", "Type": "t",
    }  # fmt: skip
    assert service_id("web").members() == {"Name": "web", "Names": ["web"]}
