"""A Flask program with AWS's X-Ray SDK, as anyone would write it; prints the trace's id as JSON.

AWS_XRAY_DAEMON_ADDRESS says where the daemon is; nothing else is configured for Raywatch.
"""

import json

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
from flask import Flask, Response

app = Flask(__name__)
xray_recorder.configure(service="py-shop", sampling=False)
XRayMiddleware(app, xray_recorder)


def call_bank() -> None:
    """A call to another host that fails."""
    with xray_recorder.in_subsegment("bank.example", namespace="remote") as call:
        call.put_http_meta("url", "https://bank.example/charge")
        call.put_http_meta("method", "POST")
        call.put_http_meta("status", 503)
        raise ValueError("the bank said no")


@app.get("/orders")
def orders() -> Response:
    """More finished subsegments than the SDK keeps, so that it sends some before the segment has ended."""
    segment = xray_recorder.current_segment()
    segment.put_annotation("customer", "ada")
    segment.set_user("ada")
    for number in range(40):
        with xray_recorder.in_subsegment(f"step {number}") as step:
            step.put_metadata("number", number, "steps")
            with xray_recorder.in_subsegment(f"part {number}"):
                pass
    with xray_recorder.in_subsegment("orders@db.example", namespace="remote") as query:
        query.set_sql({"url": "postgresql://db.example/orders", "sanitized_query": "SELECT ?"})
    try:
        call_bank()
    except ValueError:
        segment.add_fault_flag()
    return Response(segment.trace_id)


print(json.dumps({"trace": app.test_client().get("/orders?x=1").text}))
