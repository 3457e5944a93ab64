"""Tensors of protocol v2 as clients send them: JSON, the binary extension of REST, and both forms of gRPC.

A string in binary form is its length in 4 bytes, little-endian, and then its bytes; a tensor is its strings one after
the other. All forms end as a `kserve.InferRequest` whose BYTES tensors hold lists of strings. What is not BYTES stays
unread: the router has no such input. Values are counted before anything looks at each of them, and KServe's models
never do: they take microseconds for every one.

Source: Open Inference Protocol v2, Triton's extensions "binary tensor data" and "parameters".
"""

import codecs
import struct
from collections.abc import Mapping
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet
from kserve import InferInput, InferRequest
from kserve.protocol.infer_type import RequestedOutput
from kserve.protocol.rest.v2_datamodels import InferenceRequest
from pydantic import ValidationError

from modelsat.errors import InputError
from serving import bounded_json
from serving.bounded_json import JsonLimits

HEADER_LENGTH = "inference-header-content-length"
_SIZE = "binary_data_size"
_SHARED = "shared_memory_region"
_LENGTH = struct.Struct("<I")
LIMITS = JsonLimits(most_values=65_536)
"""Of a body: 1,024 prompts with 60 choices each."""
MOST_STRINGS = 1024
"""Of a binary tensor: as many as a request may hold prompts."""
MOST_TENSORS = 64
"""Inputs, or outputs, of a request."""
_MOST_PARTS = {"parameters": 64, "shape": 8}
"""Entries of a request's or a tensor's own fields."""
# Codecs that read any bytes in linear time; Python has some that do not.
_CHARSETS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "iso8859-1", "cp1252")
# Of Triton's InferParameter; KServe's copy of the message ends before them, so they arrive as unknown fields.
_DOUBLE_PARAM, _UINT64_PARAM = 4, 5


def json_of(body: bytes, content_type: str = "") -> Any:
    """Return a body's JSON, whatever the content type calls it; a charset in it is honoured.

    Raises:
        InputError: The body is not JSON; the text is in no message.
        Refused: It holds too many values (413), or nests too deeply (400).
    """
    charset = _charset(content_type)
    try:
        text = body if charset == "utf-8" else body.decode(charset).encode("utf-8", "surrogatepass")
        return bounded_json.loads(text, LIMITS)
    except (ValueError, RecursionError):
        raise InputError(
            "the body is not valid JSON; send a JSON object, or binary tensors with their "
            "header's length in Inference-Header-Content-Length"
        ) from None


def from_rest(body: bytes, headers: Mapping[str, str], model_name: str) -> InferRequest:
    """Read a v2 body over REST.

    Args:
        body: JSON, with binary tensors behind it where `headers` say how long the JSON is.
        headers: Of the request, names in lower case.
        model_name: From the path.

    Raises:
        InputError: It is malformed.
        Refused: It holds too many values (413), or nests too deeply (400).
    """
    stated = headers.get(HEADER_LENGTH)
    length = len(body) if stated is None else _header_length(stated, len(body))
    fields = json_of(body[:length], headers.get("content-type", ""))
    rest = body[length:]
    data = []
    for tensor in _tensors(fields, "inputs"):
        rest = _take_binary(tensor, rest)
        data.append(_data(tensor))
    _tensors(fields, "outputs")
    if rest:
        raise InputError(f"{len(rest)} bytes follow the last binary tensor; correct {_SIZE} or the header's length")
    try:
        request = InferRequest.from_inference_request(InferenceRequest.model_validate(fields), model_name)
    except ValidationError as error:
        raise InputError(_malformed(error)) from None
    for tensor, values in zip(request.inputs, data, strict=True):
        tensor.data = values
    return request


def from_grpc(message: Any) -> InferRequest:
    """Read a v2 request over gRPC, with tensors in `contents` or in `raw_input_contents`.

    Args:
        message: A `ModelInferRequest`.

    Raises:
        InputError: It is malformed.
    """
    _require_few_tensors(len(message.inputs), "inputs")
    _require_few_tensors(len(message.outputs), "outputs")
    for holder in (message, *message.inputs, *message.outputs):
        _require_few_parts(len(holder.parameters), "parameters", "inputs or outputs")
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise InputError(
            f"the request has {len(message.inputs)} inputs and {len(raw)} raw_input_contents; send one for each input"
        )
    inputs = []
    for i, tensor in enumerate(message.inputs):
        parameters = plain_parameters(tensor.parameters)
        _require_no_shared_memory(tensor.name, parameters)
        # A packed list of numbers is one field of the message, however many it holds.
        _require_few_parts(len(tensor.shape), "shape", "inputs")
        held = list(tensor.contents.bytes_contents)
        if raw and tensor.contents.ByteSize():
            raise InputError(f"input {tensor.name[:80]!r} has contents beside raw_input_contents; send one of them")
        if raw and tensor.datatype.upper() == "BYTES":
            held = strings_of(raw[i], tensor.name)
        inputs.append(InferInput(tensor.name, list(tensor.shape), tensor.datatype, held, parameters))
    outputs = [RequestedOutput(one.name, plain_parameters(one.parameters)) for one in message.outputs]
    request = InferRequest(
        message.model_name, inputs, message.id, None, True, plain_parameters(message.parameters), outputs
    )
    # KServe's own sign that outputs are wanted raw, too: what sends raw tensors reads no others.
    request._use_raw_outputs = bool(raw)
    return request


def _tensors(fields: Any, kind: str) -> list[dict[str, Any]]:
    """Return the objects in a list of a body; what is none is left for the model of requests to refuse."""
    listed = fields.get(kind) if isinstance(fields, dict) else None
    if not isinstance(listed, list):
        return []
    _require_few_tensors(len(listed), kind)
    tensors = [tensor for tensor in listed if isinstance(tensor, dict)]
    for holder in (fields, *tensors):
        for name in _MOST_PARTS:
            held = holder.get(name)
            if isinstance(held, dict | list):
                _require_few_parts(len(held), name, kind)
    return tensors


def _require_few_tensors(count: int, kind: str) -> None:
    if count > MOST_TENSORS:
        raise InputError(f"the request has {count} {kind}; send at most {MOST_TENSORS}")


def _require_few_parts(count: int, name: str, kind: str) -> None:
    if count > _MOST_PARTS[name]:
        raise InputError(
            f"'{name}' of the request or one of its {kind} has {count} entries; at most {_MOST_PARTS[name]}"
        )


def _data(tensor: dict[str, Any]) -> list[Any]:
    """Take a tensor's data out of it; leave what is no list for the model of requests to refuse."""
    data = tensor.get("data")
    if not isinstance(data, list):
        return []
    tensor["data"] = []
    return data if tensor.get("name") == "prompt" else []


def strings_of(raw: bytes, name: str = "prompt") -> list[bytes]:
    """Return the strings of a binary tensor.

    Args:
        raw: Each string after its length in 4 bytes, little-endian.
        name: Of the tensor, for errors.

    Raises:
        InputError: A length does not fit the bytes, or there are more than 1,024 strings.
    """
    found: list[bytes] = []
    at = 0
    while at < len(raw):
        if len(found) == MOST_STRINGS:
            raise InputError(f"input {name[:80]!r} holds more than {MOST_STRINGS} strings; send fewer at once")
        end = at + _LENGTH.size
        if end <= len(raw):
            end += _LENGTH.unpack_from(raw, at)[0]
        if not at + _LENGTH.size <= end <= len(raw):
            raise InputError(
                f"the bytes of input {name[:80]!r} end within string {len(found)}; send each string as its "
                "length in 4 bytes, little-endian, and then its bytes"
            )
        found.append(raw[at + _LENGTH.size : end])
        at = end
    return found


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of gRPC's parameters: bool, int64, string, and Triton's double and uint64."""
    return {name: _plain(value) for name, value in parameters.items()}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("parameter_choice")
    if kind is not None:
        return getattr(value, kind)
    for field in UnknownFieldSet(value):
        if field.field_number == _DOUBLE_PARAM and isinstance(field.data, int):
            return struct.unpack("<d", struct.pack("<Q", field.data))[0]
        if field.field_number == _UINT64_PARAM:
            return field.data
    return ""


def _take_binary(tensor: dict[str, Any], rest: bytes) -> bytes:
    """Move a tensor's bytes out of `rest` into its `data`; return what is left."""
    parameters = tensor.get("parameters")
    name = str(tensor.get("name", ""))
    if not isinstance(parameters, dict):
        return rest
    _require_no_shared_memory(name, parameters)
    if _SIZE not in parameters:
        return rest
    size = parameters[_SIZE]
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise InputError(f"{_SIZE} of input {name[:80]!r} is not a number of bytes; correct it")
    if "data" in tensor:
        raise InputError(f"input {name[:80]!r} has both 'data' and {_SIZE}; send one of them")
    if size > len(rest):
        raise InputError(f"input {name[:80]!r} says {size} bytes and {len(rest)} are left; correct {_SIZE}")
    if str(tensor.get("datatype")).upper() == "BYTES":
        tensor["data"] = strings_of(rest[:size], name)
    else:
        tensor["data"] = []
    return rest[size:]


def _require_no_shared_memory(name: str, parameters: Mapping[str, Any]) -> None:
    if _SHARED in parameters:
        raise InputError(f"input {name[:80]!r} lies in shared memory, which this endpoint does not read; send its data")


def _header_length(stated: str, size: int) -> int:
    if not (stated.isascii() and stated.isdigit() and int(stated[:20]) <= size):
        raise InputError(
            f"Inference-Header-Content-Length {stated[:20]!r} is not the length of the JSON in a body of {size} bytes; "
            "correct it"
        )
    return int(stated)


def _charset(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            try:
                charset = codecs.lookup(value.strip().strip("\"'")).name
            except LookupError:
                charset = ""
            if charset not in _CHARSETS:
                raise InputError(f"charset {value.strip()[:40]!r} is unknown; send UTF-8")
            return charset
    return "utf-8"


def _malformed(error: ValidationError) -> str:
    """Say where a body is malformed; pydantic's own text would echo the prompt."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "its top"
    return f"the request is malformed at {where[:120]!r}: {first['msg']}"
