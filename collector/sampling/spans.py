"""What sampling asks of a span: the request that it stands for, in the words of a rule (specification 3.7).

Handed attributes as texts; the same for spans on their way in and for stored ones that are replayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from collector.attributes import unescape
from collector.batch import SEPARATOR
from collector.sampling.matching import Asked

HOSTS = ("server.address", "net.host.name", "http.host")
PATHS = ("url.path", "http.target")
URLS = ("url.full", "http.url")
PLATFORM = "cloud.platform"
SERVICE_TYPES: Mapping[str, str] = {
    "aws_ec2": "AWS::EC2::Instance",
    "aws_ecs": "AWS::ECS::Container",
    "aws_eks": "AWS::EKS::Container",
    "aws_elastic_beanstalk": "AWS::ElasticBeanstalk::Environment",
    "aws_lambda": "AWS::Lambda::Function",
}
ROUTE = "http.route"
"""Where a span says nothing else of its path; a sampler at its start would not know it."""
ORIGIN = "aws.xray.origin"
"""X-Ray's own word for the service type, kept from a segment."""
CONTAINER_ARN = "aws.ecs.container.arn"
FUNCTION_ARNS = ("cloud.resource_id", "faas.id")

Texts = Mapping[str, str]


def texts(keys: Sequence[str], attrs: str) -> dict[str, str]:
    """A stored attribute set as texts by key; lists and maps are JSON."""
    if not keys:
        return {}
    found = dict(zip(keys, attrs.split(SEPARATOR), strict=False))
    return {key: unescape(text) for key, text in found.items()} if "\x1b" in attrs else found


def asked(service: str, method: str, span: Texts, resource: Texts) -> Asked:
    """The request of a span. service: of its resource; method: of HTTP, '' for none."""
    return Asked(
        service=service,
        service_type=service_type(resource),
        host=_first(span, HOSTS),
        method=method,
        path=path(span),
        resource_arn=resource_arn(resource),
        attributes=span,
    )


def path(span: Texts) -> str:
    """The path of the request's URL without its query, else its route, '' when the span has neither."""
    found = _first(span, PATHS)
    if found:
        return found.partition("?")[0]
    url = _first(span, URLS)
    try:
        return urlsplit(url).path if url else span.get(ROUTE, "")
    except ValueError:  # such as a broken IPv6 address
        return ""


def service_type(resource: Texts) -> str:
    """X-Ray's service type of a resource, '' when it runs on nothing that X-Ray knows."""
    return resource.get(ORIGIN) or SERVICE_TYPES.get(resource.get(PLATFORM, ""), "")


def resource_arn(resource: Texts) -> str:
    """The ARN of the container or function that runs a service."""
    if resource.get(CONTAINER_ARN):
        return resource[CONTAINER_ARN]
    return _first(resource, FUNCTION_ARNS) if resource.get(PLATFORM) == "aws_lambda" else ""


def _first(of: Texts, keys: Sequence[str]) -> str:
    return next((of[key] for key in keys if of.get(key)), "")
