"""AWS operations called as the front calls them: members checked by botocore's model both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from dashboard.aws.call import AwsError, Call, Operation, Parts


@cache
def model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("xray")


def without_none(value: Any) -> Any:
    """As the front writes it: members that are None are left out."""
    if isinstance(value, Mapping):
        return {key: without_none(each) for key, each in value.items() if each is not None}
    return [without_none(each) for each in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Api:
    """Operations over real parts. A call fails its test when its members or its answer break the model."""

    parts: Parts
    operations: Mapping[str, Operation]
    now_ns: int
    account: str = "123456789012"
    region: str = "us-east-1"
    tenant: int = 0

    def __call__(self, name: str, **members: Any) -> dict[str, Any]:
        operation = model().operation_model(name)
        _check(members, operation.input_shape, f"members of {name}")
        call = Call(self.account, self.region, self.tenant, "key", "test", "request", self.now_ns)
        answer = without_none(self.operations[name](self.parts, call, members))
        _check(answer, operation.output_shape, f"answer of {name}")
        assert isinstance(answer, dict)
        return answer

    def refuses(self, error: str, name: str, **members: Any) -> AwsError:
        """The error, which must be one that the model has for the operation."""
        with pytest.raises(AwsError) as caught:
            self(name, **members)
        raised = caught.value
        assert raised.code == error
        shapes = {shape.name: shape for shape in model().operation_model(name).error_shapes}
        assert error in shapes
        assert raised.status == shapes[error]._shape_model.get("error", {}).get("httpStatusCode", 400)
        return raised

    def at(self, now_ns: int) -> Api:
        return replace(self, now_ns=now_ns)


def _check(members: Any, shape: Any, what: str) -> None:
    report = ParamValidator().validate(members, shape)
    assert not report.has_errors(), f"{what}: {report.generate_report()}"
