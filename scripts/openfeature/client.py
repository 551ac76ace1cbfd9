"""Evaluates flags with the SDK; prints what it got as one line of JSON for each line it reads."""
import json, os, sys
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
token = os.environ.get("TOKEN")
headers = (lambda: {"Authorization": f"Bearer {token}"}) if token else None
api.set_provider(OFREPProvider(os.environ["URL"], headers_factory=headers))
client = api.get_client()
context = EvaluationContext("u1", {"plan": "gold"})
for line in sys.stdin:
    details = {
        "boolean": client.get_boolean_details("boolean", False, context),
        "string": client.get_string_details("string", "code", context),
        "integer": client.get_integer_details("integer", 0, context),
        "float": client.get_float_details("float", 0.0, context),
        "object": client.get_object_details("object", {}, context),
        "targeted": client.get_string_details("targeted", "code", context),
        "disabled": client.get_string_details("disabled", "code", context),
        "none": client.get_string_details("none", "code", context),
        "missing": client.get_string_details("missing", "code", context),
        "slash": client.get_string_details("with/slash ü", "code", context),
    }
    told = {
        key: {"value": it.value, "reason": it.reason and str(it.reason.value if hasattr(it.reason, "value") else it.reason),
              "variant": it.variant, "errorCode": it.error_code and it.error_code.value, "errorMessage": it.error_message}
        for key, it in details.items()
    }
    print(json.dumps(told), flush=True)
